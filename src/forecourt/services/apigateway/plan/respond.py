"""A `MethodResponse` onto the wire (ASGI)."""

from __future__ import annotations

from forecourt.base.asgi import Send
from forecourt.base.headers import Headers
from forecourt.services.apigateway.plan.messages import MethodResponse, extended_request_id_bytes


def request_headers(request_id: str) -> Headers:
    """What a REST API adds to every response."""
    return [
        (b"x-amzn-requestid", request_id.encode()),
        (b"x-amz-apigw-id", extended_request_id_bytes(request_id)),
    ]


async def send_response(send: Send, response: MethodResponse, own: Headers) -> None:
    """`own`: the gateway's headers.

    A body that breaks off midway raises: the server then cuts the connection, and no client takes it for whole.
    """
    body = response.body
    headers = [*response.headers, *own]
    if isinstance(body, bytes):
        if response.status != 204 and response.status != 304:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    if response.length is not None:
        headers.append((b"content-length", b"%d" % response.length))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    async for part in body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
