"""Map runs: a Distributed Map as a crowd of child executions.

A run reads its items, starts a child per item (or batch), at most so many at once, and counts how they end. A child's
name follows from the run and its index: whoever starts a run again, after a crash or by a redrive, meets those
that exist already, takes over what succeeded, waits for what runs, and starts (or redrives) the rest.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from forecourt.base.clock import Clock
from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Machine, Map
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.engine.model import Execution
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.integrations import TaskError
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.model import Definition, ExecutionRecord, MapRun, digest_of
from forecourt.services.stepfunctions.run import mapstate
from forecourt.services.stepfunctions.run.committer import Committer
from forecourt.services.stepfunctions.run.crowd import Crowd, Means
from forecourt.services.stepfunctions.run.express import Express
from forecourt.services.stepfunctions.run.items import batches
from forecourt.services.stepfunctions.run.pending import Pending
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.start import Revision
from forecourt.store import Store


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
        self._active: dict[str, Crowd] = {}
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
        run: Crowd | None = None
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

    async def _failed(self, pending: Pending, run: Crowd | None, error: str, cause: str) -> events.MapRunEnded:
        if run is not None:
            await run.end(model.FAILED, export=error == errors.EXCEED_TOLERATED_FAILURE_THRESHOLD)
        return events.MapRunEnded(pending.frame, pending.nonce, model.FAILED, None, error, cause)

    def _abort(self, run: Crowd) -> None:
        task = asyncio.create_task(run.end(model.ABORTED, export=True))
        self._aborting.add(task)
        task.add_done_callback(self._aborting.discard)

    async def _prepare(self, pending: Pending) -> Crowd:
        machine, execution = await self._shell.view(pending.key)
        frame = execution.frames[pending.frame]
        state = machine.state(frame.scope, pending.state)
        assert isinstance(state, Map)
        scope = Turn(machine, execution, self._clock.now(), False).scope(frame)
        effective = state.flow.effective_input(scope)
        document = await self._document(pending, execution, state, scope, effective)
        revision = await self._child_revision(pending, machine, state, execution)
        job = mapstate.job(pending, execution)

        async def s3(operation: str, params: dict[str, Any]) -> dict[str, Any]:
            return await self._calls.raw(job, "s3", operation, params)

        given = mapstate.given_items(pending, state, scope, effective)
        units = batches(
            mapstate.items(s3, given, state, scope, effective),
            mapstate.selector(state, scope, effective),
            mapstate.limits(state, scope, effective),
        )
        writer = mapstate.writer(s3, state, scope, effective, document)
        means = Means(self._store, self._committer, self._shell, self._express, self._clock)
        known = len(given) if given is not None and state.batcher is None else 0
        return Crowd(means, document, revision, units, writer, pending, mapstate.form(state), known)

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
            mapstate.reset_counts(existing)
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
            max_concurrency=int(mapstate.number(state.max_concurrency, scope, effective)),
            tolerated_failure_count=int(mapstate.number(state.tolerated_failure_count, scope, effective)),
            tolerated_failure_percentage=float(mapstate.number(state.tolerated_failure_percentage, scope, effective)),
        )

    async def _child_revision(self, pending: Pending, machine: Machine, state: Map, execution: Execution) -> Revision:
        """The processor as a machine of its own."""
        processor = machine.scopes[state.processor]
        raw = mapstate.processor_definition(machine, processor.location)
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
