"""How an execution environment is made: its folders, its log stream, the session of the function's role."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import Credentials, LogSink
from forecourt.services.functions.code import CodeFolders
from forecourt.services.functions.pool import Pool
from forecourt.services.functions.runtime.environment import Environment
from forecourt.services.functions.runtime.guardian import Guardian
from forecourt.services.functions.runtime.launch import Folders
from forecourt.services.functions.runtime.output import Output
from forecourt.services.functions.runtime.spec import FunctionSpec

# An invocation must not start with credentials that would expire under it (900 s is the longest time-out).
_CREDENTIALS_MARGIN_SECONDS = 960.0

Assume = Callable[[FunctionSpec], Coroutine[Any, Any, Credentials | None]]
Told = Callable[[Environment], None]


class Made(NamedTuple):
    """Not started yet."""

    environment: Environment
    log_stream: str
    credentials: Credentials | None


class Maker:
    """`folder` is where environments have their own."""

    def __init__(
        self, *, folder: Path, code: CodeFolders, assume: Assume, logs: LogSink, clock: Clock, ids: Ids
    ) -> None:
        self.folder = folder
        self._code = code
        self._assume = assume
        self._logs = logs
        self._clock = clock
        self._ids = ids

    async def make(self, pool: Pool, guardian: Guardian, idle: Told, gone: Told) -> Made:
        """`idle` and `gone` are told of it. Raises what keeps it from being made."""
        spec = pool.spec
        credentials = await self._assume(spec)
        tmp = self.folder / self._ids.bytes(8).hex()
        folders = Folders(await self._code.folder(pool.task), await self._code.folder(pool.opt), tmp)
        tmp.mkdir(parents=True)
        log_stream = f"{self._clock.utcnow():%Y/%m/%d}/[{spec.version}]{self._ids.bytes(16).hex()}"
        output = Output(self._writer(spec, log_stream), spec.log_format)
        environment = Environment(spec, folders, output, guardian, idle, gone)
        if credentials is not None:
            environment.fresh_until = credentials.expires_at - _CREDENTIALS_MARGIN_SECONDS
        return Made(environment, log_stream, credentials)

    def _writer(self, spec: FunctionSpec, log_stream: str) -> Callable[[str], None]:
        logs, clock = self._logs, self._clock

        def write(message: str) -> None:
            logs.write(spec.account, spec.region, spec.log_group, log_stream, clock.now_ms(), message)

        return write
