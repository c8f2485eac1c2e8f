"""One thing done to one resource: made, changed, replaced, put back, deleted. Each is recorded before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from forecourt.services.cloudformation import stack_policy
from forecourt.services.cloudformation.errors import NotTried, ResourceFailed
from forecourt.services.cloudformation.model import DELETED, Operation, Record, Stack
from forecourt.services.cloudformation.plan import Action, decide
from forecourt.services.cloudformation.resources.work import Handler, Made, Work
from forecourt.services.cloudformation.run.attempt import Attempts, Step
from forecourt.services.cloudformation.run.dynamic import resolved
from forecourt.services.cloudformation.run.journal import Change, Journal
from forecourt.services.cloudformation.store import StackStore
from forecourt.services.cloudformation.template.document import dump
from forecourt.store import Tx

Properties = dict[str, Any]
_R = TypeVar("_R")

_POLICY_VERBS = {Action.UPDATE: "Update:Modify", Action.REPLACE: "Update:Replace"}
_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


class Wanted(msgspec.Struct, frozen=True):
    """A resource as its template has it now."""

    logical_id: str
    type: str
    properties: Properties
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    depends_on: list[str] = []
    metadata: str | None = None


class Steps:
    """Of one operation on one stack. `records` are its resources by logical id, and are kept up to date."""

    def __init__(
        self,
        stacks: StackStore,
        journal: Journal,
        attempts: Attempts,
        stack: Stack,
        operation: Operation,
        records: dict[str, Record],
    ) -> None:
        self._stacks = stacks
        self._journal = journal
        self._attempts = attempts
        self._stack = stack
        self._operation = operation
        self._secretive = any(value.no_echo for value in stacks.parameters(operation.parameters).values())
        self.records = records

    def attributes(self, record: Record) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._stacks.open(record.attributes)
        return found

    def properties(self, record: Record) -> Properties:
        found: Properties = self._stacks.open(record.properties)
        return found

    # --- Forward ---

    async def bring(self, wanted: Wanted) -> None:
        """Makes the resource what the template wants. Raises `ResourceFailed`."""
        record = self.records.get(wanted.logical_id)
        if record is None or not record.exists:
            await self._create(wanted, record)
            return
        old = self._stacks.open(record.aim) if record.aim else self.properties(record)
        action = decide(wanted.type, self.properties(record), wanted.properties)
        await self._require_allowed(wanted, action)
        match action:
            case Action.REPLACE:
                await self._replace(wanted, record)
            case Action.UPDATE:
                await self._update(wanted, record, self.properties(record))
            case _ if record.aim:
                await self._update(wanted, record, old)
            case _:
                await self._renote(record, wanted)

    async def _require_allowed(self, wanted: Wanted, action: Action) -> None:
        """Raises `ResourceFailed` where the stack's policy does not let the update do that."""
        verb = _POLICY_VERBS.get(action)
        if verb is None:
            return
        why = stack_policy.denied(self._operation.policy, verb, wanted.logical_id, wanted.type)
        if why is not None:
            await self.fail(wanted, why)
            raise ResourceFailed(why)

    async def _create(self, wanted: Wanted, known: Record | None) -> None:
        again = known is not None and known.status == "CREATE_IN_PROGRESS"
        record = known or self._record(wanted)
        _describe(record, wanted)
        record.type, record.status, record.status_reason = wanted.type, "CREATE_IN_PROGRESS", None
        record.physical_id, record.properties, record.attributes = None, self._stacks.seal(wanted.properties), b""
        self.records[wanted.logical_id] = record
        await self._journal.resource(self._stack, record, shown=self._shown(wanted.properties))

        async def make(handler: Handler, work: Work) -> Made:
            return await handler.create(work, await resolved(work, wanted.properties))

        made = await self._attempt(record, "CREATE_FAILED", make, again=again)
        await self._complete(record, "CREATE_COMPLETE", made, wanted.properties)

    async def _update(self, wanted: Wanted, record: Record, old: Properties) -> None:
        former = msgspec.structs.replace(record)
        _describe(record, wanted)
        record.aim = self._stacks.seal(wanted.properties)
        record.status, record.status_reason = "UPDATE_IN_PROGRESS", None
        await self._journal.resource(self._stack, record, shown=self._shown(wanted.properties))
        made = await self._changed(record, old, wanted.properties)
        also = self._left_over([former]) if made.physical_id != former.physical_id else []
        await self._complete(record, "UPDATE_COMPLETE", made, wanted.properties, also)

    async def _replace(self, wanted: Wanted, record: Record) -> None:
        again, former = record.status == "UPDATE_IN_PROGRESS", msgspec.structs.replace(record)
        _describe(record, wanted)
        record.status, record.status_reason = "UPDATE_IN_PROGRESS", _REPLACING
        await self._journal.resource(self._stack, record, shown=self._shown(wanted.properties))

        async def make(handler: Handler, work: Work) -> Made:
            return await handler.create(work, await resolved(work, wanted.properties))

        made = await self._attempt(record, "UPDATE_FAILED", make, again=again)
        await self._complete(record, "UPDATE_COMPLETE", made, wanted.properties, self._left_over([former]))

    async def _renote(self, record: Record, wanted: Wanted) -> None:
        """What is kept beside the resource itself."""
        before = msgspec.structs.replace(record)
        _describe(record, wanted)
        if record != before:
            await self._stacks.store.write(lambda tx: tx.put(record))

    # --- Back ---

    async def restore(self, former: Record) -> None:
        """Makes the resource again what it was. Raises `ResourceFailed`."""
        record = self.records.get(former.logical_id)
        if record is None or not record.exists or record.physical_id != former.physical_id:
            await self._swap_back(record, former)
            return
        reached = self._stacks.open(record.aim) if record.aim else self.properties(record)
        properties = self.properties(former)
        if reached == properties:
            if record.status != former.status:
                record.status, record.status_reason = "UPDATE_COMPLETE", None
                await self._journal.resource(self._stack, record)
            return
        record.aim, record.properties = self._stacks.seal(reached), former.properties
        record.status, record.status_reason = "UPDATE_IN_PROGRESS", None
        await self._journal.resource(self._stack, record, shown=self._shown(properties))
        made = await self._changed(record, reached, properties)
        await self._complete(record, "UPDATE_COMPLETE", made, properties)

    async def _swap_back(self, record: Record | None, former: Record) -> None:
        """The resource that was replaced is still there: it is the stack's again, and what replaced it is left over."""
        also = self._left_over([record] if record is not None and record.exists else [], back=former)
        restored = msgspec.structs.replace(former, status="UPDATE_COMPLETE", status_reason=None)
        self.records[former.logical_id] = restored
        await self._journal.resource(self._stack, restored, also=also)

    # --- Away ---

    async def delete(self, record: Record) -> None:
        """A resource of the stack, whose record stays. Raises `ResourceFailed`."""
        if not record.exists:
            return
        record.status, record.status_reason = "DELETE_IN_PROGRESS", None
        await self._journal.resource(self._stack, record)
        await self._taken_away(record, "DELETE_FAILED")
        record.status = DELETED
        await self._journal.resource(self._stack, record)

    async def skip(self, record: Record) -> None:
        """A resource of the stack that outlives it."""
        if record.exists and record.status != "DELETE_SKIPPED":
            record.status, record.status_reason = "DELETE_SKIPPED", None
            await self._journal.resource(self._stack, record)

    async def clear(self, leftover: Record) -> None:
        """A resource that is no part of the stack any more. What cannot be deleted is left alone, as AWS does."""
        leftover.status, leftover.status_reason = "DELETE_IN_PROGRESS", None
        await self._journal.aside(self._stack, leftover)
        try:
            await self._taken_away(leftover, None)
            leftover.status = DELETED
        except ResourceFailed as failure:
            leftover.status, leftover.status_reason = "DELETE_FAILED", failure.message
        await self._journal.aside(self._stack, leftover, also=[self._without(leftover)])

    async def clear_skipped(self, leftover: Record) -> None:
        leftover.status = "DELETE_SKIPPED"
        await self._journal.aside(self._stack, leftover, also=[self._without(leftover)])

    def _left_over(self, records: Sequence[Record], back: Record | None = None) -> list[Change]:
        """`records` join what is to be deleted at the end; `back` leaves it."""
        kept = [one for one in self._operation.leftovers if back is None or not _same(one, back)]
        self._operation.leftovers = [*kept, *[msgspec.structs.replace(one) for one in records]]
        return [lambda tx: tx.put(self._operation)]

    def _without(self, leftover: Record) -> Change:
        """Takes a leftover off the list; and its record away, where no resource of the stack has its place."""
        self._operation.leftovers = [one for one in self._operation.leftovers if not _same(one, leftover)]

        def change(tx: Tx) -> None:
            tx.put(self._operation)
            kept = tx.get(Record, *self._stack.key, leftover.logical_id)
            if kept is not None and _same(kept, leftover):
                tx.delete(Record, *self._stack.key, leftover.logical_id)

        return change

    async def _taken_away(self, record: Record, status: str | None) -> None:
        physical_id = record.physical_id or ""
        properties = self.properties(record)

        async def take_away(handler: Handler, work: Work) -> None:
            await handler.delete(work, physical_id, await resolved(work, properties, lenient=True))

        await self._attempt(record, status, take_away, again=True)

    # --- Attempts ---

    async def _changed(self, record: Record, old: Properties, new: Properties) -> Made:
        physical_id = record.physical_id or ""

        async def change(handler: Handler, work: Work) -> Made:
            return await handler.update(
                work, physical_id, await resolved(work, old, lenient=True), await resolved(work, new)
            )

        return await self._attempt(record, "UPDATE_FAILED", change, again=True)

    async def _attempt(self, record: Record, failed: str | None, step: Step[_R], *, again: bool) -> _R:
        """Raises `ResourceFailed`, which is recorded with the status `failed`."""
        try:
            return await self._attempts.run(record, step, again=again)
        except ResourceFailed as failure:
            if isinstance(failure, NotTried):
                record.aim = b""
            if failed is not None:
                record.status, record.status_reason = failed, failure.message
                await self._journal.resource(self._stack, record)
            raise

    async def _complete(
        self, record: Record, status: str, made: Made, properties: Properties, also: Sequence[Change] = ()
    ) -> None:
        record.physical_id = made.physical_id
        if made.attributes is not None:
            record.attributes = self._stacks.seal(made.attributes)
        record.properties, record.aim = self._stacks.seal(properties), b""
        record.status, record.status_reason = status, None
        await self._journal.resource(self._stack, record, shown=self._shown(properties), also=also)

    async def fail(self, wanted: Wanted, reason: str) -> None:
        """Records that a resource cannot be what the template wants, before anything was tried."""
        record = self.records.get(wanted.logical_id) or self._record(wanted)
        self.records[wanted.logical_id] = record
        record.status = "UPDATE_FAILED" if record.exists else "CREATE_FAILED"
        record.status_reason = reason
        await self._journal.resource(self._stack, record)

    def _record(self, wanted: Wanted) -> Record:
        account, region, uuid = self._stack.key
        return Record(
            account=account,
            region=region,
            stack=uuid,
            logical_id=wanted.logical_id,
            type=wanted.type,
            status="CREATE_IN_PROGRESS",
            updated_at=0.0,
        )

    def _shown(self, properties: Properties) -> str | None:
        return None if self._secretive else dump(properties)


def _describe(record: Record, wanted: Wanted) -> None:
    record.deletion_policy, record.update_replace_policy = wanted.deletion_policy, wanted.update_replace_policy
    record.depends_on, record.metadata = wanted.depends_on, wanted.metadata


def _same(one: Record, other: Record) -> bool:
    return (one.logical_id, one.physical_id, one.type) == (other.logical_id, other.physical_id, other.type)
