"""Back: what was made is deleted, or everything is again what it was before the update."""

from __future__ import annotations

from forecourt.services.cloudformation.run.away import delete_all
from forecourt.services.cloudformation.run.deployment import Deployment
from forecourt.services.cloudformation.run.walk import walk


async def roll_back(deployment: Deployment) -> None:
    if deployment.operation.kind == "create":
        await _undo_creation(deployment)
    else:
        await _undo_update(deployment)


async def _undo_creation(deployment: Deployment) -> None:
    retained = ("Retain",) if not deployment.operation.retain_except_on_create else ()
    failed = await delete_all(deployment, lambda record: record.deletion_policy in retained)
    if deployment.abandoned:
        return
    if failed:
        told = f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]."
        await deployment.end("ROLLBACK_FAILED", told)
    else:
        await deployment.end("ROLLBACK_COMPLETE", None)


async def _undo_update(deployment: Deployment) -> None:
    operation, steps = deployment.operation, deployment.steps
    before = {record.logical_id: record for record in operation.before}
    names = set(before) - set(operation.retain)
    graph = {name: {other for other in before[name].depends_on if other in names} for name in names}
    failed = await walk(graph, lambda name: steps.restore(before[name]), deployment.stops_back)
    if deployment.abandoned:
        return
    if failed:
        told = f"The following resource(s) failed to update: [{', '.join(sorted(failed))}]."
        await deployment.end("UPDATE_ROLLBACK_FAILED", told)
        return
    created = [record for name, record in steps.records.items() if name not in before]
    forget = deployment.leave_over(created)
    await deployment.go_on("cleanup", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None, forget)
