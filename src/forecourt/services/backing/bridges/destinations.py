"""API destinations of EventBridge: an HTTP endpoint that a rule calls, authorized as its connection says.

What is known of connections is basic authentication, API keys and parameters; one that wants OAuth is not called.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from forecourt.base.arn import Arn

_log = logging.getLogger("forecourt.backing")

_HEADERS = {"content-type": "application/json; charset=utf-8", "user-agent": "Amazon/EventBridge/ApiDestinations"}


def is_destination(arn: Arn) -> bool:
    return arn.service == "events" and arn.resource.startswith("api-destination/")


def call_of(arn: Arn, target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """None where there is nobody to be called, or no way to be let in."""
    from moto.events.models import events_backends

    backend = events_backends[arn.account][arn.region]
    found = [one for one in backend.destinations.values() if one.arn == str(arn)]
    connections = {one.arn: one for one in backend.connections.values()}
    connection = connections.get(found[0].connection_arn) if found else None
    if connection is None or connection.authorization_type not in _AUTHORIZATIONS:
        _log.warning("%s cannot be called: it is gone, or its connection's authorization is not known here", arn)
        return []
    known = connection.auth_parameters
    parameters = known.get("InvocationHttpParameters") or {}
    said = target.get("HttpParameters") or {}
    headers = {
        **_HEADERS,
        **_pairs(parameters, "HeaderParameters"),
        **(said.get("HeaderParameters") or {}),
        **_AUTHORIZATIONS[connection.authorization_type](known),
    }
    query = {**_pairs(parameters, "QueryStringParameters"), **(said.get("QueryStringParameters") or {})}
    url = _url(found[0].invocation_endpoint, said.get("PathParameterValues") or (), query)
    body = _with_members(text, _pairs(parameters, "BodyParameters"))
    return [("http", found[0].http_method, {"url": url, "headers": headers, "body": body})]


def _pairs(parameters: Mapping[str, Any], member: str) -> dict[str, str]:
    return {one["Key"]: str(one["Value"]) for one in parameters.get(member) or ()}


def _url(endpoint: str, values: Any, query: Mapping[str, str]) -> str:
    """Each `*` of the endpoint is one of the target's path parameters."""
    for value in values:
        endpoint = endpoint.replace("*", quote(value, safe=""), 1)
    return endpoint + (f"{'&' if '?' in endpoint else '?'}{urlencode(query)}" if query else "")


def _with_members(text: str, members: Mapping[str, str]) -> str:
    document = json.loads(text) if members else None
    return json.dumps({**document, **members}) if isinstance(document, dict) else text


def _basic(known: Mapping[str, Any]) -> dict[str, str]:
    said = known["BasicAuthParameters"]
    token = base64.b64encode(f"{said['Username']}:{said['Password']}".encode()).decode()
    return {"authorization": f"Basic {token}"}


def _api_key(known: Mapping[str, Any]) -> dict[str, str]:
    said = known["ApiKeyAuthParameters"]
    return {said["ApiKeyName"]: said["ApiKeyValue"]}


_AUTHORIZATIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {"BASIC": _basic, "API_KEY": _api_key}
