"""What of an API nobody has written about yet: the places that have no documentation part.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-documenting-api-content-representation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from forecourt.services.apigateway.rest.model import (
    Authorizer,
    DocumentationPart,
    DocumentationPartLocation,
    Method,
    Model,
    Resource,
)

_VARIABLE = re.compile(r"\{([^}+]+)\+?\}")
_PARAMETERS = {"path": "PATH_PARAMETER", "querystring": "QUERY_PARAMETER", "header": "REQUEST_HEADER"}

Location = DocumentationPartLocation


def undocumented(
    resources: Iterable[Resource],
    models: Iterable[Model],
    authorizers: Iterable[Authorizer],
    parts: Iterable[DocumentationPart],
) -> list[Location]:
    known = {_key(part.location) for part in parts}
    places = [
        Location(type="API"),
        *(Location(type="AUTHORIZER", name=authorizer.name) for authorizer in authorizers),
        *(Location(type="MODEL", name=model.name) for model in models),
        *(place for resource in sorted(resources, key=lambda resource: resource.path) for place in _of(resource)),
    ]
    return [place for place in places if _key(place) not in known]


def _key(location: Location) -> tuple[str | None, ...]:
    return location.type, location.path, location.method, location.status_code, location.name


def _of(resource: Resource) -> Iterator[Location]:
    path = resource.path
    yield Location(type="RESOURCE", path=path)
    for name in _VARIABLE.findall(path.rpartition("/")[2]):
        yield Location(type="PATH_PARAMETER", path=path, name=name)
    for http_method, method in sorted(resource.resource_methods.items()):
        yield from _of_method(path, "*" if http_method == "ANY" else http_method, method)


def _of_method(path: str, http_method: str, method: Method) -> Iterator[Location]:
    yield Location(type="METHOD", path=path, method=http_method)
    for parameter in sorted(method.request_parameters or {}):
        _, _, place, name = parameter.split(".", 3)
        yield Location(type=_PARAMETERS[place], path=path, method=http_method, name=name)
    if method.request_models:
        yield Location(type="REQUEST_BODY", path=path, method=http_method)
    for code, response in sorted((method.method_responses or {}).items()):
        yield Location(type="RESPONSE", path=path, method=http_method, status_code=code)
        for parameter in sorted(response.response_parameters or {}):
            name = parameter.split(".", 3)[3]
            yield Location(type="RESPONSE_HEADER", path=path, method=http_method, status_code=code, name=name)
        if response.response_models:
            yield Location(type="RESPONSE_BODY", path=path, method=http_method, status_code=code)
