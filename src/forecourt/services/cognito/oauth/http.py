"""HTTP values of the pool's domain: what the endpoints read and what they answer with. No socket in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from forecourt.base.asgi import Receive, Scope, Send

LARGEST_BODY = 64 * 1024
_MOST_FIELDS = 200
# RFC 3986, 2.2, and the percent sign of what is encoded already.
_OF_URLS = ":/?#[]@!$&'()*+,;=%"


class BodyTooLarge(Exception):
    """More than any form of ours needs."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    # Below the domain: `/oauth2/authorize`.
    path: str
    # What stands before it where the domain is a path: `/_aws/cognito/{domain}`.
    base: str
    query: Mapping[str, str]
    query_string: str
    form: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    # Whether browsers come by TLS, be it ours or a proxy's.
    secure: bool
    host: str
    ip: str
    repeated: tuple[str, ...] = ()


class Response(msgspec.Struct, frozen=True):
    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, *headers: tuple[str, str]) -> Response:
        return Response(self.status, self.body, self.content_type, (*self.headers, *headers))


def json(status: int, value: Any, *headers: tuple[str, str]) -> Response:
    return Response(status, msgspec.json.encode(value), "application/json;charset=UTF-8", headers)


def redirect(location: str, *headers: tuple[str, str]) -> Response:
    """A header is ASCII (RFC 3987, 3.1 maps other letters), and a line break would make one of somebody else's."""
    url = quote(location, safe=_OF_URLS)
    return Response(302, headers=(("location", url), ("cache-control", "no-store"), *headers))


def with_query(url: str, parameters: Mapping[str, str], *, fragment: bool = False) -> str:
    """`url` with more parameters; as a fragment for the implicit grant (RFC 6749, 4.2.2)."""
    mark = "#" if fragment else ("&" if "?" in url else "?")
    return url + mark + urlencode(parameters)


async def read(
    domain: str, raw_path: bytes, scope: Scope, receive: Receive, *, secure: bool, largest: int = LARGEST_BODY
) -> Request:
    """A HEAD is read as a GET: what is sent of the answer is `send_response`'s. Raises `BodyTooLarge`."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    body = await _body(receive, largest)
    query_string = scope["query_string"].decode("latin-1")
    pairs = _pairs(query_string)
    is_form = headers.get("content-type", "").partition(";")[0].strip() == "application/x-www-form-urlencoded"
    form_pairs = _pairs(body.decode("latin-1")) if is_form else []
    whole = scope["raw_path"]
    return Request(
        method="GET" if scope["method"] == "HEAD" else scope["method"],
        path=unquote(raw_path.decode("latin-1")),
        base=f"/_aws/cognito/{domain}" if whole.startswith(b"/_aws/cognito/") else "",
        query=dict(pairs),
        query_string=query_string,
        form=dict(form_pairs),
        body=body,
        headers=headers,
        cookies=_cookies(headers.get("cookie", "")),
        secure=secure or scope.get("scheme") == "https",
        host=headers.get("host", "localhost"),
        ip=(scope.get("client") or ("",))[0],
        repeated=(*_repeated(pairs), *_repeated(form_pairs)),
    )


async def send_response(send: Send, response: Response, head: bool = False) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if response.content_type:
        headers.append((b"content-type", response.content_type.encode("latin-1")))
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})


async def _body(receive: Receive, largest: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > largest:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []


def _repeated(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """RFC 6749, 3.1: parameters must not be included more than once."""
    names = [name for name, _ in pairs]
    return tuple({name for name in names if names.count(name) > 1})


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
