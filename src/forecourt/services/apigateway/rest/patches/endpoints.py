"""The endpoint of an API or of a domain name: its types and those of its addresses."""

from __future__ import annotations

from forecourt.services.apigateway.rest.patch import Data, Operation, Rule, choice, element, elements, member
from forecourt.services.apigateway.rest.patches.rows import ADD_REMOVE, ANY, REPLACE

ENDPOINT_TYPES = ("REGIONAL", "EDGE", "PRIVATE")
BAD_ENDPOINT_TYPE = "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"


def _endpoint_type(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """`op=replace path=/endpointConfiguration/types/EDGE value=REGIONAL`, or `types/0`, by place."""
    types: list[str] = (data.get("endpointConfiguration") or {}).get("types") or []
    by_place = {str(place): kind for place, kind in enumerate(types)}
    keys = (by_place.get(keys[0], keys[0]),)
    if operation.op != "remove":
        given = operation.value if operation.op == "replace" else keys[0]
        choice(ENDPOINT_TYPES, BAD_ENDPOINT_TYPE)(given)
    element("endpointConfiguration/types")(data, keys, operation)


def _endpoint_types(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """`op=add path=/endpointConfiguration/types value=REGIONAL`"""
    choice(ENDPOINT_TYPES, BAD_ENDPOINT_TYPE)(operation.value)
    elements("endpointConfiguration/types")(data, keys, operation)


_IP_TYPE = choice(("ipv4", "dualstack"), "ipAddressType must be either ipv4 or dualstack.")

TYPES = Rule("/endpointConfiguration/types", ADD_REMOVE, _endpoint_types)
TYPE = Rule("/endpointConfiguration/types/{type}", ANY, _endpoint_type)
IP_ADDRESS_TYPE = Rule(
    "/endpointConfiguration/ipAddressType", REPLACE, member("endpointConfiguration/ipAddressType", _IP_TYPE)
)
