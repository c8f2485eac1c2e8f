"""Lambda functions that stream through a REST API: the metadata's format, and a real function over the network."""

from __future__ import annotations

import http.server
import io
import json
import threading
import uuid
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from forecourt.services.apigateway.integrations.lambda_stream import DELIMITER, MOST_METADATA_BYTES, read_metadata
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.testing import Forecourt


async def pieces(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@given(st.binary(max_size=40), st.lists(st.integers(0, 60), max_size=6))
async def test_wherever_the_stream_is_cut_nothing_is_lost(payload: bytes, cuts: list[int]) -> None:
    whole = b'{"statusCode":201}' + DELIMITER + payload
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    chunks = pieces([whole[start:end] for start, end in pairwise(places)])
    metadata, begun = await read_metadata(chunks)
    assert metadata == b'{"statusCode":201}'
    assert begun + b"".join([chunk async for chunk in chunks]) == payload


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"no delimiter"],
        [b"{}", bytes(7)],
        [b" " * (MOST_METADATA_BYTES + 1), DELIMITER],
        [b" " * (MOST_METADATA_BYTES + 1) + DELIMITER],
    ],
)
async def test_a_stream_without_delimiter_in_its_first_16_kb_is_malformed(parts: list[bytes]) -> None:
    with pytest.raises(GatewayError) as refused:
        await read_metadata(pieces(parts))
    assert (refused.value.type, refused.value.status) == ("API_CONFIGURATION_ERROR", 502)


# -- over the network

CODE = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const { kind, url } = event.queryStringParameters;
  if (kind === 'plain') { stream.write('no metadata'); stream.end(); return; }
  if (kind === 'early') throw new Error('at once');
  if (kind === 'unknown') {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 200, body: 'x' }); stream.end(); return;
  }
  stream = awslambda.HttpResponseStream.from(stream, {
    statusCode: 201,
    headers: { 'Content-Type': 'text/event-stream', 'X-Path': event.path },
    multiValueHeaders: { 'X-Twice': ['a', 'b'] },
    cookies: ['c=1', 'd=2'],
  });
  stream.write('one');
  if (url) await fetch(url);
  if (kind === 'midway') throw new Error('midway');
  stream.write('two');
  stream.end();
});
"""


@pytest.fixture(scope="module")
def stage(server: Forecourt) -> str:
    """The URL of a stage whose `/{proxy+}` is the function above."""
    name = f"stream-{uuid.uuid4().hex[:8]}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.js", CODE)
    functions = server.client("lambda")
    arn = functions.create_function(
        FunctionName=name,
        Runtime="nodejs20.x",
        Handler="index.handler",
        Role="arn:aws:iam::000000000000:role/lambda",
        Code={"ZipFile": packed.getvalue()},
        Timeout=20,
    )["FunctionArn"]
    functions.add_permission(
        FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    integration = {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations",
        "responseTransferMode": "STREAM",
    }
    method = {"x-amazon-apigateway-integration": integration}
    document = {
        "openapi": "3.0.1",
        "info": {"title": name, "version": "1"},
        "paths": {"/{proxy+}": {"x-amazon-apigateway-any-method": method}},
    }
    apis = server.client("apigateway")
    api = apis.import_rest_api(body=json.dumps(document))["id"]
    apis.create_deployment(restApiId=api, stageName="prod")
    return f"{server.url}/_aws/execute-api/{api}/prod"


class Gate(http.server.ThreadingHTTPServer):
    """Answers no request before it is opened."""

    daemon_threads = True

    def __init__(self) -> None:
        self.opened = threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        self.server.opened.wait(10)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_the_client_reads_while_the_function_still_writes(stage: str, gate: Gate) -> None:
    with requests.get(f"{stage}/pets", params={"url": gate.url}, stream=True, timeout=30) as answer:
        parts = answer.iter_content(None)
        assert next(parts) == b"one"
        # The function goes on only now.
        gate.opened.set()
        assert b"".join(parts) == b"two"
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-path"] == "/pets"
    assert answer.headers["x-twice"] == "a, b"
    assert answer.headers["x-amzn-trace-id"].startswith("Root=1-")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.cookies.get_dict() == {"c": "1", "d": "2"}


@pytest.mark.parametrize("kind", ["plain", "early", "unknown"])
def test_what_does_not_begin_with_metadata_is_502(stage: str, kind: str) -> None:
    answer = requests.get(f"{stage}/pets", params={"kind": kind}, timeout=30)
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})


def test_a_function_that_fails_midway_breaks_the_response_off(stage: str) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(f"{stage}/pets", params={"kind": "midway"}, timeout=30)
