"""What a generated client can call: the methods of a snapshot, named and with their parameters."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from forecourt.services.apigateway.rest.model import Method
from forecourt.services.apigateway.rest.schemas import renamed_references
from forecourt.services.apigateway.snapshot import Snapshot

PLACES = ("path", "querystring", "header")
_VARIABLE = re.compile(r"\{([^}+]+)(\+?)\}")
_WORD = re.compile(r"[A-Za-z0-9]+")
MODEL_PREFIX = "model:"


@dataclass(frozen=True)
class Parameter:
    name: str
    # path, querystring, header
    place: str
    required: bool


@dataclass(frozen=True)
class Operation:
    # camelCase, as AWS's clients name it: `petsPetIdGet`
    name: str
    http_method: str
    path: str
    parameters: tuple[Parameter, ...]
    # Whether to sign, where the client has credentials
    sign: bool
    # The model of the body, and of the first successful answer
    body: str | None
    result: str | None


def operations_of(snapshot: Snapshot) -> list[Operation]:
    found = [
        _operation(resource.path, method)
        for resource in sorted(snapshot.resources, key=lambda resource: resource.path)
        for _, method in sorted(resource.resource_methods.items())
        # A browser asks this by itself.
        if method.http_method != "OPTIONS"
    ]
    return _unique(found)


def _unique(operations: list[Operation]) -> list[Operation]:
    """Two operations of one name would hide one another: the later ones get a number."""
    seen: dict[str, int] = {}
    unique = []
    for operation in operations:
        count = seen[operation.name] = seen.get(operation.name, 0) + 1
        name = operation.name if count == 1 else f"{operation.name}{count}"
        unique.append(Operation(**{**operation.__dict__, "name": name}))
    return unique


def _operation(path: str, method: Method) -> Operation:
    return Operation(
        name=_name(path, method),
        http_method=method.http_method,
        path=path,
        parameters=_parameters(path, method),
        sign=method.authorization_type == "AWS_IAM",
        body=next(iter((method.request_models or {}).values()), None),
        result=_result(method),
    )


def _name(path: str, method: Method) -> str:
    given = method.operation_name or ""
    words = _WORD.findall(given) or [*_WORD.findall(path)] or ["root"]
    if not given:
        words.append(method.http_method.lower())
    name = words[0][:1].lower() + words[0][1:] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    return f"_{name}" if name[0].isdigit() else name


def _parameters(path: str, method: Method) -> tuple[Parameter, ...]:
    declared = dict(method.request_parameters or {})
    for name, _ in _VARIABLE.findall(path):
        declared[f"method.request.path.{name}"] = True
    found = []
    for key, required in declared.items():
        _, _, place, name = key.split(".", 3)
        found.append(Parameter(name, place, required))
    return tuple(sorted(found, key=lambda p: (not p.required, PLACES.index(p.place), p.name)))


def _result(method: Method) -> str | None:
    for code, response in sorted((method.method_responses or {}).items()):
        if code.startswith("2"):
            return next(iter((response.response_models or {}).values()), None)
    return None


def schemas_of(snapshot: Snapshot) -> dict[str, Any]:
    """The models' JSON schemas; a reference to another model is `{"$ref": "model:Name"}`."""
    schemas = {}
    for model in sorted(snapshot.models, key=lambda model: model.name):
        try:
            schemas[model.name] = renamed_references(json.loads(model.schema or "{}"), MODEL_PREFIX)
        except ValueError:
            continue
    return schemas
