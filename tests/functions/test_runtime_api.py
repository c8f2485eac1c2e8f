"""The Runtime API as any runtime may speak it: states, endpoints, and the bytes on the connection."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.services.functions.runtime.messages import Failure, Invocation, Result, Success
from forecourt.services.functions.runtime.server import listen
from forecourt.services.functions.runtime.session import Buffer, Session
from forecourt.services.functions.runtime.states import TRANSITIONS, Event, InvalidStateTransition, State, advance

ROOT = "/2018-06-01/runtime"
NEXT = f"GET {ROOT}/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".encode()
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@given(st.lists(st.sampled_from(Event)))
def test_states_change_only_as_the_table_says(events: list[Event]) -> None:
    state = State.STARTED
    for event in events:
        if (state, event) in TRANSITIONS:
            state = advance(state, event)
            assert (state is State.EXITED) == (event is Event.EXIT)
        else:
            with pytest.raises(InvalidStateTransition) as refused:
                advance(state, event)
            assert f"from {state} to {event}" in str(refused.value)


class Runtime:
    """A runtime's connection to the listener of one session."""

    def __init__(self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.session = session
        self.reader = reader
        self.writer = writer
        self.results: list[Result] = []

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def post(self, path: str, body: bytes, headers: str = "") -> None:
        head = f"POST {ROOT}{path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)

    def invoke(self, payload: bytes = b"{}", request_id: str = "id-1", **more: str) -> None:
        invocation = Invocation(
            request_id=request_id, payload=payload, invoked_function_arn=ARN, trace_id="Root=1", **more
        )
        self.session.invoke(invocation, Buffer(), 1234, self.results.append)

    async def reply(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def until_ready(self) -> None:
        for _ in range(500):
            if self.session.usable:
                return
            await asyncio.sleep(0.002)
        raise AssertionError("the runtime never became ready")

    async def until_done(self) -> Result:
        for _ in range(500):
            if self.results:
                return self.results[-1]
            await asyncio.sleep(0.002)
        raise AssertionError("no result came")


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    session = Session(lambda: None)
    server = await listen(session)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield Runtime(session, reader, writer)
    writer.close()
    server.close()


async def begin(runtime: Runtime, payload: bytes = b"{}", **more: str) -> tuple[int, dict[str, str], bytes]:
    runtime.send(NEXT)
    await runtime.until_ready()
    runtime.invoke(payload, **more)
    return await runtime.reply()


async def test_next_carries_the_event_and_what_aws_documents(runtime: Runtime) -> None:
    status, headers, body = await begin(
        runtime, b'{"a": 1}', client_context='{"custom": {}}', cognito_identity='{"cognitoIdentityId": "x"}'
    )
    assert (status, body) == (200, b'{"a": 1}')
    assert headers == {
        "content-type": "application/json",
        "content-length": "8",
        "lambda-runtime-aws-request-id": "id-1",
        "lambda-runtime-deadline-ms": "1234",
        "lambda-runtime-invoked-function-arn": ARN,
        "lambda-runtime-trace-id": "root=1",
        "lambda-runtime-client-context": '{"custom": {}}',
        "lambda-runtime-cognito-identity": '{"cognitoidentityid": "x"}',
    }


async def test_a_response_ends_the_invocation_and_the_next_begins(runtime: Runtime) -> None:
    for number in range(3):
        await begin(runtime, request_id=f"id-{number}")
        runtime.post(f"/invocation/id-{number}/response", b'"done"')
        assert (await runtime.reply())[::2] == (202, b'{"status": "OK"}')
        assert runtime.results[-1] == Success(b'"done"')


async def test_answer_and_next_in_one_write(runtime: Runtime) -> None:
    await begin(runtime)
    answer = f"POST {ROOT}/invocation/id-1/response HTTP/1.1\r\nContent-Length: 1\r\n\r\n1".encode()
    runtime.send(answer + NEXT)
    await runtime.until_ready()
    runtime.invoke(b"2", "id-2")
    assert (await runtime.reply())[0] == 202
    assert (await runtime.reply())[::2] == (200, b"2")


async def test_every_split_of_the_bytes_means_the_same(runtime: Runtime) -> None:
    await begin(runtime)
    body = json.dumps({"text": "ü" * 10}).encode()
    head = f"POST {ROOT}/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    for byte in head.encode() + body:
        runtime.send(bytes([byte]))
        await runtime.writer.drain()
        await asyncio.sleep(0)
    assert (await runtime.reply())[0] == 202
    assert runtime.results == [Success(body)]


async def test_an_error_is_passed_on_as_it_is(runtime: Runtime) -> None:
    await begin(runtime)
    document = b'{"errorMessage": "no", "errorType": "Mine", "stackTrace": []}'
    runtime.post("/invocation/id-1/error", document, "Lambda-Runtime-Function-Error-Type: Function.Mine\r\n")
    assert (await runtime.reply())[0] == 202
    assert runtime.results == [Failure(document, "Function.Mine")]


async def test_an_init_error(runtime: Runtime) -> None:
    runtime.post("/init/error", b'{"errorType": "X"}', "Lambda-Runtime-Function-Error-Type: Runtime.X\r\n")
    assert (await runtime.reply())[0] == 202
    assert await runtime.session.initialized == Failure(b'{"errorType": "X"}', "Runtime.X", fatal=True)


async def test_a_streamed_response(runtime: Runtime) -> None:
    await begin(runtime)
    head = f"POST {ROOT}/invocation/id-1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
    runtime.send((head + "Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n").encode())
    for chunk in (b"one ", b"two"):
        runtime.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await runtime.writer.drain()
    runtime.send(b"0\r\n\r\n")
    assert (await runtime.reply())[0] == 202
    assert runtime.results == [Success(b"one two")]


async def test_a_streamed_response_that_fails_midway(runtime: Runtime) -> None:
    await begin(runtime)
    document = b'{"errorType": "Late"}'
    runtime.send(f"POST {ROOT}/invocation/id-1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    runtime.send(b"3\r\none\r\n0\r\nLambda-Runtime-Function-Error-Type: Late\r\n")
    runtime.send(b"Lambda-Runtime-Function-Error-Body: " + base64.b64encode(document) + b"\r\n\r\n")
    assert (await runtime.reply())[0] == 202
    assert runtime.results == [Failure(document, "Late")]


async def test_a_response_that_is_too_large(runtime: Runtime) -> None:
    await begin(runtime)
    runtime.post("/invocation/id-1/response", b"x" * 6_291_557)
    status, _, body = await runtime.reply()
    assert status == 413
    assert json.loads(body)["errorType"] == "RequestEntityTooLarge"
    assert isinstance(runtime.results[0], Failure)
    # The connection is still good for the next event.
    assert (await begin(runtime, request_id="id-2"))[0] == 200


async def test_expect_100_continue(runtime: Runtime) -> None:
    await begin(runtime)
    head = f"POST {ROOT}/invocation/id-1/response HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    runtime.send(head.encode())
    assert (await runtime.reply())[0] == 100
    runtime.send(b"1")
    assert (await runtime.reply())[0] == 202


REFUSALS = [
    ("POST", "/invocation/other/response", 400, "InvalidRequestID"),
    ("POST", "/invocation/other/error", 400, "InvalidRequestID"),
    ("GET", "/invocation/next", 403, "InvalidStateTransition"),
    ("POST", "/init/error", 403, "InvalidStateTransition"),
    ("POST", "/invocation/next", 404, "NotFound"),
    ("GET", "/invocation/id-1/response", 404, "NotFound"),
    ("GET", "/elsewhere", 404, "NotFound"),
]


@pytest.mark.parametrize(("method", "path", "status", "error_type"), REFUSALS)
async def test_what_is_out_of_order_changes_nothing(
    runtime: Runtime, method: str, path: str, status: int, error_type: str
) -> None:
    await begin(runtime)
    runtime.send(f"{method} {ROOT}{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    got, _, body = await runtime.reply()
    assert (got, json.loads(body)["errorType"]) == (status, error_type)
    assert runtime.results == []
    runtime.post("/invocation/id-1/response", b"1")
    assert (await runtime.reply())[0] == 202


async def test_what_is_not_http_is_refused(runtime: Runtime) -> None:
    runtime.send(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await runtime.reply())[0] == 400
    assert await runtime.reader.read() == b""
