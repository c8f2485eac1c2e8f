"""The JavaScript client: used as AWS's is (`apigClientFactory.newClient({...}).petsGet(params, body)`), with types."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from forecourt.services.apigateway.rest.sdk.operations import MODEL_PREFIX, Operation

FOLDER = "apiGateway-js-sdk"
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def javascript(
    name: str, operations: list[Operation], schemas: dict[str, Any], endpoint: str, region: str
) -> dict[str, str]:
    """The files of the zip by name."""
    return {
        f"{FOLDER}/apigClient.js": _client(operations, endpoint, region),
        f"{FOLDER}/apigClient.d.ts": _types(operations, schemas),
        f"{FOLDER}/lib/runtime.js": files(__package__).joinpath("runtime.js").read_text(),
        f"{FOLDER}/package.json": json.dumps(
            {"name": "apigateway-js-sdk", "version": "1.0.0", "main": "apigClient.js", "types": "apigClient.d.ts"},
            indent=2,
        ),
        f"{FOLDER}/README.md": _README.format(name=name, endpoint=endpoint, region=region, first=_first(operations)),
    }


def _first(operations: list[Operation]) -> str:
    return operations[0].name if operations else "rootGet"


_README = """# {name}

In a page:

    <script src="lib/runtime.js"></script>
    <script src="apigClient.js"></script>

In Node 20: `const apigClientFactory = require("./apigClient.js");`

    const client = apigClientFactory.newClient({{
      accessKey: "...", secretKey: "...", sessionToken: "...",   // for methods with AWS_IAM authorization
      apiKey: "...",                                             // for methods that require a key
      endpoint: "{endpoint}", region: "{region}",                // the defaults
    }});
    const {{ status, headers, data }} = await client.{first}(params, body, {{ headers: {{}}, queryParams: {{}} }});

A status of 400 or more is thrown as an `Error` whose `response` has `status`, `headers` and `data`.
"""

_CLIENT = """// Generated. Load lib/runtime.js before this file in a page.
(function (root) {{
  "use strict";

  const runtime = typeof require === "function" ? require("./lib/runtime.js") : root.apigRuntime;
  const defaults = {defaults};
  const operations = {operations};

  function newClient(config) {{
    const settings = Object.assign({{}}, defaults, config);
    const client = {{}};
    for (const [name, operation] of Object.entries(operations)) {{
      client[name] = (params, body, additionalParams) =>
        runtime.send(settings, operation, params, body, additionalParams);
    }}
    return client;
  }}

  const apigClientFactory = {{ newClient }};
  if (typeof module === "object" && module.exports) module.exports = apigClientFactory;
  else root.apigClientFactory = apigClientFactory;
}})(globalThis);
"""


def _client(operations: list[Operation], endpoint: str, region: str) -> str:
    table = {
        operation.name: {
            "method": operation.http_method,
            "path": operation.path,
            **{
                place: [p.name for p in operation.parameters if p.place == place] for place in ("querystring", "header")
            },
            "sign": operation.sign,
        }
        for operation in operations
    }
    return _CLIENT.format(
        defaults=json.dumps({"endpoint": endpoint, "region": region}),
        operations=json.dumps(table, indent=2).replace("\n", "\n  "),
    )


_DECLARATIONS = """// Generated.
export interface Config {
  accessKey?: string;
  secretKey?: string;
  sessionToken?: string;
  apiKey?: string;
  endpoint?: string;
  region?: string;
  defaultContentType?: string;
  defaultAcceptType?: string;
}

export interface Answer<T> {
  status: number;
  headers: Record<string, string>;
  data: T;
}

export interface AdditionalParams {
  headers?: Record<string, string>;
  queryParams?: Record<string, unknown>;
  method?: string;
}

"""


def _types(operations: list[Operation], schemas: dict[str, Any]) -> str:
    models = "".join(f"export type {name} = {_type(schema)};\n\n" for name, schema in schemas.items())
    methods = "".join(f"  {_method(operation, schemas)}\n" for operation in operations)
    factory = "export function newClient(config?: Config): Client;\n"
    return f"{_DECLARATIONS}{models}export interface Client {{\n{methods}}}\n\n{factory}"


def _method(operation: Operation, schemas: dict[str, Any]) -> str:
    members = "; ".join(
        f"{_key(p.name)}{'' if p.required else '?'}: string | number | boolean" for p in operation.parameters
    )
    optional = "" if any(p.required for p in operation.parameters) else "?"
    params = f"params{optional}: {{ {members} }}" if members else "params?: {}"
    result, body = _known(operation.result, schemas), _known(operation.body, schemas)
    return f"{operation.name}({params}, body?: {body}, additionalParams?: AdditionalParams): Promise<Answer<{result}>>;"


def _known(model: str | None, schemas: dict[str, Any]) -> str:
    return model if model in schemas and model else "unknown"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _type(schema: Any) -> str:
    schema = schema if isinstance(schema, dict) else {}
    reference = str(schema.get("$ref", ""))
    if reference.startswith(MODEL_PREFIX):
        return reference.removeprefix(MODEL_PREFIX)
    if schema.get("enum"):
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}) for one in kind)
    if kind == "array":
        return f"Array<{_type(schema.get('items'))}>"
    if kind == "object" or "properties" in schema:
        return _object(schema)
    return _SCALARS.get(str(kind), "unknown")


def _object(schema: dict[str, Any]) -> str:
    required = schema.get("required") or ()
    members = [
        f"{_key(name)}{'' if name in required else '?'}: {_type(value)}"
        for name, value in (schema.get("properties") or {}).items()
    ]
    return "{ " + "; ".join(members) + " }" if members else "Record<string, unknown>"
