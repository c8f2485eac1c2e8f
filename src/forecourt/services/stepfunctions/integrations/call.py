"""Calls of AWS services for a job: as its role, with AWS's names for whatever goes wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, ServiceError
from forecourt.base.ports import Credentials, RoleSessions
from forecourt.services.stepfunctions.integrations.casing import from_model, to_model
from forecourt.services.stepfunctions.integrations.job import Job, TaskError
from forecourt.services.stepfunctions.integrations.naming import (
    client_prefix,
    declared_error,
    java_name,
    operation_model,
)

_SERVICE_PRINCIPAL = "states.amazonaws.com"
# How long a role's session is used for further calls
_SESSION_SECONDS = 300.0
_MOST_SESSIONS = 1_000


class ServiceCalls:
    """The `Caller`, as a state machine's role."""

    def __init__(self, caller: Caller, roles: RoleSessions, clock: Clock) -> None:
        self.caller = caller
        self._roles = roles
        self._clock = clock
        self._sessions: dict[tuple[str, str, str], tuple[float, Any]] = {}

    async def context(self, job: Job) -> CallContext:
        """Raises `TaskError` where the role does not let Step Functions in."""
        principal = await self._principal(job)
        return CallContext(
            principal=principal,
            region=job.region,
            request_id=job.repeatable_id,
            user_agent=_SERVICE_PRINCIPAL,
            conditions={"aws:SourceArn": _machine_arn(job), "aws:SourceAccount": job.account},
        )

    async def _principal(self, job: Job) -> Any:
        key = (job.account, job.role_arn, _machine_arn(job))
        found = self._sessions.get(key)
        if found is not None and found[0] > self._clock.now():
            return found[1]
        conditions = {"aws:SourceArn": _machine_arn(job), "aws:SourceAccount": job.account}
        try:
            principal = await self._roles.principal(
                job.role_arn, job.repeatable_id.replace("-", ""), _SERVICE_PRINCIPAL, conditions
            )
        except AccessDenied as error:
            raise _not_assumed() from error
        if len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.clear()
        self._sessions[key] = (self._clock.now() + _SESSION_SECONDS, principal)
        return principal

    async def credentials(self, job: Job) -> Credentials:
        """Of the job's role, for a request that leaves the process. Raises `TaskError`."""
        conditions = {"aws:SourceArn": _machine_arn(job), "aws:SourceAccount": job.account}
        session = job.repeatable_id.replace("-", "")
        try:
            return await self._roles.assume(job.role_arn, session, _SERVICE_PRINCIPAL, conditions)
        except AccessDenied as error:
            raise _not_assumed() from error

    async def raw(self, job: Job, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters and output as the model has them. Raises `ServiceError` and `TaskError`."""
        return await self.caller.call(await self.context(job), service, operation, params)

    async def sdk(
        self, job: Job, service: str, action: str, arguments: Any, spell: Callable[[str], str] = java_name
    ) -> Any:
        """An `aws-sdk:` call: members and errors as the SDK for Java 2 names them."""
        operation = operation_model(service, action)
        if operation is None:
            raise TaskError("States.Runtime", f"The action '{action}' is not known to the service '{service}'")
        params = to_model(operation.input_shape, arguments) or {}
        try:
            output = await self.raw(job, service, operation.name, params)
        except ServiceError as error:
            raise sdk_error(service, error, job.repeatable_id) from error
        return from_model(operation.output_shape, output, spell) or {}

    def forget(self) -> None:
        self._sessions.clear()


def _not_assumed() -> TaskError:
    return TaskError(
        "States.Permissions",
        "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the "
        "provided role.",
    )


def _machine_arn(job: Job) -> str:
    return f"arn:aws:states:{job.region}:{job.account}:stateMachine:{job.machine.split('/')[0]}"


def sdk_error(service: str, error: ServiceError, request_id: str) -> TaskError:
    prefix = client_prefix(service)
    name = java_name(declared_error(service, error.code) or f"{prefix}Exception")
    ids = f"Request ID: {request_id}"
    if service == "s3":
        ids += f", Extended Request ID: {base64.b64encode(request_id.encode()).decode()}"
    return TaskError(f"{prefix}.{name}", f"{error.message} (Service: {prefix}, Status Code: {error.status}, {ids})")


_JSON = {"Content-Type": "application/x-amz-json-1.0"}

# Optimized integrations speak through the first SDK for Java: its client prefix, service name and generic exception.
_FIRST_SDK = {
    "dynamodb": ("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
    "sqs": ("SQS", "AmazonSQS", "AmazonSQSException"),
    "sns": ("SNS", "AmazonSNS", "AmazonSNSException"),
    "events": ("EventBridge", "AmazonEventBridge", "AmazonEventBridgeException"),
    "lambda": ("Lambda", "AWSLambda", "AWSLambdaException"),
    "stepfunctions": ("StepFunctions", "AWSStepFunctions", "AWSStepFunctionsException"),
    "ecs": ("ECS", "AmazonECS", "AmazonECSException"),
    "batch": ("Batch", "AWSBatch", "AWSBatchException"),
    "glue": ("Glue", "AWSGlue", "AWSGlueException"),
    "athena": ("Athena", "AmazonAthena", "AmazonAthenaException"),
    "sagemaker": ("SageMaker", "AmazonSageMaker", "AmazonSageMakerException"),
    "emr": ("ElasticMapReduce", "AmazonElasticMapReduce", "AmazonElasticMapReduceException"),
    "codebuild": ("CodeBuild", "AWSCodeBuild", "AWSCodeBuildException"),
}


def optimized_error(service: str, error: ServiceError, request_id: str) -> TaskError:
    if service not in _FIRST_SDK:
        return sdk_error(service, error, request_id)
    prefix, service_name, generic = _FIRST_SDK[service]
    name = declared_error(service, error.code) or generic
    return TaskError(
        f"{prefix}.{name}",
        f"{error.message} (Service: {service_name}; Status Code: {error.status}; Error Code: {error.code}; "
        f"Request ID: {request_id}; Proxy: null)",
    )


def with_metadata(output: Any, request_id: str, status: int = 200, headers: Mapping[str, str] = _JSON) -> Any:
    """What optimized integrations add to a result."""
    headers = {**headers, "x-amzn-RequestId": request_id}
    return {
        **output,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": status,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }
