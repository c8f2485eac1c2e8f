"""The Python client: a package with a method for each of the API's, typed by its models."""

from __future__ import annotations

import json
import keyword
import re
from importlib.resources import files
from typing import Any

from forecourt.services.apigateway.rest.sdk.operations import MODEL_PREFIX, Operation, Parameter

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")


def python(
    name: str, operations: list[Operation], schemas: dict[str, Any], endpoint: str, region: str
) -> dict[str, str]:
    """The files of the zip by name."""
    package = _snake(name) or "api"
    return {
        f"{package}/__init__.py": _INIT.format(name=_docstring(name)),
        f"{package}/client.py": _client(name, operations, schemas, endpoint, region),
        f"{package}/models.py": _models(schemas),
        f"{package}/runtime.py": files(__package__).joinpath("runtime.py").read_text(),
        f"{package}/py.typed": "",
        "pyproject.toml": _PYPROJECT.format(package=package.replace("_", "-"), module=package),
        "README.md": _README.format(
            name=name,
            package=package,
            endpoint=endpoint,
            first=_snake(operations[0].name) if operations else "root_get",
        ),
    }


_INIT = '''"""{name}"""

from .client import Client
from .runtime import ApiError, Credentials, Response

__all__ = ["ApiError", "Client", "Credentials", "Response"]
'''

_PYPROJECT = """[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"

[project]
name = "{package}"
version = "1.0.0"
requires-python = ">=3.11"

[tool.setuptools]
packages = ["{module}"]
"""

_README = """# {name}

    from {package} import Client, Credentials

    client = Client(
        endpoint="{endpoint}",                 # the default
        credentials=Credentials("...", "..."), # for methods with AWS_IAM authorization
        api_key="...",                         # for methods that require a key
    )
    print(client.{first}().data)

A status of 400 or more is raised as `ApiError`, with `status`, `headers` and `data`.
"""

_CLIENT = '''"""Generated: the methods of {name}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import models as models
from .runtime import Credentials, Response, Transport


class Client:
    def __init__(
        self,
        *,
        endpoint: str = {endpoint},
        region: str = {region},
        credentials: Credentials | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._transport = Transport(endpoint, region, credentials, api_key, timeout_seconds)
{methods}'''

_METHOD = '''
    def {name}(
        self,{arguments}
        body: {body} | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,{http_method_argument}
    ) -> Response:
        """{said}"""
        return self._transport.send(
            {http_method},
            {path},
            {path_parameters},
            {{{query_parameters}**(query or {{}})}},
            {{{header_parameters}**(headers or {{}})}},
            body,
            sign={sign},
        )
'''


def _client(name: str, operations: list[Operation], schemas: dict[str, Any], endpoint: str, region: str) -> str:
    methods = "".join(_method(operation, schemas) for operation in operations)
    return _CLIENT.format(name=_docstring(name), endpoint=_literal(endpoint), region=_literal(region), methods=methods)


def _method(operation: Operation, schemas: dict[str, Any]) -> str:
    any_method = operation.http_method == "ANY"
    names = _names(operation)
    arguments = "".join(f"\n        {_argument(p, names[p])}," for p in operation.parameters)
    body = f"models.{operation.body}" if operation.body in schemas else "Any"
    result = f" -> {operation.result}" if operation.result in schemas else ""
    said = _docstring(f"{operation.http_method} {operation.path}{result}")
    return _METHOD.format(
        name=_name(operation.name),
        arguments=arguments or "\n        *,",
        body=body,
        http_method_argument='\n        http_method: str = "GET",' if any_method else "",
        said=said,
        http_method="http_method" if any_method else _literal(operation.http_method),
        path=_literal(operation.path),
        path_parameters="{" + _passed(names, "path") + "}",
        query_parameters=_trailed(_passed(names, "querystring")),
        header_parameters=_trailed(_passed(names, "header")),
        sign=operation.sign,
    )


def _names(operation: Operation) -> dict[Parameter, str]:
    """An argument's name for each parameter; `petId` and `pet-id` must not become one."""
    names: dict[Parameter, str] = {}
    for parameter in operation.parameters:
        name = _name(parameter.name)
        names[parameter] = name if name not in names.values() else f"{name}_{parameter.place}"
    return names


def _argument(parameter: Parameter, name: str) -> str:
    return f"{name}: str | int | float | bool" + ("" if parameter.required else " | None = None")


def _passed(names: dict[Parameter, str], place: str) -> str:
    return ", ".join(f"{_literal(p.name)}: {name}" for p, name in names.items() if p.place == place)


def _trailed(text: str) -> str:
    return f"{text}, " if text else ""


def _models(schemas: dict[str, Any]) -> str:
    lines = ['"""Generated: the models of the API."""', "", "from __future__ import annotations", ""]
    lines += ["from typing import Any, Literal, Required, TypeAlias, TypedDict", ""]
    for name, schema in schemas.items():
        lines.append(_model(name, schema))
    return "\n".join(lines) + "\n"


def _model(name: str, schema: Any) -> str:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not properties:
        return f"{name}: TypeAlias = {_literal(_type(schema))}"
    required = schema.get("required") or ()
    members = ", ".join(
        f"{_literal(key)}: {_literal(f'Required[{_type(value)}]' if key in required else _type(value))}"
        for key, value in properties.items()
    )
    return f"{name} = TypedDict({_literal(name)}, {{{members}}}, total=False)"


def _type(schema: Any) -> str:
    schema = schema if isinstance(schema, dict) else {}
    reference = str(schema.get("$ref", ""))
    if reference.startswith(MODEL_PREFIX):
        return reference.removeprefix(MODEL_PREFIX)
    if schema.get("enum"):
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}) for one in kind)
    if kind == "array":
        return f"list[{_type(schema.get('items'))}]"
    if kind == "object" or "properties" in schema:
        return "dict[str, Any]"
    return _SCALARS.get(str(kind), "Any")


def _snake(name: str) -> str:
    return "_".join(part for part in _BOUNDARY.split(name) if part).lower()


def _name(name: str) -> str:
    """An identifier: never a keyword, never one that the method has already, never starting with a digit."""
    snake = _snake(name) or "value"
    if keyword.iskeyword(snake) or snake in ("self", "body", "headers", "query", "http_method"):
        return f"{snake}_"
    return f"_{snake}" if snake[0].isdigit() else snake


def _literal(text: str) -> str:
    return json.dumps(text)


def _docstring(text: str) -> str:
    return text.replace("\\", " ").replace('"', "'").replace("\n", " ")
