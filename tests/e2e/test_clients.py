"""Real clients over the network: the AWS CLI and the AWS SDK for JavaScript build, call and delete an API."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from forecourt.testing import Forecourt

NODE = Path(__file__).parents[1] / "node"
PYTHON_HANDLER = """
import json

def handler(event, context):
    return {"statusCode": 201, "headers": {"x-pet": "yes"}, "body": json.dumps({"path": event["path"]})}
"""
NODE_HANDLER = """
exports.handler = async (event) => ({
  statusCode: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ path: event.path, colour: event.queryStringParameters?.colour, id: event.pathParameters?.id }),
});
"""


def zipped(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


class Cli:
    """The AWS CLI of this environment, pointed at `server`."""

    def __init__(self, server: Forecourt, home: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __call__(self, *arguments: str) -> Any:
        aws = Path(sys.executable).with_name("aws")
        done = subprocess.run(
            [sys.executable, str(aws), *arguments], env=self._environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def aws(server: Forecourt, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path)


def test_the_aws_cli_builds_calls_and_deletes_an_api(aws: Cli, server: Forecourt, tmp_path: Path) -> None:
    (tmp_path / "f.zip").write_bytes(zipped("app.py", PYTHON_HANDLER))
    function = aws(
        "lambda", "create-function", "--function-name", "cli-client", "--runtime", "python3.11", "--handler",
        "app.handler", "--role", "arn:aws:iam::000000000000:role/r", "--zip-file", f"fileb://{tmp_path}/f.zip",
    )  # fmt: skip
    aws("lambda", "wait", "function-active-v2", "--function-name", "cli-client")
    invoked = aws(
        "lambda", "invoke", "--function-name", "cli-client", "--payload", '{"path": "/direct"}',
        str(tmp_path / "out.json"),
    )  # fmt: skip
    assert invoked["StatusCode"] == 200
    assert json.loads((tmp_path / "out.json").read_text())["body"] == '{"path": "/direct"}'

    api = aws("apigateway", "create-rest-api", "--name", "cli-client")["id"]
    root = aws("apigateway", "get-resources", "--rest-api-id", api)["items"][0]["id"]
    pets = aws(
        "apigateway", "create-resource", "--rest-api-id", api, "--parent-id", root, "--path-part", "pets"
    )["id"]  # fmt: skip
    where = ("--rest-api-id", api, "--resource-id", pets, "--http-method", "GET")
    aws("apigateway", "put-method", *where, "--authorization-type", "NONE")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function['FunctionArn']}/invocations"
    aws(
        "apigateway", "put-integration", *where, "--type", "AWS_PROXY", "--integration-http-method", "POST",
        "--uri", uri,
    )  # fmt: skip
    aws(
        "lambda", "add-permission", "--function-name", "cli-client", "--statement-id", "api", "--action",
        "lambda:InvokeFunction", "--principal", "apigateway.amazonaws.com",
    )  # fmt: skip
    aws("apigateway", "create-deployment", "--rest-api-id", api, "--stage-name", "dev")
    with urllib.request.urlopen(f"{server.url}/restapis/{api}/dev/_user_request_/pets", timeout=10) as answer:
        assert answer.status == 201
        assert answer.headers["x-pet"] == "yes"
        assert json.load(answer) == {"path": "/pets"}

    aws("apigateway", "delete-rest-api", "--rest-api-id", api)
    aws("lambda", "delete-function", "--function-name", "cli-client")
    assert api not in [item["id"] for item in aws("apigateway", "get-rest-apis")["items"]]


def test_the_sdk_for_javascript_does_the_same(server: Forecourt, tmp_path: Path) -> None:
    archive = tmp_path / "f.zip"
    archive.write_bytes(zipped("index.js", NODE_HANDLER))
    done = subprocess.run(
        ["node", str(NODE / "rest_api.mjs"), server.url, str(archive)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert json.loads(seen["invoked"]["body"]) == {"path": "/direct"}
    assert seen["called"] == {
        "status": 200,
        "type": "application/json",
        "body": {"path": "/pets/7", "colour": "red", "id": "7"},
    }
    assert seen["afterDelete"] == "NotFoundException"
