"""Away: what is left over after an update is deleted, or the whole stack."""

from __future__ import annotations

from collections.abc import Callable

from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.model import DELETED, ChangeSet, Record
from forecourt.services.cloudformation.run.deployment import Deployment
from forecourt.services.cloudformation.run.walk import walk
from forecourt.services.cloudformation.store import replace_exports, replace_imports
from forecourt.services.cloudformation.template.references import reverse
from forecourt.store import Tx

_KEPT = ("Retain", "RetainExceptOnCreate")


async def clean_up(deployment: Deployment) -> None:
    operation, steps = deployment.operation, deployment.steps
    back = deployment.stack.status == "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    leftovers = {str(number): record for number, record in enumerate(operation.leftovers)}
    graph = {
        name: {other for other, one in leftovers.items() if one.logical_id in record.depends_on and other != name}
        for name, record in leftovers.items()
    }
    before = {record.logical_id for record in operation.before}

    async def clear(name: str) -> None:
        record = leftovers[name]
        in_place = record.logical_id in steps.records
        policy = record.update_replace_policy if in_place else record.deletion_policy
        just_made = back and (in_place or record.logical_id not in before)
        if policy == "Retain" or (policy in _KEPT and not just_made):
            await steps.clear_skipped(record)
        else:
            await steps.clear(record)

    await walk(reverse(graph), clear, deployment.stops_away)
    if not deployment.abandoned:
        await deployment.end("UPDATE_ROLLBACK_COMPLETE" if back else "UPDATE_COMPLETE", None)


async def delete(deployment: Deployment) -> None:
    stack, operation = deployment.stack, deployment.operation
    try:
        await deployment.stacks.store.write(lambda tx: replace_exports(tx, stack, {}))
    except ValidationError as error:
        await deployment.end("DELETE_FAILED", error.message)
        return
    failed = await delete_all(
        deployment, lambda record: record.deletion_policy in _KEPT or record.logical_id in operation.retain
    )
    if failed:
        told = f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]. "
        await deployment.end("DELETE_FAILED", told)
        return
    for leftover in list(operation.leftovers):
        await deployment.steps.clear(leftover)
    stack.deleted_at = deployment.clock.now()

    def forget(tx: Tx) -> None:
        replace_imports(tx, stack, set())
        tx.delete_all(ChangeSet, *stack.key)

    await deployment.end(DELETED, None, forget)


async def delete_all(deployment: Deployment, kept: Callable[[Record], bool]) -> dict[str, BaseException]:
    """The stack's resources, but those that are to be `kept`. Gives what failed."""
    records, steps = deployment.steps.records, deployment.steps
    graph = {name: {other for other in record.depends_on if other in records} for name, record in records.items()}

    async def remove(name: str) -> None:
        record = records[name]
        await (steps.skip(record) if kept(record) else steps.delete(record))

    return await walk(reverse(graph), remove, deployment.stops_away)
