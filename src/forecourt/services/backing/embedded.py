"""moto, embedded: one thread that runs requests one after the other on moto's WSGI applications.

moto is imported when the first request comes (a third of a second), each service when it is first asked. moto is not
thread-safe, so it has one thread, and nothing that waits may run there: a ReceiveMessage that finds its queue empty
comes back as `WouldWait`, and whoever asked asks again later.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from forecourt.base.clock import Clock
from forecourt.base.errors import NotImplementedYet, UnknownOperation
from forecourt.services.backing import bounds, bridges
from forecourt.services.backing.admission import Admission
from forecourt.services.backing.deliveries import Delivery
from forecourt.services.backing.errors import Broken, WouldWait
from forecourt.services.backing.journal import Entry
from forecourt.services.backing.mended import mend
from forecourt.services.backing.message import Headers, Request, Response, operation_of
from forecourt.services.backing.shims import SHIMS

_log = logging.getLogger("forecourt.backing")
_T = TypeVar("_T")

# moto reads account and access key from here; the signature was verified before, or there is none to verify.
_CREDENTIAL = (
    "AWS4-HMAC-SHA256 Credential=AKIAFORECOURTBACKING/20260101/{}/{}/aws4_request, SignedHeaders=host, Signature=0"
)
_ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
# What a client may not say: who it is, to moto; and a region by the back door of the user agent.
_WITHHELD = (b"authorization", b"user-agent", b"expect", b"connection", b"transfer-encoding", b"content-length")
# What Flask says where moto has no route for a path.
_FLASKS_PAGE = b"<!doctype html>\n<html lang=en>\n<title>40"
_RUNS_BETWEEN_TRIMS = 500
_FORM = "application/x-www-form-urlencoded"
# What WSGI's server would have added, and our own server adds.
_OURS = ("date", "server", "connection", "content-length", "transfer-encoding")


class Outcome(NamedTuple):
    """`changed`: whether the state may be another than before."""

    response: Response
    changed: bool
    deliveries: list[Delivery]


class Embedded:
    """moto's state is the process's: one `Embedded` is in use at a time."""

    def __init__(self, clock: Clock, admission: Admission) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forecourt-moto")
        self._clock = clock
        self._admission = admission
        self._dispatcher: Any = None
        self._apps: dict[str, Any] = {}
        self._worlds: set[tuple[str | None, str, str]] = set()
        self._modules = 0
        self._runs = 0

    async def on_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        """Runs `function` where moto lives."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- on moto's thread ----------------------------------------------------------------------------------------------

    def load(self) -> None:
        if self._dispatcher is not None:
            return
        from moto.moto_server import werkzeug_app

        SHIMS.use(self._clock)
        werkzeug_app.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined]  # the edge's business
        self._dispatcher = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
        bridges.install(self._admission)
        SHIMS.install()

    def run(self, request: Request, at: float, seed: bytes, patient: bool) -> Outcome:
        """A `patient` request rather waits than finds nothing. Raises `NotImplementedYet`, `WouldWait`, `Broken`."""
        self.load()
        _running.patient, _running.unchanged, _running.trace = patient, False, request.trace_id
        bridges.noted.clear()
        environ = _environ(request)
        self._name_anew(environ, request)
        try:
            app = self._app(environ, request)
            self._make_world(environ, request, at)
            with SHIMS.fixed(at, seed):
                response = _respond(app, environ)
            self._keep_house()
            if response.status in (404, 405) and response.body.startswith(_FLASKS_PAGE):
                raise NotImplementedError
            return Outcome(response, response.status < 400 and not _running.unchanged, list(bridges.noted))
        except WouldWait:
            raise
        except NotImplementedError as error:
            raise NotImplementedYet(_unimplemented(request)) from error
        except Exception as error:
            raise Broken(request) from error

    def restore(self, state: bytes) -> None:
        # Imported where there is a state: a start without does not wait for the library of certificates.
        from forecourt.services.backing import snapshot

        self.load()
        snapshot.restore(state)
        SHIMS.install()

    def replay(self, entries: Sequence[Entry]) -> int:
        """Carries out again what was kept. Returns how many are answered with another status than before."""
        differing = 0
        for entry in entries:
            try:
                outcome = self.run(entry.request, entry.at, entry.seed, False)
                differing += outcome.response.status != entry.status
            except (NotImplementedYet, Broken):
                _log.exception("a kept request fails: %s", operation_of(entry.request) or entry.request.method)
                differing += 1
        return differing

    def reset(self) -> None:
        if self._dispatcher is not None:
            from moto.core.base_backend import BackendDict
            from moto.core.model_instances import reset_model_data

            BackendDict.reset()
            self._worlds.clear()
            reset_model_data()

    def _app(self, environ: dict[str, Any], request: Request) -> Any:
        name = self._moto_name(environ)
        if name is None:
            raise NotImplementedError
        if name not in self._apps:
            self._apps[name] = self._dispatcher.create_app(name)
            SHIMS.install()
            _patch(name)
        return self._apps[name]

    def _make_world(self, environ: dict[str, Any], request: Request, at: float) -> None:
        """moto makes an account's and region's world, with random names in it, when it is first asked for, by a read
        perhaps, which is not journaled. So it is made by itself: otherwise a write would come out differently when it
        is carried out again without that read."""
        from moto.backends import get_backend

        name = self._moto_name(environ)
        made = (name, request.account, request.region)
        if made in self._worlds:
            return
        self._worlds.add(made)
        with SHIMS.fixed(at, hashlib.sha256(repr(made).encode()).digest()[:16]), suppress(KeyError, ImportError):
            worlds = get_backend(name)[request.account]  # type: ignore[call-overload]
            worlds["aws" if "aws" in worlds.regions else request.region]

    def _keep_house(self) -> None:
        """moto imports some of its modules as it needs them, and forgets nothing by itself."""
        self._runs += 1
        if self._runs % _RUNS_BETWEEN_TRIMS == 0:
            bounds.trim()
        if len(sys.modules) != self._modules:
            SHIMS.install()
            self._modules = len(sys.modules)

    def _name_anew(self, environ: dict[str, Any], request: Request) -> None:
        """What Forecourt asks for itself names a service as botocore's models do: moto goes by what is signed with."""
        if request.header(b"authorization") or self._moto_name(environ) is not None:
            return
        from forecourt.services.backing.client import signing_name  # botocore: not at the start

        with suppress(UnknownOperation):
            environ["HTTP_AUTHORIZATION"] = _CREDENTIAL.format(request.region, signing_name(request.service))

    def _moto_name(self, environ: dict[str, Any]) -> str | None:
        """moto's own inference, without its doors to its administration (`/moto-api`)."""
        host = self._dispatcher.infer_service_region_host(environ, environ["PATH_INFO"])
        for name, pattern in self._dispatcher.backend_url_patterns:
            if pattern.match(f"http://{host}"):
                return str(name)
        return "s3control" if host == "s3control" else host if host in _BARE_HOSTS else None


_BARE_HOSTS = ("dynamodb", "dynamodbstreams", "sesv2")


def _unimplemented(request: Request) -> str:
    operation = operation_of(request) or f"{request.method} {request.raw_path.decode('latin-1')[:200]}"
    return (
        f"The embedded {request.service} (moto) does not have {operation}. "
        f"A remote endpoint may: --backing {request.service}=http://…"
    )


def _environ(request: Request) -> dict[str, Any]:
    """PEP 3333, with the raw path that moto wants."""
    raw_path = request.raw_path.decode("latin-1")
    host = request.header(b"host") or "localhost:4566"
    name, _, port = host.rpartition(":") if ":" in host else (host, "", "80")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "QUERY_STRING": request.query_string.decode("latin-1"),
        "RAW_URI": raw_path,
        "REQUEST_URI": raw_path,
        "SERVER_NAME": name,
        "SERVER_PORT": port if port.isdigit() else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    _add_headers(environ, request.headers)
    if request.method == "PUT" and environ.get("CONTENT_TYPE", "").startswith(_FORM):
        # What curl and urllib say of any body: moto would take the object for a form, and lose it.
        environ["CONTENT_TYPE"] = "binary/octet-stream"
    environ["HTTP_HOST"] = host
    environ["HTTP_AUTHORIZATION"] = _CREDENTIAL.format(request.region, _signing_name(request))
    environ[_ACCOUNT_HEADER] = request.account
    return environ


def _add_headers(environ: dict[str, Any], headers: Headers) -> None:
    preserved: dict[str, str] = {}
    dashed = {name.replace(b"-", b"_") for name, _ in headers if b"_" not in name}
    for raw_name, raw_value in headers:
        if raw_name in _WITHHELD or raw_name.startswith(b"x-moto-"):
            continue
        if b"_" in raw_name and raw_name in dashed:
            continue
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if "_" in name:
            # S3 tells `x-amz-meta-a_b` from `x-amz-meta-a-b`; WSGI does not, so only one of the two is kept.
            preserved[key] = name
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["moto.preserved_header_names"] = preserved


# What moto's inference knows a service by, where that is not what botocore signs with.
_SIGNING_NAMES = {
    "dynamodbstreams": "dynamodb",
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "iot-data": "iotdata",
    "s3control": "s3",
    "sesv2": "ses",
}


def _signing_name(request: Request) -> str:
    scope = request.header(b"authorization").partition("Credential=")[2].partition(",")[0].split("/")
    if len(scope) >= 4 and scope[-1] == "aws4_request":
        return scope[-2]
    return _SIGNING_NAMES.get(request.service, request.service)


def _respond(app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Response:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [int(status.split(" ", 1)[0]), headers]
        return _no_write

    answer = app(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    status, headers = started
    kept = [(name.lower().encode(), _latin1(value)) for name, value in headers if name.lower() not in _OURS]
    if environ["REQUEST_METHOD"] == "HEAD":
        kept += [(b"content-length", _latin1(value)) for name, value in headers if name.lower() == "content-length"]
    return Response(status, kept, body)


def _no_write(_data: bytes) -> None:
    raise NotImplementedError("PEP 3333's write() is not offered")


def _latin1(text: str) -> bytes:
    return str(text).encode("latin-1", "replace")


# -- moto's queues -----------------------------------------------------------------------------------------------------


class _Running:
    """The request that runs now: whether it waits for messages, and the trace that it belongs to; whether it has left
    everything as it was is told after. moto's thread only."""

    patient = True
    unchanged = False
    trace = ""


_running = _Running()


def _patch(name: str) -> None:
    mend(name)
    patch = _PATCHES.get(name)
    if patch is not None:
        patch()


def _patch_sqs() -> None:
    """A ReceiveMessage that would wait for a message says so instead of waiting. A message belongs to the trace of the
    request that sends it, or that makes a topic or a bucket send it, as AWS has it."""
    from moto.sqs.models import SQSBackend

    receive, send = SQSBackend.receive_message, SQSBackend.send_message
    if getattr(receive, "__forecourt__", False):
        return

    def receive_message(
        self: Any, queue_name: str, count: int, wait_seconds_timeout: int, *args: Any, **more: Any
    ) -> Any:
        before = len(self.get_queue(queue_name)._messages)
        found = receive(self, queue_name, count, 0, *args, **more)
        # An empty answer changes something only if messages went to the dead-letter queue.
        _running.unchanged = not found and before == len(self.get_queue(queue_name)._messages)
        if not found and wait_seconds_timeout and _running.patient:
            raise WouldWait(wait_seconds_timeout)
        return found

    def send_message(self: Any, queue_name: str, message_body: str, *args: Any, **more: Any) -> Any:
        message = send(self, queue_name, message_body, *args, **more)
        if _running.trace:
            traced = {"AWSTraceHeader": {"DataType": "String", "StringValue": _running.trace}}
            message.system_attributes = traced | message.system_attributes
        return message

    receive_message.__forecourt__ = True  # type: ignore[attr-defined]
    SQSBackend.receive_message = receive_message  # type: ignore[method-assign]
    SQSBackend.send_message = send_message  # type: ignore[method-assign]


_PATCHES: dict[str, Callable[[], None]] = {"sqs": _patch_sqs}
