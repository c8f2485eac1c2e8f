"""Documentation parts of a document: `x-amazon-apigateway-documentation`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-documentation.html
"""

from __future__ import annotations

import json

import msgspec

from forecourt.services.apigateway.openapi.document import Json, items, obj
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import DocumentationPartLocation

_MEMBERS = ("type", "path", "method", "statusCode", "name")
# What is about a path or below stands at `/`, and of a method about every method, unless it says where.
_PLACED = ("RESOURCE", "METHOD", "PATH_PARAMETER", "QUERY_PARAMETER", "REQUEST_HEADER", "REQUEST_BODY")
_ANSWERS = ("RESPONSE", "RESPONSE_HEADER", "RESPONSE_BODY")


def parts_of(document: Json) -> list[tuple[DocumentationPartLocation, str]]:
    """Each part's location and its properties as JSON text."""
    given = obj(document.get("x-amazon-apigateway-documentation"))
    return [_part(obj(part)) for part in items(given.get("documentationParts"))]


def placed(location: DocumentationPartLocation) -> DocumentationPartLocation:
    """Where a part stands that does not say where."""
    if location.type in _PLACED + _ANSWERS:
        location.path = location.path or "/"
    if location.type == "METHOD":
        location.method = location.method or "*"
    return location


def _part(part: Json) -> tuple[DocumentationPartLocation, str]:
    location = obj(part.get("location"))
    members = {name: str(location[name]) for name in _MEMBERS if location.get(name) is not None}
    if members.get("type") in _PLACED + _ANSWERS:
        members.setdefault("path", "/")
    try:
        return msgspec.convert(members, DocumentationPartLocation), json.dumps(obj(part.get("properties")))
    except msgspec.ValidationError:
        raise BadRequestException("Invalid documentation part location specified") from None
