"""Map runs: a Distributed Map as a crowd of child executions.

A run reads its items, starts a child per item (or batch), at most so many at once, and counts how they end. A child's
name follows from the run and its index: whoever starts a run again, after a crash or by a redrive, meets those
that exist already, takes over what succeeded, waits for what runs, and starts (or redrives) the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import AsyncIterator
from typing import Any

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import MAX_BYTES, Data
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Machine, Map
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.engine.model import Execution
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.errors import ExecutionAlreadyExists, ExecutionDoesNotExist
from forecourt.services.stepfunctions.integrations import Job, TaskError
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.model import Definition, ExecutionRecord, MapRun, digest_of
from forecourt.services.stepfunctions.run.committer import Committer
from forecourt.services.stepfunctions.run.express import Express
from forecourt.services.stepfunctions.run.items import (
    MOST_ITEMS,
    S3,
    BatchLimits,
    Unit,
    batches,
    read_items,
)
from forecourt.services.stepfunctions.run.persist import Pending
from forecourt.services.stepfunctions.run.results import Writer
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.start import Revision, StartRequest
from forecourt.store import Store

_log = logging.getLogger("forecourt.stepfunctions")
_MOST_CONCURRENT = 1_000
_SAVE_EVERY_SECONDS = 1.0


class _Exceeded(Exception):
    """More children failed than the run tolerates."""


class MapRuns:
    def __init__(
        self,
        store: Store,
        committer: Committer,
        shell: Shell,
        express: Express,
        calls: ServiceCalls,
        clock: Clock,
    ) -> None:
        self._store = store
        self._committer = committer
        self._shell = shell
        self._express = express
        self._calls = calls
        self._clock = clock
        self._active: dict[str, _Run] = {}
        self._aborting: set[asyncio.Task[None]] = set()
        self.closing = False

    def active(self, arn: str) -> MapRun | None:
        """The run's live numbers; changes of its limits take effect at once."""
        run = self._active.get(arn)
        return run.document if run is not None else None

    def limits_changed(self, arn: str) -> None:
        if (run := self._active.get(arn)) is not None:
            run.wake()

    async def perform(self, pending: Pending) -> None:
        run: _Run | None = None
        try:
            run = await self._prepare(pending)
            self._active[run.document.arn] = run
            outcome = await run.execute()
        except asyncio.CancelledError:
            if run is not None and not self.closing:
                self._abort(run)
            raise
        except StatesError as error:
            outcome = await self._failed(pending, run, error.error, error.cause)
        except TaskError as error:
            outcome = await self._failed(pending, run, error.error, error.cause)
        finally:
            if run is not None:
                self._active.pop(run.document.arn, None)
        self._shell.post(pending.key, outcome)

    async def _failed(self, pending: Pending, run: _Run | None, error: str, cause: str) -> events.MapRunEnded:
        if run is not None:
            await run.end(model.FAILED)
        return events.MapRunEnded(pending.frame, pending.nonce, model.FAILED, None, error, cause)

    def _abort(self, run: _Run) -> None:
        task = asyncio.create_task(run.end(model.ABORTED))
        self._aborting.add(task)
        task.add_done_callback(self._aborting.discard)

    async def _prepare(self, pending: Pending) -> _Run:
        machine, execution = await self._shell.view(pending.key)
        frame = execution.frames[pending.frame]
        state = machine.state(frame.scope, pending.state)
        assert isinstance(state, Map)
        scope = Turn(machine, execution, self._clock.now(), False).scope(frame)
        effective = state.flow.effective_input(scope)
        document = await self._document(pending, execution, state, scope, effective)
        revision = await self._child_revision(pending, machine, state, execution)
        job = _job(pending, execution)

        async def s3(operation: str, params: dict[str, Any]) -> dict[str, Any]:
            return await self._calls.raw(job, "s3", operation, params)

        units = batches(
            _items(s3, pending, state, scope, effective),
            _selector(state, scope, effective),
            _limits(state, scope, effective),
        )
        writer = _writer(s3, state, scope, effective, document)
        return _Run(self, document, revision, units, writer, pending)

    async def _document(
        self, pending: Pending, execution: Execution, state: Map, scope: Scope, effective: Any
    ) -> MapRun:
        account, region, machine, name = pending.key
        place = f"{machine}:{name}"
        existing = await self._store.get(MapRun, account, region, place, pending.nonce)
        if existing is not None:
            if pending.redrive and existing.status != model.RUNNING:
                existing.redrive_count += 1
                existing.redriven_at = self._clock.now()
            existing.status, existing.stopped_at = model.RUNNING, 0.0
            _reset_counts(existing)
            return existing
        return MapRun(
            account=account,
            region=region,
            execution=place,
            id=pending.nonce,
            label=state.label or state.name,
            machine=machine,
            state=state.name,
            frame=pending.frame,
            nonce=pending.nonce,
            execution_type=state.execution_type,
            started_at=self._clock.now(),
            max_concurrency=int(_number(state.max_concurrency, scope, effective)),
            tolerated_failure_count=int(_number(state.tolerated_failure_count, scope, effective)),
            tolerated_failure_percentage=float(_number(state.tolerated_failure_percentage, scope, effective)),
        )

    async def _child_revision(self, pending: Pending, machine: Machine, state: Map, execution: Execution) -> Revision:
        """The processor as a machine of its own."""
        processor = machine.scopes[state.processor]
        raw = _processor_definition(machine, processor.location)
        text = json.dumps(raw)
        digest = digest_of(text)
        await self._committer.commit(lambda tx: tx.put(Definition(digest=digest, text=text)))
        account, region, name, _ = pending.key
        label = state.label or state.name
        parent = await self._store.get(ExecutionRecord, *pending.key)
        return Revision(
            account=account,
            region=region,
            machine=f"{name}/{label}",
            digest=digest,
            role_arn=execution.role_arn,
            type=state.execution_type,
            machine_arn=f"arn:aws:states:{region}:{account}:stateMachine:{name}/{label}",
            logging=parent.logging if parent is not None else {},
        )

    async def save(self, document: MapRun) -> None:
        await self._committer.commit(lambda tx: tx.put(document))

    # What `_Run` needs of the world
    @property
    def store(self) -> Store:
        return self._store

    @property
    def shell(self) -> Shell:
        return self._shell

    @property
    def express(self) -> Express:
        return self._express

    @property
    def committer(self) -> Committer:
        return self._committer

    @property
    def clock(self) -> Clock:
        return self._clock


class _Run:
    def __init__(
        self,
        runs: MapRuns,
        document: MapRun,
        revision: Revision,
        units: AsyncIterator[Unit],
        writer: Writer | None,
        pending: Pending,
    ) -> None:
        self._runs = runs
        self.document = document
        self._revision = revision
        self._units = units
        self._writer = writer
        self._pending = pending
        self._children: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._results: dict[int, Data] = {}
        self._result_bytes = 0
        self._broken: Exception | None = None
        self._saved_at = 0.0

    def wake(self) -> None:
        self._changed.set()

    async def execute(self) -> events.MapRunEnded:
        """Raises `StatesError` where the run fails."""
        await self._runs.save(self.document)
        index = 0
        try:
            async for unit in self._units:
                await self._room()
                self.document.total += 1
                self.document.items_total += unit.items
                self._begin(index, unit)
                index += 1
            while self._children:
                await self._wait()
            self._check()
        except _Exceeded:
            raise StatesError(
                errors.EXCEED_TOLERATED_FAILURE_THRESHOLD, "The specified tolerated failure threshold was exceeded"
            ) from None
        result = await self._result()
        self.document.results_written = self.document.items_total
        await self.end(model.SUCCEEDED)
        return events.MapRunEnded(self._pending.frame, self._pending.nonce, model.SUCCEEDED, result)

    async def _result(self) -> Data:
        if self._writer is not None:
            result = await self._writer.write(self._all_children())
            return Data(result)
        texts = [self._results[index].text for index in sorted(self._results)]
        result_data = Data.of_text("[" + ",".join(texts) + "]")
        if result_data.too_large:
            raise StatesError(
                errors.DATA_LIMIT_EXCEEDED,
                f"The state/task '{self.document.state}' returned a result with a size exceeding the maximum number of "
                "bytes service limit.",
            )
        return result_data

    async def _all_children(self) -> AsyncIterator[ExecutionRecord]:
        """Page by page, in the order of their index."""
        for index in range(self.document.total):
            record = await self._runs.store.get(ExecutionRecord, *self._request(index, Unit(None, 0)).key)
            if record is not None:
                yield record

    # --- children -----------------------------------------------------------------------------------------------------

    async def _room(self) -> None:
        while len(self._children) >= min(self.document.max_concurrency or _MOST_CONCURRENT, _MOST_CONCURRENT):
            await self._wait()
        self._check()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
        self._check()
        now = self._runs.clock.now()
        if now - self._saved_at >= _SAVE_EVERY_SECONDS:
            self._saved_at = now
            await self._runs.save(self.document)

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._result_bytes > MAX_BYTES and self._writer is None:
            raise StatesError(
                errors.DATA_LIMIT_EXCEEDED,
                f"The state/task '{self.document.state}' returned a result with a size exceeding the maximum number of "
                "bytes service limit.",
            )
        d = self.document
        failed = d.items_failed + d.items_timed_out + d.items_aborted
        if not failed:
            return
        over_count = failed > d.tolerated_failure_count
        over_share = failed * 100 > d.tolerated_failure_percentage * max(d.items_total, 1)
        if d.tolerated_failure_percentage and not d.tolerated_failure_count:
            exceeded = over_share and not self._may_still_recover()
        elif d.tolerated_failure_percentage:
            exceeded = over_count or over_share
        else:
            exceeded = over_count
        if exceeded:
            raise _Exceeded

    def _may_still_recover(self) -> bool:
        """A share is judged when all items are known."""
        return bool(self._children)

    def _begin(self, index: int, unit: Unit) -> None:
        task = asyncio.create_task(self._child(index, unit))
        self._children.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._children.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._broken is None:
            self._broken = error if isinstance(error, Exception) else RuntimeError(str(error))
        self._changed.set()

    async def _child(self, index: int, unit: Unit) -> None:
        request = self._request(index, unit)
        if self._revision.type == "EXPRESS":
            record = await self._express_child(request)
        else:
            record = await self._standard_child(request)
        self._count(record, unit)
        if record.status == model.SUCCEEDED and self._writer is None and record.output is not None:
            self._results[index] = Data.of_text(record.output)
            self._result_bytes += len(record.output) + 1

    async def _standard_child(self, request: StartRequest) -> ExecutionRecord:
        try:
            await self._runs.shell.start(request)
        except ExecutionAlreadyExists:
            record = await self._runs.store.get(ExecutionRecord, *request.key)
            if record is not None and record.status not in (model.RUNNING, model.SUCCEEDED) and self._pending.redrive:
                if record.redrive_count < self.document.redrive_count:
                    await self._runs.shell.redrive(request.key, "")
            elif record is not None and record.status != model.RUNNING:
                return record
        return await self._runs.shell.finished(request.key)

    async def _express_child(self, request: StartRequest) -> ExecutionRecord:
        existing = await self._runs.store.get(ExecutionRecord, *request.key)
        if existing is not None and (existing.status == model.SUCCEEDED or not self._pending.redrive):
            return existing
        record = (await self._runs.express.run(request)).record
        await self._runs.committer.commit(lambda tx: tx.put(record))
        return record

    def _request(self, index: int, unit: Unit) -> StartRequest:
        digest = hashlib.blake2b(f"{self.document.arn}/{index}".encode(), digest_size=16).digest()
        return StartRequest(
            revision=self._revision,
            name=str(uuid.UUID(bytes=digest, version=4)),
            input=Data(unit.input).text,
            map_run_arn=self.document.arn,
            item_count=unit.items,
        )

    def _count(self, record: ExecutionRecord, unit: Unit) -> None:
        counter = {model.SUCCEEDED: "succeeded", model.FAILED: "failed", model.TIMED_OUT: "timed_out"}.get(
            record.status, "aborted"
        )
        document = self.document
        setattr(document, counter, getattr(document, counter) + 1)
        setattr(document, f"items_{counter}", getattr(document, f"items_{counter}") + unit.items)

    async def end(self, status: str) -> None:
        for task in list(self._children):
            task.cancel()
        self.document.status = status
        self.document.stopped_at = self._runs.clock.now()
        try:
            await self._stop_children()
        finally:
            await self._runs.save(self.document)

    async def _stop_children(self) -> None:
        d = self.document
        running = await self._runs.store.find(ExecutionRecord, "listing", d.account, d.region, d.arn, model.RUNNING)
        for record in running:
            try:
                await self._runs.shell.deliver(record.key, events.Stop())
                self.document.aborted += 1
                self.document.items_aborted += record.item_count
            except (ExecutionDoesNotExist, ServiceError):
                continue


# --- what the state says ----------------------------------------------------------------------------------------------


def _number(value: Any, scope: Scope, effective: Any) -> float:
    if value is None:
        return 0
    number = value(scope, effective)
    if type(number) not in (int, float) or number < 0:
        raise StatesError(errors.RUNTIME, f"A limit of the Map state must be a non-negative number, not {number!r}")
    return float(number)


def _selector(state: Map, scope: Scope, effective: Any) -> Any:
    selector = state.item_selector
    if selector is None:
        return lambda index, item: item

    def select(index: int, item: Any) -> Any:
        return selector(scope.with_context({"Map": {"Item": {"Index": index, "Value": item}}}), effective)

    return select


def _limits(state: Map, scope: Scope, effective: Any) -> BatchLimits | None:
    batcher = state.batcher
    if batcher is None:
        return None
    return BatchLimits(
        batcher.batch_input(scope, effective) if batcher.batch_input is not None else None,
        batcher.batch_input is not None,
        int(_number(batcher.max_items, scope, effective)) or MOST_ITEMS,
        int(_number(batcher.max_bytes, scope, effective)) or MAX_BYTES,
    )


async def _items(s3: S3, pending: Pending, state: Map, scope: Scope, effective: Any) -> AsyncIterator[Any]:
    if state.reader is None:
        from forecourt.services.stepfunctions.engine.states.map import find_items

        items = Data.of_text(pending.items).value if pending.items else find_items(state, scope, effective)
        for item in items:
            yield item
        return
    reader = state.reader
    most = int(_number(reader.max_items, scope, effective)) or MOST_ITEMS
    arguments = reader.arguments(scope, effective)
    async for item in read_items(s3, reader.resource.action, arguments, reader.config, most):
        yield item


def _writer(s3: S3, state: Map, scope: Scope, effective: Any, run: MapRun) -> Writer | None:
    writer = state.writer
    if writer is None or writer.resource is None or writer.arguments is None:
        return None
    return Writer(s3, writer.arguments(scope, effective), writer.config, run)


def _processor_definition(machine: Machine, location: str) -> dict[str, Any]:
    """The processor at `location` (`/States/Fan/ItemProcessor`), as a definition."""
    found: Any = machine.raw
    rest = location
    while rest:
        rest = rest.removeprefix("/States/")
        name = _state_name(found["States"], rest)
        found, rest = found["States"][name], rest[len(name) :].removeprefix("/")
        field, _, after = rest.partition("/")
        rest = f"/{after}" if after else ""
        key, _, number = field.partition("[")
        found = found[key][int(number[:-1])] if number else found[key]
    definition = {key: value for key, value in found.items() if key != "ProcessorConfig"}
    return {"QueryLanguage": "JSONata", **definition} if machine.jsonata else definition


def _state_name(states: dict[str, Any], location: str) -> str:
    """Which state's name `location` begins with; names may hold slashes."""
    return max((name for name in states if location.startswith(name + "/")), key=len)


def _reset_counts(run: MapRun) -> None:
    for field in ("succeeded", "failed", "timed_out", "aborted", "total"):
        setattr(run, field, 0)
        setattr(run, f"items_{field}", 0)
    run.results_written = 0


def _job(pending: Pending, execution: Execution) -> Job:
    from forecourt.services.stepfunctions.asl.machine import Resource

    account, region, machine, name = pending.key
    return Job(
        account=account,
        region=region,
        machine=machine,
        name=name,
        execution_arn=execution.arn,
        role_arn=execution.role_arn,
        state=pending.state,
        nonce=pending.nonce,
        resource=Resource("", "service"),
        arguments=Data(None, "null"),
    )
