"""Outside work: performs what executions asked for, and resumes what was pending when the process died.

Each piece of work is one asyncio task, and stands in the execution's state until its outcome is recorded. What a
restart finds there was perhaps performed, perhaps not:

- a job that was submitted (`.sync`) is only watched again, and one that waits for its token is left alone;
- what only reads, and the start of a nested execution (its name follows from the attempt), is performed again;
- anything else is performed once more. Step Functions' integrations are at-least-once in just this way.
- What a second restart finds again has twice taken the process with it, or had bad luck; it is reported as failed the
  way AWS reports an answer that never came, and the definition's Retry decides.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.engine import events
from forecourt.services.stepfunctions.engine.tokens import encode_token
from forecourt.services.stepfunctions.integrations import Integrations, Job, TaskError, is_repeatable, lost_answer
from forecourt.services.stepfunctions.model import ExecutionKey, execution_arn
from forecourt.services.stepfunctions.run.activities import Activities
from forecourt.services.stepfunctions.run.committer import Committer
from forecourt.services.stepfunctions.run.pending import Pending
from forecourt.services.stepfunctions.run.stored import UNFINISHED, Unfinished, unfinished
from forecourt.store import Store, Tx

_log = logging.getLogger("forecourt.stepfunctions")
_MOST_AT_ONCE = 4_000
_MOST_UNFINISHED = 2_000_000


class Owner(Protocol):
    """Whose work it is: the shell of Standard executions, or the Express ones'."""

    def post(self, key: ExecutionKey, event: events.Event, keep: Pending | None = None) -> None: ...


class Workers:
    def __init__(self, integrations: Integrations, activities: Activities) -> None:
        self._integrations = integrations
        self._activities = activities
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)
        # Whether work is cancelled because the process ends: then what it started goes on
        self._closing = False
        # Filled by service.py: map runs are work of another kind
        self.run_map: Callable[[Pending], Awaitable[None]] | None = None

    def perform(self, pending: Pending, owner: Owner, arn: str | None = None) -> None:
        arn = arn or execution_arn(pending.key)
        if pending.resource[1] == "activity":
            token = encode_token(arn, pending.frame, pending.nonce)
            self._activities.add(pending.resource[0], token)
            return
        self._running[arn, pending.nonce] = asyncio.create_task(self._run(pending, owner, arn))

    def abandon(self, arn: str, nonce: str) -> None:
        self._activities.remove(arn, nonce)
        running = self._running.pop((arn, nonce), None)
        if running is not None:
            running.cancel()

    async def _run(self, pending: Pending, owner: Owner, arn: str) -> None:
        try:
            async with self._room:
                if pending.kind == "map-run":
                    assert self.run_map is not None
                    await self.run_map(pending)
                else:
                    await self._run_task(pending, owner, arn)
        except Exception:
            _log.exception("work of %s ended abnormally", arn)
        finally:
            self._running.pop((arn, pending.nonce), None)

    async def _run_task(self, pending: Pending, owner: Owner, arn: str) -> None:
        frame, nonce = pending.frame, pending.nonce
        job = _job(pending, arn)
        try:
            output = await self._perform(pending, job, owner)
        except TaskError as error:
            owner.post(pending.key, events.TaskFailed(frame, nonce, error.error, error.cause))
            return
        except asyncio.CancelledError:
            if not self._closing:
                self._integrations.abandon(job)
            raise
        except Exception as error:
            _log.exception("the task %s of %s failed within Forecourt", pending.state, arn)
            owner.post(pending.key, events.TaskFailed(frame, nonce, "States.TaskFailed", type(error).__name__))
            return
        if output is not None:
            owner.post(pending.key, events.TaskSucceeded(frame, nonce, output))

    async def _perform(self, pending: Pending, job: Job, owner: Owner) -> Data | None:
        """The task's output; None where it comes by task token."""
        pattern = job.resource.pattern
        if pattern == "request":
            return await self._integrations.request(job)
        if pending.submitted is None:
            answer = await self._integrations.request(job)
            keep = msgspec.structs.replace(pending, submitted=answer.text) if pattern != "waitForTaskToken" else None
            owner.post(pending.key, events.TaskSubmitted(pending.frame, pending.nonce, answer), keep)
        else:
            answer = Data.of_text(pending.submitted)
        if pattern == "waitForTaskToken":
            return None
        job.submitted = answer
        return await self._integrations.watch(job, answer)

    async def recover(self, store: Store, committer: Committer, owner: Owner) -> int:
        """Resumes what the store says is pending. Returns how many executions that are."""
        rows = await store.due(UNFINISHED, math.inf, _MOST_UNFINISHED)
        found: list[Unfinished] = []
        for start in range(0, len(rows), 1000):
            chunk = rows[start : start + 1000]
            some = [one for row in chunk if (one := await unfinished(store, row)) is not None]
            await committer.commit(functools.partial(_note_delivery, some))
            found += some
        for one in found:
            if one.goes_on:
                owner.post(one.key, events.Continue())
            for work in one.work:
                self._resume(work, owner)
        return len(found)

    def _resume(self, work: Pending, owner: Owner) -> None:
        if work.kind == "task" and work.deliveries and work.submitted is None and not _may_repeat(work):
            error = lost_answer(work.as_resource())
            owner.post(work.key, events.TaskFailed(work.frame, work.nonce, error.error, error.cause))
        else:
            self.perform(work, owner)

    async def close(self) -> None:
        self._closing = True
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=2.0)
        self._running.clear()
        self._closing = False


def _note_delivery(found: list[Unfinished], tx: Tx) -> None:
    for one in found:
        tx.enqueue(one.delivered())


def _may_repeat(work: Pending) -> bool:
    return work.resource[1] == "activity" or is_repeatable(work.as_resource())


def _job(pending: Pending, arn: str) -> Job:
    account, region, machine, name = pending.key
    return Job(
        account=account,
        region=region,
        machine=machine,
        name=name,
        execution_arn=arn,
        role_arn=pending.role_arn,
        test_case=pending.test_case,
        state=pending.state,
        nonce=pending.nonce,
        resource=pending.as_resource(),
        arguments=Data.of_text(pending.arguments),
        timeout_seconds=pending.timeout_seconds,
    )
