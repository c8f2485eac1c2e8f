"""GetSdk: the generated clients are loaded and call a server, which checks what came and the signature."""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.apigateway.control_plane import Aws
from tests.apigateway.test_import import MOCK, body

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token=="
DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "Pet Zoo", "version": "1"},
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "kind": {"$ref": "#/components/schemas/Kind"},
                    "first-owner": {"type": "integer"},
                    "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
                },
            },
            "Kind": {"type": "string", "enum": ["cat", "dog"]},
        },
        "securitySchemes": {
            "sigv4": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            }
        },
    },
    "paths": {
        "/": {"get": MOCK},
        "/pets/{petId}": {
            "put": {
                **MOCK,
                "security": [{"sigv4": []}],
                "parameters": [
                    {"name": "petId", "in": "path", "required": True},
                    {"name": "dry-run", "in": "query"},
                    {"name": "class", "in": "query"},
                    {"name": "X-Trace", "in": "header"},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "responses": {
                    "200": {
                        "description": "",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                    }
                },
            }
        },
        "/files/{proxy+}": {"x-amazon-apigateway-any-method": MOCK},
        "/broken": {"get": {**MOCK, "operationId": "break-it"}},
    },
}


@dataclass
class Backend:
    """Answers with what it got."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def backend() -> Iterator[Backend]:
    found = Backend()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": self.rfile.read(length).decode(),
            }
            found.requests.append(request)
            answer = json.dumps({"path": self.path}).encode()
            self.send_response(418 if self.path.endswith("/broken") else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/stage"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


async def unpacked(aws: Aws, kind: str, folder: Path) -> Path:
    api = (await aws("ImportRestApi", body=body(DOCUMENT)))["id"]
    await aws("CreateDeployment", restApiId=api, stageName="prod")
    result = await aws("GetSdk", restApiId=api, stageName="prod", sdkType=kind)
    assert result["contentType"] == "application/octet-stream"
    assert result["contentDisposition"].startswith(f'attachment; filename="{kind}_')
    with zipfile.ZipFile(io.BytesIO(result["body"])) as archive:
        archive.extractall(folder)
    return folder


def assert_signed(request: dict[str, Any], base: str) -> None:
    """botocore signs the same request at the same time to the same signature."""
    headers = request["headers"]
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    origin = base.rsplit("/", 1)[0]
    mine = AWSRequest(
        request["method"],
        origin + request["path"],
        data=request["body"],
        headers={name: headers[name] for name in signed if name not in ("x-amz-date", "x-amz-security-token")},
    )
    mine.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "execute-api", "us-east-1")
    mine.headers["X-Amz-Date"] = headers["x-amz-date"]
    mine.headers["X-Amz-Security-Token"] = TOKEN
    to_sign = auth.string_to_sign(mine, auth.canonical_request(mine))
    assert headers["authorization"].endswith(f"Signature={auth.signature(to_sign, mine)}")


async def test_the_python_client(aws: Aws, backend: Backend, tmp_path: Path) -> None:
    folder = await unpacked(aws, "python", tmp_path)
    sys.path.insert(0, str(folder))
    try:
        sdk = importlib.import_module("pet_zoo")
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("pet_zoo", None)
    client = sdk.Client(
        endpoint=backend.url, credentials=sdk.Credentials(KEY, SECRET, TOKEN), api_key="k" * 20, region="us-east-1"
    )
    assert client.root_get().data == {"path": "/stage/"}
    put = client.pets_pet_id_put("a b/c", dry_run=True, class_="x y&z", x_trace="t", body={"name": "Rex"})
    assert put.status == 200
    assert put.data == {"path": "/stage/pets/a%20b%2Fc?class=x%20y%26z&dry-run=true"}
    request = backend.requests[-1]
    assert (request["method"], json.loads(request["body"])) == ("PUT", {"name": "Rex"})
    assert (request["headers"]["x-trace"], request["headers"]["x-api-key"]) == ("t", "k" * 20)
    assert_signed(request, backend.url)
    assert client.files_proxy_any("a/b c", http_method="DELETE").data == {"path": "/stage/files/a/b%20c"}
    assert "authorization" not in backend.requests[-1]["headers"]
    with pytest.raises(sdk.ApiError) as error:
        client.break_it()
    assert (error.value.status, error.value.data) == (418, {"path": "/stage/broken"})


async def test_the_python_client_is_typed(aws: Aws, tmp_path: Path) -> None:
    folder = await unpacked(aws, "python", tmp_path)
    use = folder / "use.py"
    use.write_text(
        "from pet_zoo import Client\nfrom pet_zoo.models import Pet\n"
        'pet: Pet = {"name": "Rex", "kind": "cat", "friends": []}\n'
        "Client().pets_pet_id_put(7, body=pet)\n"
        'wrong: Pet = {"kind": "cow"}\n'
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(use)]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100).stdout
    assert "use.py:5" in said
    assert said.strip().splitlines()[-1].startswith("Found ")
    assert all(line.startswith(("use.py:5", "Found ")) for line in said.strip().splitlines()), said


SCRIPT = """
const factory = require("./apiGateway-js-sdk/apigClient.js");
const [endpoint, accessKey, secretKey, sessionToken] = process.argv.slice(2);
const client = factory.newClient({ endpoint, accessKey, secretKey, sessionToken, apiKey: "kkk", region: "us-east-1" });
(async () => {
  const answers = [];
  answers.push((await client.rootGet()).data);
  answers.push(
    (
      await client.petsPetIdPut(
        { petId: "a b/c", "dry-run": true, class: "x y&z", "X-Trace": "t" },
        { name: "Rex" },
        { queryParams: { more: [2, 1] } },
      )
    ).data,
  );
  answers.push((await client.filesProxyAny({ proxy: "a/b c" }, undefined, { method: "DELETE" })).data);
  try {
    await client.breakIt();
  } catch (error) {
    answers.push(error.response.status);
  }
  console.log(JSON.stringify(answers));
})();
"""


async def test_the_javascript_client(aws: Aws, backend: Backend, tmp_path: Path) -> None:
    folder = await unpacked(aws, "javascript", tmp_path)
    (folder / "use.js").write_text(SCRIPT)
    command = ["node", "use.js", backend.url, KEY, SECRET, TOKEN]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    assert json.loads(run.stdout) == [
        {"path": "/stage/"},
        {"path": "/stage/pets/a%20b%2Fc?class=x%20y%26z&dry-run=true&more=1&more=2"},
        {"path": "/stage/files/a/b%20c"},
        418,
    ]
    request = next(request for request in backend.requests if request["method"] == "PUT")
    assert json.loads(request["body"]) == {"name": "Rex"}
    assert (request["headers"]["x-trace"], request["headers"]["x-api-key"]) == ("t", "kkk")
    assert_signed(request, backend.url)
    types = (folder / "apiGateway-js-sdk" / "apigClient.d.ts").read_text()
    assert 'export type Kind = "cat" | "dog";' in types
    assert 'name: string; kind?: Kind; "first-owner"?: number; friends?: Array<Pet>' in types
    assert "petsPetIdPut(params: { petId: string | number | boolean;" in types


async def test_types_of_sdks_and_refusals(aws: Aws) -> None:
    types = {item["id"] for item in (await aws("GetSdkTypes"))["items"]}
    assert {"javascript", "python", "java", "android", "swift", "objectivec", "ruby"} == types
    assert (await aws("GetSdkType", id="java"))["friendlyName"] == "Java SDK"
    assert await aws.refused("GetSdkType", id="cobol") == "NotFoundException: Invalid SDK type identifier specified"
    api = (await aws("ImportRestApi", body=body(DOCUMENT)))["id"]
    await aws("CreateDeployment", restApiId=api, stageName="prod")
    refusal = await aws.refused("GetSdk", restApiId=api, stageName="prod", sdkType="java")
    assert refusal.startswith("BadRequestException: SDK generation is not supported for type 'java'")
    refusal = await aws.refused("GetSdk", restApiId=api, stageName="nope", sdkType="python")
    assert refusal == "NotFoundException: Invalid stage identifier specified"
