"""Forward: the stack's resources become what the template wants."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.cloudformation import stack_policy
from forecourt.services.cloudformation.errors import ResourceFailed, ValidationError
from forecourt.services.cloudformation.model import Output
from forecourt.services.cloudformation.resources.registry import find_handler
from forecourt.services.cloudformation.run.deployment import Deployment
from forecourt.services.cloudformation.run.live import Live
from forecourt.services.cloudformation.run.target import Target
from forecourt.services.cloudformation.run.walk import walk
from forecourt.services.cloudformation.store import replace_exports, replace_imports
from forecourt.store import Tx


async def forward(deployment: Deployment) -> None:
    operation = deployment.operation
    alarm = deployment.alarm()
    try:
        parameters = deployment.stacks.parameters(operation.parameters)
        target = Target(deployment.stacks, deployment.stack, operation.processed, parameters, operation.tags)
        exports = await target.load_exports()
        target.go_live(Live(deployment.steps.records, deployment.steps.attributes), exports)
        failed = await _refused(deployment, target)
        if not failed:
            failed = await walk(target.graph, lambda name: _bring(deployment, target, name), deployment.stops)
        if deployment.abandoned:
            return
        if failed or deployment.out_of_time or deployment.cancelled:
            await deployment.turn_back(_why(deployment, failed))
            return
        await _reached(deployment, target, target.outputs())
    except ValidationError as error:
        await deployment.turn_back(error.message)
    finally:
        if alarm is not None:
            alarm.cancel()


async def _refused(deployment: Deployment, target: Target) -> dict[str, BaseException]:
    """Nothing is begun for a template that cannot be carried out."""
    found: dict[str, BaseException] = {}
    for name in sorted(target.present):
        type_name = target.template.resources[name].type
        if find_handler(type_name) is None:
            reason = f"Resource type {type_name} is not supported by Forecourt"
            await deployment.steps.fail(target.described(name), reason)
            found[name] = ResourceFailed(reason)
    return found


async def _bring(deployment: Deployment, target: Target, name: str) -> None:
    try:
        wanted = target.wanted(name)
    except (ValidationError, ResourceFailed) as error:
        await deployment.steps.fail(target.described(name), error.message)
        raise ResourceFailed(error.message) from error
    await deployment.steps.bring(wanted)


def _why(deployment: Deployment, failed: Mapping[str, BaseException]) -> str:
    if deployment.cancelled:
        return "User Initiated"
    if deployment.out_of_time:
        return "Stack creation time exceeded the specified timeout. "
    return f"The following resource(s) failed to {deployment.operation.kind}: [{', '.join(sorted(failed))}]. "


async def _reached(deployment: Deployment, target: Target, outputs: list[Output]) -> None:
    """Raises `ValidationError` where another stack has an export of the name, or uses one that would go."""
    stack, operation, records = deployment.stack, deployment.operation, deployment.steps.records
    exports = {output.export: output.value for output in outputs if output.export is not None}

    def links(tx: Tx) -> None:
        replace_exports(tx, stack, exports)
        replace_imports(tx, stack, target.imported)

    gone = [record for name, record in records.items() if name not in target.present]
    for record in gone:
        why = stack_policy.denied(operation.policy, "Update:Delete", record.logical_id, record.type)
        if why is not None and record.exists:
            raise ValidationError(why)
    stack.outputs = outputs
    before, forget = operation.leftovers, deployment.leave_over(gone)
    try:
        if operation.kind == "create":
            await deployment.end("CREATE_COMPLETE", None, links, forget)
        else:
            await deployment.go_on("cleanup", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None, links, forget)
    except ValidationError:
        records.update({record.logical_id: record for record in gone})
        operation.leftovers, operation.phase = before, "forward"
        raise
