"""An execution environment: one worker, its Runtime API listener, its log stream, its own folder.

It is initialized once (10 seconds at most), then invoked again and again, one event at a time. What ends an invocation
is the runtime's answer, the function's time-out, or the end of the process; whichever comes first is the result, and
the caller's own patience plays no part: who gives up waiting does not stop the function.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import msgspec

from forecourt.base.ports import Credentials
from forecourt.services.functions.runtime.guardian import Guardian
from forecourt.services.functions.runtime.launch import Folders, InvalidEntrypoint, command, variables
from forecourt.services.functions.runtime.messages import Failure, Invocation, Result, platform_failure, timed_out
from forecourt.services.functions.runtime.output import Output
from forecourt.services.functions.runtime.process import Process, describe_exit
from forecourt.services.functions.runtime.server import listen
from forecourt.services.functions.runtime.session import Session, Sink
from forecourt.services.functions.runtime.spec import FunctionSpec
from forecourt.services.functions.runtime.states import Event, State

INIT_SECONDS = 10.0
# A last answer and the end of the process may be noticed in either order.
_LAST_WORDS_SECONDS = 0.01

# What went wrong while initializing, for the invocation that it is reported to.
InitFailure = Callable[[str], Failure]


class Completion(msgspec.Struct, frozen=True):
    """`duration_ms` is the handler's time, without initialization."""

    result: Result
    log_tail: bytes | None
    duration_ms: float


class Environment:
    """`on_idle` is called each time it is ready for the next invocation, `on_gone` once when its process has ended."""

    def __init__(
        self,
        spec: FunctionSpec,
        folders: Folders,
        output: Output,
        guardian: Guardian,
        on_idle: Callable[[Environment], None],
        on_gone: Callable[[Environment], None],
    ) -> None:
        self.spec = spec
        self.folders = folders
        self.idle_since = 0.0
        # Clock time after which its credentials are too old to start an invocation with.
        self.fresh_until = float("inf")
        self.peak_bytes = 0
        self._output = output
        self._guardian = guardian
        self._on_idle = on_idle
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._session = Session(self._ready)
        self._server: asyncio.Server | None = None
        self._process: Process | None = None
        self._init_failure: InitFailure | None = None
        self._init_ms: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    @property
    def usable(self) -> bool:
        alive = self._process is not None and self._process.alive
        return alive and self._init_failure is None and self._session.usable

    @property
    def answers(self) -> bool:
        """An invocation can be given to it, if only to hear why it did not initialize."""
        return self._init_failure is not None or self._session.usable

    @property
    def responded(self) -> bool:
        """It has answered, and not yet asked for more."""
        return self._session.state is State.RESPONDED

    async def initialize(self, endpoint_url: str, log_stream: str, credentials: Credentials | None) -> None:
        """Starts the worker and waits until it asks for its first event. A failure is kept for the first `invoke`."""
        self._output.init_start(self.spec.runtime)
        started = time.perf_counter()
        timeout = INIT_SECONDS
        self._init_failure = await self._start(endpoint_url, log_stream, credentials, timeout)
        if self._init_failure is _INIT_TIMED_OUT:
            # AWS starts over as part of the first invocation, which then has the function's own time-out.
            self._output.init_report((time.perf_counter() - started) * 1000, "timeout")
            await self._discard()
            self._session = Session(self._ready)
            timeout = float(self.spec.timeout_seconds)
            self._init_failure = await self._start(endpoint_url, log_stream, credentials, timeout)
            if self._init_failure is _INIT_TIMED_OUT:
                self._init_failure = partial(timed_out, timeout_seconds=timeout)
        self._init_ms = (time.perf_counter() - started) * 1000
        if self._init_failure is not None:
            self._output.init_report(self._init_ms, "error", self._init_failure("").error_type)
        self.watch_memory()

    async def _start(
        self, endpoint_url: str, log_stream: str, credentials: Credentials | None, timeout: float
    ) -> InitFailure | None:
        self._server = await listen(self._session)
        host, port = self._server.sockets[0].getsockname()
        environment = variables(
            self.spec,
            self.folders,
            runtime_api=f"{host}:{port}",
            endpoint_url=endpoint_url,
            log_stream=log_stream,
            credentials=credentials,
        )
        try:
            argv = command(self.spec, self.folders)
            process = Process(argv, environment, self.folders.task, self._output.feed)
        except InvalidEntrypoint as error:
            return _failing("Runtime.InvalidEntrypoint", str(error))
        except (OSError, ValueError) as error:
            # ValueError: a null character in the handler's name
            reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
            message = f"fork/exec {argv[0]}: {reason}"
            return _failing("Runtime.InvalidEntrypoint", message)
        self._process = process
        self._guardian.add(process.pid, self.folders.tmp)
        process.exited.add_done_callback(partial(self._exited, process))
        return await self._initialized(process, timeout)

    async def _initialized(self, process: Process, timeout: float) -> InitFailure | None:
        said = self._session.initialized
        await asyncio.wait((said, process.exited), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if process.exited.done() and not said.done():
            await asyncio.sleep(_LAST_WORDS_SECONDS)
        process.read_output()
        if said.done():
            failure = said.result()
            return None if failure is None else _constant(failure)
        if process.exited.done():
            return _failing("Runtime.ExitError", describe_exit(process.exited.result()))
        return _INIT_TIMED_OUT

    def invoke(self, invocation: Invocation, sink: Sink) -> asyncio.Future[Completion]:
        """Not to be called while an invocation is at work."""
        completed: asyncio.Future[Completion] = self._loop.create_future()
        if invocation.tail:
            self._output.begin_tail()
        self._output.start(invocation.request_id, self.spec.version)
        complete = partial(self._complete, completed, invocation.request_id, time.perf_counter())
        if self._init_failure is not None:
            complete(self._init_failure(invocation.request_id))
            self.stop()
            return completed
        if not self._session.usable:
            complete(platform_failure(invocation.request_id, "Runtime.ExitError", describe_exit(0)))
            return completed
        timeout = self.spec.timeout_seconds
        self._timer = self._loop.call_later(timeout, self._time_out, invocation.request_id)
        # The function compares with its own clock, which is the system's.
        self._session.invoke(invocation, sink, int((time.time() + timeout) * 1000), complete)
        return completed

    def _complete(self, completed: asyncio.Future[Completion], request_id: str, started: float, result: Result) -> None:
        duration_ms = (time.perf_counter() - started) * 1000
        if self._process is not None:
            self._process.read_output()
        self._output.flush()
        status, error_type = "success", ""
        if isinstance(result, Failure) and result.fatal:
            status = "timeout" if result.error_type == "Sandbox.Timedout" else "error"
            error_type = "" if status == "timeout" else result.error_type
        self._output.report(
            request_id, duration_ms, self.spec.memory_mb, self.peak_bytes, self._init_ms, status, error_type
        )
        self._init_ms = None
        if not completed.done():
            completed.set_result(Completion(result, self._output.tail(), duration_ms))

    def stop(self) -> None:
        """Kills the worker. Idempotent; `on_gone` follows."""
        if self._process is not None:
            self._process.kill()
        else:
            self._loop.call_soon(self._end)

    def watch_memory(self) -> None:
        """Takes a sample; kills a worker that is over its limit, as the kernel would on AWS."""
        if self._process is None or self._process.exited.done():
            return
        used = self._process.resident_bytes()
        self.peak_bytes = max(self.peak_bytes, min(used, self.spec.memory_mb * 1048576))
        if used > self.spec.memory_mb * 1048576:
            self._process.kill()

    def _ready(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._on_idle(self)

    def _time_out(self, request_id: str) -> None:
        self._timer = None
        if self._session.pending:
            seconds = float(self.spec.timeout_seconds)
            self._output.time_out(request_id, seconds)
            self._session.finish(timed_out(request_id, seconds))
        self.stop()

    def _exited(self, process: Process, exited: asyncio.Future[int]) -> None:
        self._guardian.remove(process.pid)
        self._loop.call_later(_LAST_WORDS_SECONDS, self._bury, process, exited.result())

    def _bury(self, process: Process, status: int) -> None:
        process.read_output()
        process.close_output()
        if process is not self._process:
            return
        if self._session.pending and self._session.invocation is not None:
            request_id = self._session.invocation.request_id
            failure = platform_failure(request_id, "Runtime.ExitError", describe_exit(status))
            self._output.flush()
            self._output.runtime_exit(request_id, describe_exit(status))
            self._session.finish(failure)
        self._end()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._session.advance(Event.EXIT)
        if self._server is not None:
            self._server.close()
        self._output.flush()
        self._on_gone(self)

    async def _discard(self) -> None:
        """Gets rid of a worker that did not initialize in time; the environment itself starts over."""
        process, self._process = self._process, None
        if self._server is not None:
            self._server.close()
        if process is not None:
            process.kill()
            await process.exited


def _failing(error_type: str, message: str) -> InitFailure:
    return partial(platform_failure, error_type=error_type, message=message)


def _constant(failure: Failure) -> InitFailure:
    return lambda request_id: failure


_INIT_TIMED_OUT: InitFailure = _failing("Sandbox.Timedout", "Init timed out")
