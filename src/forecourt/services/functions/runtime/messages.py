"""What goes in and out of an environment: the invocation, its result, and their bytes on the Runtime API. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 6 MB, and 200 MB where it is streamed.
MAX_RESPONSE_BYTES = 6_291_556
MAX_STREAMED_RESPONSE_BYTES = 200 * 1024 * 1024

RUNTIME_API_VERSION = "2018-06-01"


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to a handler."""

    request_id: str
    payload: bytes
    invoked_function_arn: str
    trace_id: str
    client_context: str = ""
    cognito_identity: str = ""
    # The last 4 KB of the log are asked for (`LogType=Tail`).
    tail: bool = False


class Success(msgspec.Struct, frozen=True):
    payload: bytes


class Failure(msgspec.Struct, frozen=True):
    """`payload` is the error document that Invoke answers; `fatal` where the environment is lost with it."""

    payload: bytes
    error_type: str
    fatal: bool = False


Result = Success | Failure


def error_document(error_type: str, message: str) -> bytes:
    """An error that the platform, not the runtime, describes."""
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()


def platform_failure(request_id: str, error_type: str, message: str, *, fatal: bool = True) -> Failure:
    return Failure(error_document(error_type, f"RequestId: {request_id} Error: {message}"), error_type, fatal)


def timed_out(request_id: str, timeout_seconds: float) -> Failure:
    return platform_failure(request_id, "Sandbox.Timedout", f"Task timed out after {timeout_seconds:.2f} seconds")


def response_too_large() -> Failure:
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    error_type = "Function.ResponseSizeTooLarge"
    return Failure(error_document(error_type, message), error_type)


def next_head(invocation: Invocation, deadline_ms: int) -> bytes:
    """Status line and headers that answer `next`; the payload follows."""
    optional = ""
    if invocation.client_context:
        optional += f"Lambda-Runtime-Client-Context: {invocation.client_context}\r\n"
    if invocation.cognito_identity:
        optional += f"Lambda-Runtime-Cognito-Identity: {invocation.cognito_identity}\r\n"
    return (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {invocation.invoked_function_arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {invocation.trace_id}\r\n"
        f"{optional}"
        f"Content-Length: {len(invocation.payload)}\r\n\r\n"
    ).encode()


_REASONS: Mapping[int, str] = {
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
}


def reply(status: int, document: Mapping[str, str]) -> bytes:
    body = json.dumps(document).encode()
    return (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


ACCEPTED = reply(202, {"status": "OK"})


def refusal(status: int, error_type: str, message: str) -> bytes:
    return reply(status, {"errorMessage": message, "errorType": error_type})
