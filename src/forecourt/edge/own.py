"""Forecourt's own pages under `/_forecourt/`: health, readiness, version, clock, mailbox, metrics, reset.

| request                          | answer                                                                         |
|----------------------------------|--------------------------------------------------------------------------------|
| `GET /_forecourt/health`         | 200 while the process can answer and its store can write; 503 with the reason  |
| `GET /_forecourt/ready`          | 200 once everything that was deployed is served                                |
| `GET /_forecourt/version`        | `{"version": …}`                                                               |
| `GET /_forecourt/clock`          | `{"now": epoch seconds, "offset_seconds": …}`                                  |
| `POST /_forecourt/clock/advance` | `{"seconds": 172800}` moves the clock forward; loopback only                   |
| `GET /_forecourt/mailbox`        | mail and text messages that user pools sent, newest first; loopback only       |
| `GET /_forecourt/metrics`        | Prometheus text                                                                |
| `POST /_forecourt/iam/explain`   | may this principal do that, and why: see `Question`; loopback only             |
| `POST /_forecourt/pools/rotate-key` | `{"pool_id": …}` gives a user pool a new signing key; loopback only         |
| `POST /_forecourt/reset`         | empties everything; only in an ephemeral run                                   |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from forecourt import __version__
from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.edge.body import read_body
from forecourt.edge.origin import from_foreign_page
from forecourt.edge.respond import respond, respond_json

_BODY_LIMIT = 64 * 1024
_BODY_SECONDS = 10.0
# Beyond a hundred years datetimes overflow somewhere; nobody waits so long.
_MOST_SECONDS = 100 * 365 * 86_400.0


class Refused(ServiceError):
    status = 403


class Invalid(ServiceError):
    status = 400


class NoSuchPage(ServiceError):
    status = 404


class Inside(Protocol):
    """What the pages show and do."""

    async def health(self) -> dict[str, Any]:
        """`{"status": "running" | "unavailable", …}`."""
        ...

    @property
    def ready(self) -> bool: ...

    def metrics(self) -> str: ...

    async def mailbox(self) -> list[dict[str, Any]]: ...

    async def advance_clock(self, seconds: float) -> None: ...

    async def explain(self, question: Question) -> dict[str, Any]:
        """`{"allowed": …, "summary": …, "message": …, "steps": […]}`. Raises `ServiceError`."""
        ...

    async def rotate_key(self, pool_id: str) -> str:
        """The new key's id. Raises `ServiceError`."""
        ...

    async def reset(self) -> None: ...


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    pool_id: str


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """`principal` is the ARN of a user, a role or an account's root; `context` holds condition keys."""

    principal: str
    action: str
    resource: str = "*"
    context: dict[str, str] = {}


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


class OwnPages:
    """The ASGI application. `private` is what only a process on a loopback address offers."""

    def __init__(self, inside: Inside, clock: Clock, *, on_loopback: bool, ephemeral: bool) -> None:
        self._inside = inside
        self._clock = clock
        self._on_loopback = on_loopback
        self._ephemeral = ephemeral
        self._pages: dict[tuple[str, str], Callable[[Scope, Receive, Send], Awaitable[None]]] = {
            ("GET", "/_forecourt/health"): self._health,
            ("GET", "/_forecourt/ready"): self._ready,
            ("GET", "/_forecourt/version"): self._version,
            ("GET", "/_forecourt/clock"): self._show_clock,
            ("POST", "/_forecourt/clock/advance"): self._advance_clock,
            ("GET", "/_forecourt/mailbox"): self._mailbox,
            ("GET", "/_forecourt/metrics"): self._metrics,
            ("POST", "/_forecourt/iam/explain"): self._explain,
            ("POST", "/_forecourt/pools/rotate-key"): self._rotate_key,
            ("POST", "/_forecourt/reset"): self._reset,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("latin-1").rstrip("/")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            await self._find(method, path)(scope, receive, send)
        except ServiceError as error:
            await respond_json(send, error.status, {"code": error.code, "message": error.message})

    def _find(self, method: str, path: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        page = self._pages.get((method, path))
        if page is None:
            known = ", ".join(f"{verb} {known_path}" for verb, known_path in self._pages)
            raise NoSuchPage(f"There is no {method} {path}. There are: {known}.")
        return page

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        health = await self._inside.health()
        await respond_json(send, 200 if health["status"] == "running" else 503, health)

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 200 if self._inside.ready else 503, {"ready": self._inside.ready})

    async def _version(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 200, {"version": __version__})

    async def _show_clock(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 200, {"now": self._clock.now(), "offset_seconds": self._clock.offset_seconds})

    async def _advance_clock(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._require_private(scope)
        body = await read_body(receive, _BODY_LIMIT, _BODY_SECONDS)
        try:
            seconds = msgspec.json.decode(body, type=Advance).seconds
        except msgspec.DecodeError as error:
            raise Invalid(f'Send {{"seconds": 172800}} as JSON: {error}') from error
        if not 0 <= seconds <= _MOST_SECONDS:
            raise Invalid("The clock only moves forward, and by a hundred years at most.")
        await self._inside.advance_clock(seconds)
        await self._show_clock(scope, receive, send)

    async def _mailbox(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._require_private(scope)
        await respond_json(send, 200, {"messages": await self._inside.mailbox()})

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._inside.metrics().encode()
        await respond(send, 200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], body)

    async def _explain(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._require_private(scope)
        body = await read_body(receive, _BODY_LIMIT, _BODY_SECONDS)
        try:
            question = msgspec.json.decode(body, type=Question)
        except msgspec.DecodeError as error:
            raise Invalid(f'Send {{"principal": ARN, "action": "s3:GetObject", "resource": ARN}}: {error}') from error
        await respond_json(send, 200, await self._inside.explain(question))

    async def _rotate_key(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._require_private(scope)
        body = await read_body(receive, _BODY_LIMIT, _BODY_SECONDS)
        try:
            pool_id = msgspec.json.decode(body, type=Rotation).pool_id
        except msgspec.DecodeError as error:
            raise Invalid(f'Send {{"pool_id": "us-east-1_…"}} as JSON: {error}') from error
        await respond_json(send, 200, {"kid": await self._inside.rotate_key(pool_id)})

    async def _reset(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._ephemeral:
            raise Refused("Only a run with --ephemeral can be reset: it keeps nothing that could be lost.")
        self._require_private(scope)
        await self._inside.reset()
        await respond_json(send, 200, {"reset": True})

    def _require_private(self, scope: Scope) -> None:
        if not self._on_loopback:
            raise Refused("Only a Forecourt that listens on a loopback address offers this.")
        if from_foreign_page(scope):
            raise Refused("A page of another origin may not do this.")
