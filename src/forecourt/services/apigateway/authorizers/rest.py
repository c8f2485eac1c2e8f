"""The authorizers of REST APIs by their type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forecourt.services.apigateway.authorizers.cognito import UserPoolsAuthority
from forecourt.services.apigateway.authorizers.lambda_authorizer import RequestAuthority, TokenAuthority
from forecourt.services.apigateway.authorizers.rest_jwt import RestJwtAuthority
from forecourt.services.apigateway.authorizers.step import Authority
from forecourt.services.apigateway.plan.messages import Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Authorizer

_KINDS: Mapping[str, Callable[[Authorizer, Sequence[str] | None, Served, Ports], Authority[Any, Any]]] = {
    "TOKEN": TokenAuthority,
    "REQUEST": RequestAuthority,
    "COGNITO_USER_POOLS": UserPoolsAuthority,
    "JWT": RestJwtAuthority,
}


def rest_authority(
    authorizer: Authorizer, scopes: Sequence[str] | None, served: Served, ports: Ports
) -> Authority[Any, Any]:
    """`scopes`: the method's."""
    return _KINDS[authorizer.type](authorizer, scopes, served, ports)
