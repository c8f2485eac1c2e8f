"""Optimized integrations that are one call: DynamoDB, SQS, SNS, EventBridge, and the starting of jobs.

The table says which service stands behind a name; `_PREPARE` what Step Functions does to the parameters of some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.integrations.call import ServiceCalls, optimized_error, with_metadata
from forecourt.services.stepfunctions.integrations.casing import from_model, to_model
from forecourt.services.stepfunctions.integrations.job import Job, TaskError
from forecourt.services.stepfunctions.integrations.naming import operation_model

if TYPE_CHECKING:
    from botocore.model import OperationModel

# Step Functions' name -> botocore's, where they differ.
_SERVICES = {
    "elasticmapreduce": "emr",
    "states": "stepfunctions",
}
_RUNTIME_ACTIONS = {("bedrock", "invokeModel"): "bedrock-runtime"}


def service_of(name: str, action: str) -> str:
    return _RUNTIME_ACTIONS.get((name, action)) or _SERVICES.get(name, name)


def operation_of(name: str, action: str) -> OperationModel | None:
    """None where the service or the operation is unknown."""
    try:
        return operation_model(service_of(name, action), _ACTIONS.get((name, action), action))
    except LookupError:
        return None


async def call(calls: ServiceCalls, job: Job) -> Data:
    name, action = job.resource.service, job.resource.action
    service = service_of(name, action)
    operation = operation_of(name, action)
    if operation is None:
        raise TaskError("States.Runtime", f"The resource {job.resource.arn} is not supported")
    prepare = _PREPARE.get((name, action))
    arguments = prepare(job.arguments.value, job) if prepare is not None else job.arguments.value
    params = to_model(operation.input_shape, arguments) or {}
    try:
        output = await calls.raw(job, service, operation.name, params)
    except ServiceError as error:
        raise optimized_error(service, error, job.repeatable_id) from error
    result = from_model(operation.output_shape, output) or {}
    if (name, action) in _CHECK:
        _CHECK[name, action](result)
    return Data(with_metadata(result, job.repeatable_id))


# Actions whose operation has another name.
_ACTIONS = {
    ("elasticmapreduce", "createCluster"): "runJobFlow",
    ("elasticmapreduce", "terminateCluster"): "terminateJobFlows",
    ("elasticmapreduce", "addStep"): "addJobFlowSteps",
    ("elasticmapreduce", "cancelStep"): "cancelSteps",
    ("elasticmapreduce", "setClusterTerminationProtection"): "setTerminationProtection",
}


def _json_member(member: str) -> Callable[[Any, Job], Any]:
    """A member that may be any JSON here and is a string to the service."""

    def prepare(arguments: Any, job: Job) -> Any:
        value = arguments.get(member)
        return arguments if value is None or isinstance(value, str) else {**arguments, member: to_text(value)}

    return prepare


def _put_events(arguments: Any, job: Job) -> Any:
    """Detail may be an object; the execution and the machine are added to each entry's Resources."""
    machine = f"arn:aws:states:{job.region}:{job.account}:stateMachine:{job.machine.split('/')[0]}"
    entries = [
        {
            **entry,
            **({"Detail": to_text(entry["Detail"])} if not isinstance(entry.get("Detail", ""), str) else {}),
            "Resources": [*entry.get("Resources", ()), job.execution_arn, machine],
        }
        for entry in arguments.get("Entries", ())
    ]
    return {**arguments, "Entries": entries}


def _add_step(arguments: Any, job: Job) -> Any:
    return {"JobFlowId": arguments.get("ClusterId"), "Steps": [arguments.get("Step")]}


def _terminate_cluster(arguments: Any, job: Job) -> Any:
    return {"JobFlowIds": [arguments.get("ClusterId")]}


_PREPARE: dict[tuple[str, str], Callable[[Any, Job], Any]] = {
    ("sqs", "sendMessage"): _json_member("MessageBody"),
    ("sns", "publish"): _json_member("Message"),
    ("events", "putEvents"): _put_events,
    ("bedrock", "invokeModel"): _json_member("Body"),
    ("elasticmapreduce", "addStep"): _add_step,
    ("elasticmapreduce", "terminateCluster"): _terminate_cluster,
}


def _no_failed_entries(result: dict[str, Any]) -> None:
    if result.get("FailedEntryCount"):
        raise TaskError("EventBridge.FailedEntry", to_text(result.get("Entries")))


_CHECK: dict[tuple[str, str], Callable[[dict[str, Any]], None]] = {("events", "putEvents"): _no_failed_entries}
