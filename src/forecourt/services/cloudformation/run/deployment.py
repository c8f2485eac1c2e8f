"""One operation on one stack: what every phase of it works on, and how one phase ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from forecourt.base.clock import Clock, Timer
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.model import DONE, ChangeSet, Operation, Record, Stack
from forecourt.services.cloudformation.run.attempt import Attempts
from forecourt.services.cloudformation.run.journal import Change, Journal
from forecourt.services.cloudformation.run.steps import Steps
from forecourt.services.cloudformation.store import StackStore
from forecourt.store import Tx

# What the next operation needs to know stays.
_UNFINISHED = ("CREATE_FAILED", "UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED")
_WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# What of a stack an update changes and its rollback restores
_TEMPLATE_FIELDS = (
    "template", "processed", "description", "parameters", "outputs", "tags", "capabilities", "topics", "role_arn",
)  # fmt: skip


class Deployment:
    def __init__(
        self,
        stacks: StackStore,
        journal: Journal,
        attempts: Attempts,
        stack: Stack,
        operation: Operation,
        records: dict[str, Record],
        clock: Clock,
    ) -> None:
        self.stacks = stacks
        self.steps = Steps(stacks, journal, attempts, stack, operation, records)
        self.stack = stack
        self.operation = operation
        self.clock = clock
        self._journal = journal
        self._attempts = attempts
        self.cancelled = operation.cancelled
        # Nothing more is to be done: another operation takes over.
        self.abandoned = False

    # --- Whether to go on ---

    def cancel(self) -> None:
        """No further step forward, and none that only waits."""
        self.cancelled = True
        self._attempts.stop()

    def abandon(self) -> None:
        self.abandoned = True
        self._attempts.stop()

    def stops(self, failed: Mapping[str, BaseException]) -> bool:
        """Whether no further step is to be begun. Those that wait for somebody outside need not wait any longer."""
        if failed or self.out_of_time or self.cancelled:
            self._attempts.stop()
            return True
        return self.abandoned

    def stops_back(self, failed: Mapping[str, BaseException]) -> bool:
        return bool(failed) or self.abandoned

    def stops_away(self, failed: Mapping[str, BaseException]) -> bool:
        """What cannot be deleted keeps nothing else from being deleted."""
        return self.abandoned

    @property
    def out_of_time(self) -> bool:
        return self.operation.deadline is not None and self.clock.now() >= self.operation.deadline

    def alarm(self) -> Timer | None:
        """Interrupts what waits when the time is over."""
        deadline = self.operation.deadline
        return self.clock.call_at(deadline, self._attempts.stop) if deadline is not None else None

    # --- Resources that are no part of the stack any more ---

    def leave_over(self, records: Iterable[Record]) -> Change:
        """They are to be deleted in the end; what there is no resource of is forgotten."""
        names = []
        for record in list(records):
            del self.steps.records[record.logical_id]
            if record.exists:
                self.operation.leftovers = [*self.operation.leftovers, msgspec.structs.replace(record)]
            else:
                names.append(record.logical_id)

        def forget(tx: Tx) -> None:
            for name in names:
                tx.delete(Record, *self.stack.key, name)

        return forget

    # --- From phase to phase ---

    async def turn_back(self, reason: str) -> None:
        """Forward it did not go: what was asked for in that case. `reason` may end in a space, for who asked."""
        operation, kind = self.operation, self.operation.kind
        if operation.on_failure == "DO_NOTHING":
            await self.end("CREATE_FAILED" if kind == "create" else "UPDATE_FAILED", reason.strip())
            return
        if reason.endswith(" "):
            reason += "Delete requested by user." if operation.on_failure == "DELETE" else "Rollback requested by user."
        if kind == "update":
            self._former_stack()
            await self.go_on("rollback", "UPDATE_ROLLBACK_IN_PROGRESS", reason)
        elif operation.on_failure == "DELETE":
            await self.go_on("delete", "DELETE_IN_PROGRESS", reason)
        else:
            self.stack.outputs = []
            await self.go_on("rollback", "ROLLBACK_IN_PROGRESS", reason)

    def _former_stack(self) -> None:
        former = self.operation.old_stack
        if former is not None:
            for name in _TEMPLATE_FIELDS:
                setattr(self.stack, name, getattr(former, name))

    async def go_on(self, phase: str, status: str, reason: str | None, *also: Change) -> None:
        """Raises `ValidationError` where `also` does: then nothing was committed."""
        self.operation.phase = phase
        self._attempts.resume()
        await self._note(status, reason, lambda tx: tx.put(self.operation), *also)

    async def end(self, status: str, reason: str | None, *also: Change) -> None:
        """Raises `ValidationError` where `also` does: then nothing was committed."""
        operation = self.operation

        def close(tx: Tx) -> None:
            if status in _UNFINISHED:
                tx.put(operation)
            else:
                tx.delete(Operation, *self.stack.key)
            if operation.change_set is not None:
                found = tx.get(ChangeSet, *self.stack.key, operation.change_set)
                if found is not None:
                    found.execution_status = "EXECUTE_COMPLETE" if status in _WELL else "EXECUTE_FAILED"
                    tx.put(found)

        operation.phase = DONE
        await self._note(status, reason, close, *also)

    async def _note(self, status: str, reason: str | None, *also: Change) -> None:
        former = self.stack.status, self.stack.status_reason
        self.stack.status, self.stack.status_reason = status, reason
        try:
            await self._journal.stack(self.stack, also=also)
        except ValidationError:
            self.stack.status, self.stack.status_reason = former
            raise
