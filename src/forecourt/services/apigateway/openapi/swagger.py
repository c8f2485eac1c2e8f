"""OpenAPI 3.0 as OpenAPI 2.0: the inverse of what `reading.py` knows of their difference."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from forecourt.services.apigateway.openapi.document import Json, obj


def as_swagger(document: Json) -> Json:
    server = document["servers"][0]
    components = obj(document.get("components"))
    swagger: Json = {
        "swagger": "2.0",
        "info": document["info"],
        "host": urlsplit(server["url"]).netloc,
        "basePath": f"/{server['variables']['basePath']['default']}",
        "schemes": ["https"],
        "paths": {path: _path(item) for path, item in document["paths"].items()},
    }
    if "securitySchemes" in components:
        swagger["securityDefinitions"] = components["securitySchemes"]
    if "schemas" in components:
        swagger["definitions"] = components["schemas"]
    extensions = {name: value for name, value in document.items() if name.startswith("x-")}
    result: Json = _renamed({**swagger, **extensions})
    return result


def _path(item: Json) -> Json:
    return {name: _operation(operation) for name, operation in item.items()}


def _operation(operation: Json) -> Json:
    body = obj(obj(operation.get("requestBody")).get("content"))
    produced = sorted({name for r in operation["responses"].values() for name in r.get("content", {})})
    converted: Json = {}
    for name, value in operation.items():
        if name == "parameters":
            converted[name] = [_parameter(parameter) for parameter in value]
        elif name == "requestBody":
            converted.setdefault("parameters", []).append(_body(body))
        elif name == "responses":
            converted[name] = {code: _response(response) for code, response in value.items()}
        else:
            converted[name] = value
    types = {"consumes": sorted(body), "produces": produced}
    return {**{name: value for name, value in types.items() if value}, **converted}


def _parameter(parameter: Json) -> Json:
    return {**{name: value for name, value in parameter.items() if name != "schema"}, **parameter["schema"]}


def _body(content: Json) -> Json:
    """OpenAPI 2.0 has one schema for a body, whatever its content type."""
    schema = next(iter(content.values()))["schema"]
    return {"in": "body", "name": schema["$ref"].rsplit("/", 1)[-1], "required": True, "schema": schema}


def _response(response: Json) -> Json:
    converted = {name: value for name, value in response.items() if name not in ("content", "headers")}
    if response.get("content"):
        converted["schema"] = next(iter(response["content"].values()))["schema"]
    if response.get("headers"):
        converted["headers"] = {name: header["schema"] for name, header in response["headers"].items()}
    return converted


def _renamed(node: Any) -> Any:
    if isinstance(node, list):
        return [_renamed(item) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        return {**node, "$ref": reference.replace("#/components/schemas/", "#/definitions/")}
    return {name: _renamed(value) for name, value in node.items()}
