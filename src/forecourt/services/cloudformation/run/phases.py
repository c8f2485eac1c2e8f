"""What follows what in an operation: forward, and at a failure back; then what is left over is deleted.

    create   forward -> done          | rollback -> done   | delete (OnFailure=DELETE)
    update   forward -> cleanup       | rollback -> cleanup
    delete   delete

Each phase ends by committing the next one with the stack's status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from forecourt.services.cloudformation import stack_policy
from forecourt.services.cloudformation.errors import ResourceFailed, ValidationError
from forecourt.services.cloudformation.model import DELETED, DONE, ChangeSet, Operation, Output, Record, Stack
from forecourt.services.cloudformation.resources.registry import find_handler
from forecourt.services.cloudformation.run.journal import Change, Journal
from forecourt.services.cloudformation.run.live import Live
from forecourt.services.cloudformation.run.steps import Steps
from forecourt.services.cloudformation.run.target import Target
from forecourt.services.cloudformation.run.walk import walk
from forecourt.services.cloudformation.store import StackStore, replace_exports, replace_imports
from forecourt.services.cloudformation.template.references import reverse
from forecourt.store import Tx

_KEPT = ("Retain", "RetainExceptOnCreate")


class Phases:
    def __init__(
        self,
        stacks: StackStore,
        journal: Journal,
        steps: Steps,
        stack: Stack,
        operation: Operation,
        now: Callable[[], float],
    ) -> None:
        self._stacks = stacks
        self._journal = journal
        self._steps = steps
        self._stack = stack
        self._operation = operation
        self._now = now
        self.cancelled = operation.cancelled
        # Nothing more is to be done: another operation takes over.
        self.abandoned = False

    async def run(self) -> None:
        """Until nothing is left to do."""
        phases = {
            "forward": self._forward,
            "rollback": self._roll_back,
            "cleanup": self._clean_up,
            "delete": self._delete,
        }
        while self._operation.phase != DONE and not self.abandoned:
            await phases[self._operation.phase]()

    # --- Forward ---

    async def _forward(self) -> None:
        operation = self._operation
        parameters = self._stacks.parameters(operation.parameters)
        target = Target(self._stacks, self._stack, operation.processed, parameters, operation.tags)
        try:
            present = target.scope.present()
            exports = await target.load_exports()
            live = Live(self._steps.records, self._steps.attributes)
            target.go_live(live, exports)
            if await self._refuse_unsupported(target, present):
                return
            failed = await walk(target.graph(present), lambda name: self._bring(target, name), self._stops)
            if self.abandoned:
                return
            if failed or self._out_of_time or self.cancelled:
                await self._failed_forward(failed)
                return
            outputs = target.outputs()
        except ValidationError as error:
            await self._turn_back(error.message)
            return
        await self._reached(target, outputs, present)

    async def _bring(self, target: Target, name: str) -> None:
        try:
            wanted = target.wanted(name)
        except (ValidationError, ResourceFailed) as error:
            await self._steps.fail(target.described(name), error.message)
            raise ResourceFailed(error.message) from error
        await self._steps.bring(wanted)

    async def _refuse_unsupported(self, target: Target, present: set[str]) -> bool:
        """Nothing is begun for a template that cannot be carried out."""
        types = {name: target.template.resources[name].type for name in sorted(present)}
        strange = [name for name, type_name in types.items() if find_handler(type_name) is None]
        for name in strange:
            reason = f"Resource type {types[name]} is not supported by Forecourt"
            await self._steps.fail(target.described(name), reason)
        if strange:
            await self._failed_forward(dict.fromkeys(strange, ResourceFailed("")))
        return bool(strange)

    def _stops(self, failed: Mapping[str, BaseException]) -> bool:
        return bool(failed) or self._out_of_time or self.cancelled or self.abandoned

    @property
    def _out_of_time(self) -> bool:
        return self._operation.deadline is not None and self._now() >= self._operation.deadline

    async def _failed_forward(self, failed: Mapping[str, BaseException]) -> None:
        verb = {"create": "create", "update": "update"}[self._operation.kind]
        if failed:
            await self._turn_back(f"The following resource(s) failed to {verb}: [{', '.join(sorted(failed))}]. ")
        elif self.cancelled:
            await self._turn_back("User Initiated")
        else:
            await self._turn_back("Stack creation time exceeded the specified timeout. ")

    async def _turn_back(self, reason: str) -> None:
        operation, stack = self._operation, self._stack
        if operation.on_failure == "DO_NOTHING":
            await self._end("CREATE_FAILED" if operation.kind == "create" else "UPDATE_FAILED", reason.strip())
            return
        if reason.endswith(" "):
            reason += "Delete requested by user." if operation.on_failure == "DELETE" else "Rollback requested by user."
        if operation.kind == "update":
            self._former_stack()
            await self._next("rollback", "UPDATE_ROLLBACK_IN_PROGRESS", reason)
        elif operation.on_failure == "DELETE":
            await self._next("delete", "DELETE_IN_PROGRESS", reason)
        else:
            stack.outputs = []
            await self._next("rollback", "ROLLBACK_IN_PROGRESS", reason)

    def _former_stack(self) -> None:
        former = self._operation.old_stack
        if former is not None:
            kept = {name: getattr(former, name) for name in _TEMPLATE_FIELDS}
            for name, value in kept.items():
                setattr(self._stack, name, value)

    async def _reached(self, target: Target, outputs: list[Output], present: set[str]) -> None:
        operation, stack = self._operation, self._stack
        stack.outputs = outputs
        exports = {output.export: output.value for output in outputs if output.export is not None}
        imports = set(target.imported)

        def links(tx: Tx) -> None:
            replace_exports(tx, stack, exports)
            replace_imports(tx, stack, imports)

        gone = [record for name, record in self._steps.records.items() if name not in present]
        for record in gone:
            why = stack_policy.denied(operation.policy, "Update:Delete", record.logical_id, record.type)
            if why is not None and operation.kind == "update" and record.exists:
                await self._turn_back(why)
                return
        operation.leftovers += [msgspec.structs.replace(record) for record in gone if record.exists]
        empty = [record.logical_id for record in gone if not record.exists]
        for record in gone:
            del self._steps.records[record.logical_id]

        def forget(tx: Tx) -> None:
            for name in empty:
                tx.delete(Record, *stack.key, name)

        try:
            if operation.kind == "create":
                await self._end("CREATE_COMPLETE", None, links, forget)
            else:
                await self._next("cleanup", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None, links, forget)
        except ValidationError as error:
            self._steps.records.update({record.logical_id: record for record in gone})
            operation.leftovers = [
                one for one in operation.leftovers if one.logical_id not in {r.logical_id for r in gone}
            ]
            operation.phase = "forward"
            await self._turn_back(error.message)

    # --- Back ---

    async def _roll_back(self) -> None:
        if self._operation.kind == "create":
            await self._undo_creation()
        else:
            await self._undo_update()

    async def _undo_creation(self) -> None:
        failed = await self._delete_all(lambda record: record.deletion_policy == "Retain")
        if self.abandoned:
            return
        if failed:
            told = f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]."
            await self._end("ROLLBACK_FAILED", told)
        else:
            await self._end("ROLLBACK_COMPLETE", None)

    async def _undo_update(self) -> None:
        operation, records = self._operation, self._steps.records
        before = {record.logical_id: record for record in operation.before}
        graph = {
            name: {other for other in record.depends_on if other in before}
            for name, record in before.items()
            if name not in operation.retain
        }
        graph = {name: needed & set(graph) for name, needed in graph.items()}
        failed = await walk(graph, lambda name: self._steps.restore(before[name]), self._stops_back)
        if self.abandoned:
            return
        if failed:
            told = f"The following resource(s) failed to update: [{', '.join(sorted(failed))}]."
            await self._end("UPDATE_ROLLBACK_FAILED", told)
            return
        created = [record for name, record in records.items() if name not in before]
        operation.leftovers += [msgspec.structs.replace(record) for record in created if record.exists]
        empty = [record.logical_id for record in created if not record.exists]
        for record in created:
            del records[record.logical_id]

        def forget(tx: Tx) -> None:
            for name in empty:
                tx.delete(Record, *self._stack.key, name)

        await self._next("cleanup", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None, forget)

    def _stops_back(self, failed: Mapping[str, BaseException]) -> bool:
        return bool(failed) or self.abandoned

    # --- Away ---

    async def _clean_up(self) -> None:
        back = self._stack.status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
        leftovers = {f"{n}": record for n, record in enumerate(self._operation.leftovers)}
        by_name = {name: record.logical_id for name, record in leftovers.items()}
        graph = {
            name: {other for other, logical_id in by_name.items() if logical_id in record.depends_on and other != name}
            for name, record in leftovers.items()
        }
        before = {record.logical_id for record in self._operation.before}

        async def clear(name: str) -> None:
            record = leftovers[name]
            in_place = record.logical_id in self._steps.records
            policy = record.update_replace_policy if in_place else record.deletion_policy
            created = back and (record.logical_id not in before or in_place)
            if policy in _KEPT and not (created and policy == "RetainExceptOnCreate"):
                await self._steps.clear_skipped(record)
            else:
                await self._steps.clear(record)

        await walk(reverse(graph), clear, lambda failed: self.abandoned)
        if self.abandoned:
            return
        await self._end("UPDATE_ROLLBACK_COMPLETE" if back else "UPDATE_COMPLETE", None)

    async def _delete(self) -> None:
        try:
            await self._stacks.store.write(lambda tx: replace_exports(tx, self._stack, {}))
        except ValidationError as error:
            await self._end("DELETE_FAILED", error.message)
            return
        retained = self._operation.retain
        failed = await self._delete_all(lambda record: record.deletion_policy in _KEPT or record.logical_id in retained)
        if failed:
            told = f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]. "
            await self._end("DELETE_FAILED", told)
            return
        for leftover in list(self._operation.leftovers):
            await self._steps.clear(leftover)
        self._stack.deleted_at = self._now()
        stack = self._stack

        def forget(tx: Tx) -> None:
            replace_imports(tx, stack, set())
            tx.delete_all(ChangeSet, *stack.key)

        await self._end(DELETED, None, forget)

    async def _delete_all(self, kept: Callable[[Record], bool]) -> dict[str, BaseException]:
        records = self._steps.records
        graph = {name: {other for other in record.depends_on if other in records} for name, record in records.items()}

        async def remove(name: str) -> None:
            record = records[name]
            await (self._steps.skip(record) if kept(record) else self._steps.delete(record))

        return await walk(reverse(graph), remove, lambda failed: self.abandoned)

    # --- The stack ---

    async def _next(self, phase: str, status: str, reason: str | None, *also: Change) -> None:
        self._operation.phase = phase
        await self._note(status, reason, lambda tx: tx.put(self._operation), *also)

    async def _end(self, status: str, reason: str | None, *also: Change) -> None:
        operation = self._operation

        def close(tx: Tx) -> None:
            if status in _UNFINISHED:
                tx.put(operation)
            else:
                tx.delete(Operation, *self._stack.key)
            if operation.change_set is not None:
                found = tx.get(ChangeSet, *self._stack.key, operation.change_set)
                if found is not None:
                    found.execution_status = "EXECUTE_COMPLETE" if status in _WELL else "EXECUTE_FAILED"
                    tx.put(found)

        operation.phase = DONE
        await self._note(status, reason, close, *also)

    async def _note(self, status: str, reason: str | None, *also: Change) -> None:
        former = self._stack.status, self._stack.status_reason
        self._stack.status, self._stack.status_reason = status, reason
        try:
            await self._journal.stack(self._stack, also=also)
        except ValidationError:
            self._stack.status, self._stack.status_reason = former
            raise


# What the next operation needs to know stays.
_UNFINISHED = ("CREATE_FAILED", "UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED")
_WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# What of a stack an update changes and its rollback restores
_TEMPLATE_FIELDS = (
    "template", "processed", "description", "parameters", "outputs", "tags", "capabilities", "topics", "role_arn",
    "rollback_configuration",
)  # fmt: skip
