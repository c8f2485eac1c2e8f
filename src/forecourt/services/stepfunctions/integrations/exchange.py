"""One HTTP exchange of a task: sending it, the task's result, and how TestState shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from forecourt.services.stepfunctions.asl.data import from_text, to_text
from forecourt.services.stepfunctions.integrations.job import TaskError
from forecourt.upstream import Origin, Request, Upstream, UpstreamError

_TIMEOUT_SECONDS = 60.0
_MOST_BYTES = 10 * 1024 * 1024
_FRAMING = {"host", "content-length", "connection", "transfer-encoding"}
# Of these a task can make nothing: States.Runtime
_BINARY = ("application/octet-stream", "audio/", "image/", "video/")

Query = list[tuple[str, str]]


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    data: bytes

    @property
    def reason(self) -> str:
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")

    def result(self) -> dict[str, Any]:
        """The task's result. Raises `TaskError`."""
        collected: dict[str, list[str]] = {}
        for name, value in self.headers:
            collected.setdefault(name, []).append(value)
        return {
            "Headers": collected,
            "ResponseBody": self._body(),
            "StatusCode": self.status,
            "StatusText": self.reason,
        }

    def _body(self) -> Any:
        kind = next((value for name, value in self.headers if name.lower() == "content-type"), "").lower()
        if kind.startswith(_BINARY):
            raise TaskError("States.Runtime", f"The response's content type '{kind}' is not supported")
        if "json" in kind or not kind:
            try:
                return from_text(self.data)
            except ValueError:
                return self.text
        return self.text


class Exchanges:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        failure: str,
        through: str | None = None,
    ) -> Reply:
        """`through` is where the URL's host is really served. Raises `TaskError(failure)` where no reply comes."""
        parts = urlsplit(url)
        try:
            origin = Origin.parse(through or url)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            raw = [(b"host", (parts.netloc or origin.authority).encode())]
            raw += [(n.encode(), v.encode()) for n, v in headers.items() if n.lower() not in _FRAMING]
            request = Request(method.encode(), target.encode(), raw, body)
            response = await self._upstream.send(origin, request, _TIMEOUT_SECONDS)
            data = await response.read(_MOST_BYTES)
        except (UpstreamError, ValueError) as error:
            raise TaskError(failure, str(error)) from error
        answered = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        return Reply(response.status, answered, data)


def with_query(url: str, query: Query) -> str:
    return url + (("&" if "?" in url else "?") + urlencode(query, doseq=True) if query else "")


def shown_request(method: str, url: str, headers: Mapping[str, str], body: str) -> dict[str, str]:
    """As `inspectionData` has it."""
    shown = {"protocol": urlsplit(url).scheme, "method": method, "url": url, "headers": _listed(headers.items())}
    return {**shown, "body": body} if body else shown


def shown_reply(url: str, reply: Reply) -> dict[str, str]:
    return {
        "protocol": urlsplit(url).scheme,
        "statusCode": str(reply.status),
        "statusMessage": reply.reason,
        "headers": _listed(reply.headers),
        "body": reply.text,
    }


def _listed(headers: Iterable[tuple[str, str]]) -> str:
    return "[" + ", ".join(f"{name}: {value}" for name, value in headers) + "]"


def query_of(given: Any) -> Query:
    return [
        (name, item if isinstance(item, str) else to_text(item))
        for name, value in (given or {}).items()
        for item in (value if isinstance(value, list) else [value])
    ]
