"""What REST APIs' authorizers by bearer token have in common: where the token is, and how its claims are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from forecourt.services.apigateway.authorizers.token import Claims, bearer
from forecourt.services.apigateway.integrations.mapping import compile_request_source
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.messages import MethodRequest, Served
from forecourt.services.apigateway.rest.model import Authorizer

DEFAULT_IDENTITY_SOURCE = "method.request.header.Authorization"


class Verified(NamedTuple):
    """What is remembered of a good token."""

    claims: Claims
    # `$context.authorizer`
    told: Mapping[str, Any]


def verified(claims: Claims) -> Verified:
    return Verified(claims, {"claims": {name: _text(value) for name, value in claims.items()}})


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return msgspec.json.encode(value).decode()


class Bearing:
    """The part of an `Authority[str, Verified]` that finds the token."""

    def __init__(self, authorizer: Authorizer, served: Served) -> None:
        self._source = compile_request_source(authorizer.identity_source or DEFAULT_IDENTITY_SOURCE, served.variables)

    def identify(self, request: MethodRequest) -> str:
        value = self._source(request)
        if not isinstance(value, str) or not value:
            raise GatewayError("UNAUTHORIZED")
        return bearer(value)
