"""From a call of the API to a visit: pool and client by the client's id, and where the user sits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.call import CallContext
from forecourt.services.cognito.auth.attempt import Visit
from forecourt.services.cognito.model import Client, Pool
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.triggers import Occasion


async def visit_of(records: Records, context: CallContext, request: Mapping[str, Any], flow: str = "") -> Visit:
    """Of a call without a signature: the client's id says everything."""
    pool, client = await records.client_and_pool(request["ClientId"])
    return Visit(
        occasion=_occasion(context, pool, client, request, flow),
        client=client,
        flow=flow,
        parameters=request.get("AuthParameters") or request.get("ChallengeResponses") or {},
        ip=_trusted_ip(context, request, client.settings),
        user_agent=context.user_agent,
    )


async def admin_visit(records: Records, context: CallContext, request: Mapping[str, Any], flow: str = "") -> Visit:
    """Of a signed call: the server that makes it tells where its user sits (ContextData)."""
    pool = await records.pool(context, request["UserPoolId"])
    client = await records.client(pool, request["ClientId"])
    data = request.get("ContextData") or {}
    headers = {h.get("headerName", "").lower(): h.get("headerValue", "") for h in data.get("HttpHeaders", ())}
    return Visit(
        occasion=_occasion(context, pool, client, request, flow),
        client=client,
        flow=flow,
        parameters=request.get("AuthParameters") or request.get("ChallengeResponses") or {},
        door="admin",
        ip=data.get("IpAddress") or context.source_ip,
        user_agent=headers.get("user-agent", context.user_agent),
    )


def _occasion(context: CallContext, pool: Pool, client: Client, request: Mapping[str, Any], flow: str) -> Occasion:
    """ClientMetadata of a call that starts a flow reaches the triggers that validate (as `validationData`), and no
    other; of every other call it is the triggers' `clientMetadata`."""
    name = "validation_data" if flow else "metadata"
    return Occasion(context=context, pool=pool, client_id=client.id, **{name: request.get("ClientMetadata") or {}})


def _trusted_ip(context: CallContext, request: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Anyone may claim an address, so UserContextData's counts only where the client is set to pass it on."""
    claimed = (request.get("UserContextData") or {}).get("IpAddress")
    return claimed if claimed and settings.get("EnablePropagateAdditionalUserContextData") else context.source_ip
