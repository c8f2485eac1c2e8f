"""Express executions: the same machine, with its state, timers and history in memory.

Nothing is stored: what runs when the process ends is lost, as AWS's at-least-once contract for asynchronous and
at-most-once for synchronous executions allows. History is kept only for as long as a log group wants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from forecourt.base.clock import Clock, Timer
from forecourt.base.ids import Ids
from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Machine
from forecourt.services.stepfunctions.engine import advance, commands, events
from forecourt.services.stepfunctions.engine.model import Execution, new_execution
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.model import ExecutionKey, ExecutionRecord
from forecourt.services.stepfunctions.run.logs import ExecutionLogs
from forecourt.services.stepfunctions.run.machines import Machines
from forecourt.services.stepfunctions.run.pending import Pending, pending_of
from forecourt.services.stepfunctions.run.start import StartRequest
from forecourt.services.stepfunctions.run.work import Workers

_MOST_OPEN = 100_000


class TooManyOpen(Exception):
    """Memory is bounded: no more Express executions at once."""


class ExpressResult(NamedTuple):
    execution: Execution
    record: ExecutionRecord


class _Run:
    __slots__ = ("arn", "execution", "future", "key", "logged", "machine", "record", "timers")

    def __init__(
        self, arn: str, key: ExecutionKey, execution: Execution, machine: Machine, record: ExecutionRecord, logged: bool
    ) -> None:
        self.arn = arn
        self.key = key
        self.execution = execution
        self.machine = machine
        self.record = record
        self.logged = logged
        self.timers: dict[tuple[int, str], Timer] = {}
        self.future: asyncio.Future[ExpressResult] | None = None


class Express:
    def __init__(self, machines: Machines, workers: Workers, clock: Clock, ids: Ids, logs: ExecutionLogs) -> None:
        self._machines = machines
        self._workers = workers
        self._clock = clock
        self._ids = ids
        self._logs = logs
        self._runs: dict[ExecutionKey, _Run] = {}
        self.on_finished: list[Callable[[ExecutionRecord], None]] = []

    async def start(self, request: StartRequest) -> ExpressResult:
        """Returns as soon as the execution runs (or is over already)."""
        run = await self._begin(request)
        return ExpressResult(run.execution, run.record)

    async def run(self, request: StartRequest) -> ExpressResult:
        """Returns when the execution is over."""
        run = await self._begin(request)
        if not run.execution.is_open:
            return ExpressResult(run.execution, run.record)
        run.future = asyncio.get_running_loop().create_future()
        return await run.future

    async def _begin(self, request: StartRequest) -> _Run:
        if len(self._runs) >= _MOST_OPEN:
            raise TooManyOpen
        revision = request.revision
        machine = await self._machines.get(revision.digest)
        at = self._clock.now()
        run_id = self._ids.uuid()
        kind = f"arn:aws:states:{revision.region}:{revision.account}"
        arn = f"{kind}:express:{revision.machine}:{request.name}:{run_id}"
        key = (revision.account, revision.region, revision.machine, f"{request.name}:{run_id}")
        execution = new_execution(
            arn, request.name, revision.machine_arn, revision.machine.split("/")[0], revision.role_arn,
            Data.of_text(request.input), at, self._ids.bytes(16), express=True,
        )  # fmt: skip
        record = request.record(at)
        run = _Run(arn, key, execution, machine, record, self._logs.is_logged(revision.logging))
        self._runs[key] = run
        self._take(run, events.Start())
        return run

    def post(self, key: ExecutionKey, event: events.Event, keep: Pending | None = None) -> None:
        run = self._runs.get(key)
        if run is not None:
            self._take(run, event)

    def _take(self, run: _Run, event: events.Event) -> None:
        turn = advance(run.machine, run.execution, event, self._clock.now(), recording=run.logged)
        if turn.events:
            self._logs.write(run.record, turn.events)
        if not run.execution.is_open:
            self._end(run, turn)
            return
        for command in turn.commands:
            self._perform(run, command)

    def _perform(self, run: _Run, command: commands.Command) -> None:
        match command:
            case commands.StartTimer():
                self._cancel_timer(run, command.frame, command.kind)
                fired = events.TimerFired(command.frame, command.kind, command.due_at)
                place = (command.frame, command.kind)
                run.timers[place] = self._clock.call_at(command.due_at, lambda: self._fire(run, place, fired))
            case commands.CancelTimer():
                self._cancel_timer(run, command.frame, command.kind)
            case commands.AbandonWork():
                self._workers.abandon(run.arn, command.nonce)
            case commands.GoOn():
                asyncio.get_running_loop().call_soon(self.post, run.key, events.Continue())
            case _:
                if (pending := pending_of(run.key, run.execution, command)) is not None:
                    self._workers.perform(pending, self, run.arn)

    def _fire(self, run: _Run, place: tuple[int, str], event: events.TimerFired) -> None:
        run.timers.pop(place, None)
        self.post(run.key, event)

    def _cancel_timer(self, run: _Run, frame: int, kind: str) -> None:
        timer = run.timers.pop((frame, kind), None)
        if timer is not None:
            timer.cancel()

    def _end(self, run: _Run, turn: Turn) -> None:
        del self._runs[run.key]
        for timer in run.timers.values():
            timer.cancel()
        for command in turn.commands:
            if isinstance(command, commands.AbandonWork):
                self._workers.abandon(run.arn, command.nonce)
        execution, record = run.execution, run.record
        record.status, record.stopped_at = execution.status, execution.stopped_at
        record.output = execution.output.text if execution.output is not None else None
        record.error, record.cause = execution.error, execution.cause
        for callback in self.on_finished:
            callback(record)
        if run.future is not None and not run.future.done():
            run.future.set_result(ExpressResult(execution, record))

    def clear(self) -> None:
        for run in self._runs.values():
            for timer in run.timers.values():
                timer.cancel()
            if run.future is not None:
                run.future.cancel()
        self._runs.clear()
