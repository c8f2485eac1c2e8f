"""How `apigatewayv2` finds, pages and updates what is configured: as `apigateway` does, in its own words.

An update here is not a patch: the request's members replace the entity's. Two things are AWS's own: an empty string
takes an optional member away, and a map's entries are merged, those set to an empty string removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.apigateway.http import model
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.model import DomainName, describe
from forecourt.store import Document, position

DEFAULT_PAGE_SIZE = 500
MAXIMUM_PAGE_SIZE = 500

_MISSING: dict[type[Document], str] = {
    model.Api: "Invalid API identifier specified {account}:{key}",
    model.Route: "Invalid Route identifier specified {key}",
    model.RouteResponse: "Invalid RouteResponse identifier specified {key}",
    model.Integration: "Invalid Integration identifier specified {key}",
    model.IntegrationResponse: "Invalid IntegrationResponse identifier specified {key}",
    model.Authorizer: "Invalid Authorizer identifier specified {key}",
    model.Model: "Invalid Model identifier specified {key}",
    model.Deployment: "Invalid Deployment identifier specified {key}",
    model.Stage: "Invalid stage identifier specified",
    model.VpcLink: "Invalid VpcLink identifier specified {key}",
    model.ApiMapping: "The api mapping resource specified in the request was not found.",
    model.HttpSnapshot: "Invalid Deployment identifier specified {key}",
    model.RoutingRule: "The routing rule resource specified in the request was not found.",
    DomainName: "The domain name resource specified in the request was not found.",
}

D = TypeVar("D", bound=Document)


def missing(context: CallContext, kind: type[Document], key: Sequence[str]) -> ServiceError:
    return NotFoundException(_MISSING[kind].format(account=context.account, key=key[-1]))


def merged(entity: D, request: Mapping[str, Any]) -> D:
    """`entity` with the request's members in place of its own."""
    data = msgspec.to_builtins(entity)
    for name, value in request.items():
        if name in data:
            data[name] = _merge(name, data[name], value)
    try:
        return msgspec.convert(data, type(entity))
    except msgspec.ValidationError as error:
        raise BadRequestException(f"Invalid value specified: {error}") from None


# A request replaces every other member whole.
_MERGED = frozenset(
    {
        "AccessLogSettings",
        "DefaultRouteSettings",
        "RequestParameters",
        "RequestTemplates",
        "ResponseParameters",
        "RouteSettings",
        "StageVariables",
    }
)


def _merge(name: str, before: Any, given: Any) -> Any:
    if given == "":
        return None
    if name not in _MERGED or not isinstance(given, Mapping):
        return given
    entries: dict[str, Any] = dict(before or {})
    for key, value in given.items():
        # A route's settings are merged as the routes are.
        entries[key] = {**entries.get(key, {}), **value} if name == "RouteSettings" else value
    return {key: value for key, value in entries.items() if value not in ("", None, {})}


def page(documents: Iterable[Document], request: Mapping[str, Any]) -> dict[str, Any]:
    """A page of `Items`. `MaxResults` is a string in `apigatewayv2`."""
    size, token = _page_size(request), request.get("NextToken")
    waiting = list(documents)
    if token:
        positions = [position(document) for document in waiting]
        waiting = waiting[_behind(positions, token) :]
    result: dict[str, Any] = {"Items": [describe(document) for document in waiting[:size]]}
    if len(waiting) > size:
        result["NextToken"] = encode_token(position(waiting[size - 1]))
    return result


def _page_size(request: Mapping[str, Any]) -> int:
    given = request.get("MaxResults")
    if given is None:
        return DEFAULT_PAGE_SIZE
    if not str(given).isdecimal() or int(given) < 1:
        raise BadRequestException("MaxResults must be a number between 1 and 500")
    return min(int(given), MAXIMUM_PAGE_SIZE)


def _behind(positions: list[tuple[str, ...]], token: str) -> int:
    try:
        return positions.index(decode_token(token)) + 1
    except ValueError:
        raise BadRequestException("Invalid NextToken specified") from None
