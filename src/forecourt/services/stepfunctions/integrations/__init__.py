"""What Task states can do: Lambda, other AWS services, nested executions, HTTP, jobs.

`Integrations.request` performs a task's call; `watch` waits for a `.sync` job's end. Everything reaches AWS services
through the `Caller`, as the state machine's role.
"""

from __future__ import annotations

import asyncio
import re

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Resource
from forecourt.services.stepfunctions.integrations import functions, jobs, nested, optimized
from forecourt.services.stepfunctions.integrations.api_calls import ApiCalls
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.integrations.http import HttpTasks
from forecourt.services.stepfunctions.integrations.job import Job, TaskError
from forecourt.services.stepfunctions.integrations.mocks import Mocks
from forecourt.services.stepfunctions.integrations.naming import botocore_service, client_prefix

__all__ = ["Integrations", "Job", "Mocks", "TaskError", "is_repeatable", "lost_answer"]


class Integrations:
    def __init__(
        self,
        calls: ServiceCalls,
        http: HttpTasks,
        api_calls: ApiCalls,
        clock: Clock,
        finished: nested.Finished,
        mocks: Mocks,
    ) -> None:
        self._calls = calls
        self._http = http
        self._api_calls = api_calls
        self._clock = clock
        self._finished = finished
        self.mocks = mocks
        self._cancelling: set[asyncio.Task[None]] = set()

    async def request(self, job: Job) -> Data:
        """The answer of the task's call. Raises `TaskError`."""
        mocked = self.mocks.answer(job)
        if mocked is not None:
            return mocked
        try:
            return await self._request(job)
        except ServiceError as error:
            raise TaskError(error.code, error.message) from error

    async def _request(self, job: Job) -> Data:
        resource = job.resource
        if resource.kind == "lambda":
            return await functions.invoke_arn(self._calls, job)
        if not isinstance(job.arguments.value, dict):
            raise TaskError("States.Runtime", "The Parameters of a service integration must be a JSON object")
        if resource.service.startswith("aws-sdk:"):
            service = botocore_service(resource.service.removeprefix("aws-sdk:"))
            if service is None:
                raise TaskError("States.Runtime", f"The resource {resource.arn} is not supported")
            return Data(await self._calls.sdk(job, service, resource.action, job.arguments.value))
        match resource.service, resource.action:
            case "lambda", "invoke":
                return await functions.invoke(self._calls, job)
            case "states", "startExecution":
                return await nested.start(self._calls, job)
            case "apigateway", "invoke":
                return await self._api_calls.invoke(job)
            case "http", "invoke":
                return await self._http.invoke(job)
        return await optimized.call(self._calls, job)

    async def watch(self, job: Job, submitted: Data) -> Data:
        """The outcome of a `.sync` job."""
        if job.test_case and job.resource.pattern != "request" and "ExecutionArn" not in (submitted.value or {}):
            return submitted
        if job.resource.service == "states":
            from forecourt.services.stepfunctions.run.timers import execution_key

            return await nested.watch(self._finished, job, execution_key(submitted.value["ExecutionArn"]))
        return await jobs.watch(self._calls, self._clock, job, submitted)

    def abandon(self, job: Job) -> None:
        """Stops what a `.sync` task started and nobody waits for any more."""
        if job.submitted is None or not job.resource.pattern.startswith("sync"):
            return
        task = asyncio.create_task(self._abandon(job))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _abandon(self, job: Job) -> None:
        if job.resource.service != "states":
            await jobs.cancel(self._calls, job)
            return
        assert job.submitted is not None
        params = {"executionArn": job.submitted.value["ExecutionArn"]}
        try:
            await self._calls.raw(job, "stepfunctions", "StopExecution", params)
        except (ServiceError, TaskError):
            return


_READING = re.compile(r"(get|list|describe|head|query|scan|batchGet|batchDescribe|search|lookup)([A-Z]|$)")


def is_repeatable(resource: Resource) -> bool:
    """Whether doing it twice is doing it once: reading, and starting an execution under a name of the attempt's own."""
    if resource.service == "states":
        return True
    return _READING.match(resource.action) is not None


def lost_answer(resource: Resource) -> TaskError:
    """What AWS reports where a call's answer never came."""
    if resource.service == "lambda":
        return TaskError(
            "Lambda.Unknown",
            "The cause could not be determined because Lambda did not return an error type. Returned payload: null",
        )
    name = resource.service.removeprefix("aws-sdk:")
    service = botocore_service(name) or name
    try:
        prefix = client_prefix(service)
    except LookupError:
        prefix = name.capitalize()
    return TaskError(f"{prefix}.SdkClientException", "The answer of the service was lost.")
