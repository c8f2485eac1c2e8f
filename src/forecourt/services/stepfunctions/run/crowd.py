"""The crowd of a map run's children: started at most so many at once, counted as they end, judged by the limits."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import MAX_BYTES, Data
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.errors import ExecutionAlreadyExists, ExecutionDoesNotExist
from forecourt.services.stepfunctions.model import ExecutionRecord, MapRun
from forecourt.services.stepfunctions.run.committer import Committer
from forecourt.services.stepfunctions.run.express import Express
from forecourt.services.stepfunctions.run.items import Unit
from forecourt.services.stepfunctions.run.pending import Pending
from forecourt.services.stepfunctions.run.results import Writer, contribution
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.start import Revision, StartRequest
from forecourt.store import Store

_MOST_CONCURRENT = 1_000
_SAVE_EVERY_SECONDS = 1.0


class Means(NamedTuple):
    """What a crowd needs of the service."""

    store: Store
    committer: Committer
    shell: Shell
    express: Express
    clock: Clock


class _Exceeded(Exception):
    """More children failed than the run tolerates."""


class Crowd:
    def __init__(
        self,
        means: Means,
        document: MapRun,
        revision: Revision,
        units: AsyncIterator[Unit],
        writer: Writer | None,
        pending: Pending,
        form: tuple[str, bool],
        known: int,
    ) -> None:
        """`form` is how the results stand in the state's output, `known` how many items there are, if that is known."""
        self._means = means
        self.document = document
        self._revision = revision
        self._units = units
        self._writer = writer
        self._pending = pending
        self._children: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._transformation, self._as_lines = form
        self._held: Unit | None = None
        document.pending, document.items_pending = (known, known) if known else (0, 0)
        self._results: dict[int, list[str]] = {}
        self._result_bytes = 0
        self._broken: Exception | None = None
        self._saved_at = 0.0

    def wake(self) -> None:
        self._changed.set()

    async def execute(self) -> events.MapRunEnded:
        """Raises `StatesError` where the run fails."""
        await self._save()
        index = 0
        try:
            async for unit in self._units:
                self._held = unit
                await self._room()
                self._held = None
                self._counted_as_begun(unit)
                self._begin(index, unit)
                index += 1
            while self._children:
                await self._wait()
            self._check()
        except _Exceeded:
            raise StatesError(
                errors.EXCEED_TOLERATED_FAILURE_THRESHOLD, "The specified tolerated failure threshold was exceeded"
            ) from None
        self.document.pending = self.document.items_pending = 0
        result = await self._result()
        self.document.results_written = self.document.items_total
        await self.end(model.SUCCEEDED)
        return events.MapRunEnded(self._pending.frame, self._pending.nonce, model.SUCCEEDED, result)

    async def _result(self) -> Data:
        if self._writer is not None:
            return Data(await self._writer.write(self._all_children()))
        texts = [text for index in sorted(self._results) for text in self._results[index]]
        joined = "".join(f"{text}\n" for text in texts) if self._as_lines else "[" + ",".join(texts) + "]"
        result_data = Data(joined) if self._as_lines else Data.of_text(joined)
        if result_data.too_large:
            raise StatesError(
                errors.DATA_LIMIT_EXCEEDED,
                f"The state/task '{self.document.state}' returned a result with a size exceeding the maximum number of "
                "bytes service limit.",
            )
        return result_data

    async def _all_children(self) -> AsyncIterator[ExecutionRecord]:
        """In the order of their index; of a redriven run those that ended since."""
        for index in range(self.document.total):
            record = await self._means.store.get(ExecutionRecord, *self._request(index, Unit(None, 0)).key)
            if record is not None and record.stopped_at >= self.document.redriven_at:
                yield record

    async def _never_begun(self) -> AsyncIterator[str]:
        """The inputs of the children that the run did not come to."""
        if self._held is not None:
            yield Data(self._held.input).text
        async for unit in self._units:
            yield Data(unit.input).text

    def _counted_as_begun(self, unit: Unit) -> None:
        document = self.document
        document.total += 1
        document.items_total += unit.items
        document.pending = max(document.pending - 1, 0)
        document.items_pending = max(document.items_pending - unit.items, 0)

    # --- children -----------------------------------------------------------------------------------------------------

    async def _room(self) -> None:
        while len(self._children) >= min(self.document.max_concurrency or _MOST_CONCURRENT, _MOST_CONCURRENT):
            await self._wait()
        self._check()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
        self._check()
        now = self._means.clock.now()
        if now - self._saved_at >= _SAVE_EVERY_SECONDS:
            self._saved_at = now
            await self._save()

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
        if self._writer is None:
            self._results[index] = contribution(record, self._transformation)
            self._result_bytes += sum(len(text) + 1 for text in self._results[index])

    async def _standard_child(self, request: StartRequest) -> ExecutionRecord:
        try:
            await self._means.shell.start(request)
        except ExecutionAlreadyExists:
            record = await self._means.store.get(ExecutionRecord, *request.key)
            if record is not None and record.status not in (model.RUNNING, model.SUCCEEDED) and self._pending.redrive:
                if record.redrive_count < self.document.redrive_count:
                    await self._means.shell.redrive(request.key, "")
            elif record is not None and record.status != model.RUNNING:
                return record
        return await self._means.shell.finished(request.key)

    async def _express_child(self, request: StartRequest) -> ExecutionRecord:
        existing = await self._means.store.get(ExecutionRecord, *request.key)
        if existing is not None and (existing.status == model.SUCCEEDED or not self._pending.redrive):
            return existing
        record = (await self._means.express.run(request)).record
        await self._means.committer.commit(lambda tx: tx.put(record))
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

    async def end(self, status: str, export: bool = False) -> None:
        """`export`: what there are of results is written although the run did not succeed."""
        for task in list(self._children):
            task.cancel()
        self.document.status = status
        self.document.stopped_at = self._means.clock.now()
        try:
            await self._stop_children()
            if export and self._writer is not None:
                with suppress(StatesError):
                    await self._writer.write(self._all_children(), self._never_begun())
                    self.document.results_written = self.document.items_total
        finally:
            await self._save()

    async def _stop_children(self) -> None:
        d = self.document
        running = await self._means.store.find(ExecutionRecord, "listing", d.account, d.region, d.arn, model.RUNNING)
        for record in running:
            try:
                await self._means.shell.deliver(record.key, events.Stop())
                self.document.aborted += 1
                self.document.items_aborted += record.item_count
            except (ExecutionDoesNotExist, ServiceError):
                continue

    async def _save(self) -> None:
        document = self.document
        await self._means.committer.commit(lambda tx: tx.put(document))
