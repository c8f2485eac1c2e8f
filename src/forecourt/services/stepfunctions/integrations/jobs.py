"""`.sync` by polling: a job is started, then described until it is over.

One row of the table per job: which call describes it, where its state stands in the answer, what ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.asl.jsonpath import MISSING, compile_path
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.integrations.casing import pascal
from forecourt.services.stepfunctions.integrations.job import Job, TaskError
from forecourt.services.stepfunctions.integrations.optimized import service_of

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class Watched(NamedTuple):
    describe: str
    params: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]  # (arguments, submitted) -> parameters
    state: str
    good: tuple[str, ...]
    bad: tuple[str, ...]
    result: str = "$"
    cancel: str = ""
    gone: bool = False  # it is over once nobody knows it any more


def _of(*path: str) -> Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]:
    """Parameters `{path[0]: submitted[path[1]]}`."""
    return lambda arguments, submitted: {path[0]: submitted.get(path[1])}


def _ecs(arguments: dict[str, Any], submitted: dict[str, Any]) -> dict[str, Any]:
    tasks = [task.get("TaskArn") for task in submitted.get("Tasks", ())]
    return {"Tasks": tasks, **({"Cluster": arguments["Cluster"]} if "Cluster" in arguments else {})}


def _given(*names: str) -> Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]:
    """Parameters of the same names as the job's own."""
    return lambda arguments, submitted: {name: arguments.get(name) for name in names}


def _sagemaker(kind: str) -> Watched:
    """Every kind of SageMaker's jobs is named, described and ended alike."""
    status = f"$.{kind}Status"
    return Watched(f"describe{kind}", _given(f"{kind}Name"), status, ("Completed",), ("Failed", "Stopped"))


_SAGEMAKER = ("TrainingJob", "TransformJob", "ProcessingJob", "HyperParameterTuningJob", "AutoMLJob", "LabelingJob")
_BUILD_FAILED = ("FAILED", "FAULT", "TIMED_OUT", "STOPPED")


def _build_batch() -> Watched:
    return Watched(
        "batchGetBuildBatches",
        lambda arguments, submitted: {"Ids": [submitted.get("BuildBatch", {}).get("Id")]},
        "$.BuildBatches[0].BuildBatchStatus",
        ("SUCCEEDED",),
        _BUILD_FAILED,
        "$.BuildBatches[0]",
    )


def _eks(describe: str, kind: str, *names: str, gone: bool = False) -> Watched:
    failed = ("DELETE_FAILED",) if gone else ("FAILED", "CREATE_FAILED")
    return Watched(describe, _given(*names), f"$.{kind}.Status", () if gone else ("ACTIVE",), failed, gone=gone)


def _application(*good: str) -> Watched:
    def params(arguments: dict[str, Any], submitted: dict[str, Any]) -> dict[str, Any]:
        return {"ApplicationId": arguments.get("ApplicationId") or submitted.get("ApplicationId")}

    return Watched("getApplication", params, "$.Application.State", good, (), gone="TERMINATED" in good)


WATCHED: dict[tuple[str, str], Watched] = {
    ("ecs", "runTask"): Watched("describeTasks", _ecs, "$.Tasks[0].LastStatus", ("STOPPED",), (), "$.Tasks[0]"),
    ("batch", "submitJob"): Watched(
        "describeJobs",
        lambda arguments, submitted: {"Jobs": [submitted.get("JobId")]},
        "$.Jobs[0].Status",
        ("SUCCEEDED",),
        ("FAILED",),
        "$.Jobs[0]",
    ),
    ("glue", "startJobRun"): Watched(
        "getJobRun",
        lambda arguments, submitted: {"JobName": arguments.get("JobName"), "RunId": submitted.get("JobRunId")},
        "$.JobRun.JobRunState",
        ("SUCCEEDED",),
        ("FAILED", "STOPPED", "TIMEOUT", "ERROR"),
        "$.JobRun",
    ),
    ("athena", "startQueryExecution"): Watched(
        "getQueryExecution",
        _of("QueryExecutionId", "QueryExecutionId"),
        "$.QueryExecution.Status.State",
        ("SUCCEEDED",),
        ("FAILED", "CANCELLED"),
        cancel="stopQueryExecution",
    ),
    ("codebuild", "startBuild"): Watched(
        "batchGetBuilds",
        lambda arguments, submitted: {"Ids": [submitted.get("Build", {}).get("Id")]},
        "$.Builds[0].BuildStatus",
        ("SUCCEEDED",),
        _BUILD_FAILED,
        "$.Builds[0]",
    ),
    ("codebuild", "startBuildBatch"): _build_batch(),
    ("codebuild", "retryBuildBatch"): _build_batch(),
    ("eks", "createCluster"): _eks("describeCluster", "Cluster", "Name"),
    ("eks", "deleteCluster"): _eks("describeCluster", "Cluster", "Name", gone=True),
    ("eks", "createNodegroup"): _eks("describeNodegroup", "Nodegroup", "ClusterName", "NodegroupName"),
    ("eks", "deleteNodegroup"): _eks("describeNodegroup", "Nodegroup", "ClusterName", "NodegroupName", gone=True),
    ("eks", "createFargateProfile"): _eks(
        "describeFargateProfile", "FargateProfile", "ClusterName", "FargateProfileName"
    ),
    ("eks", "deleteFargateProfile"): _eks(
        "describeFargateProfile", "FargateProfile", "ClusterName", "FargateProfileName", gone=True
    ),
    ("elasticmapreduce", "createCluster"): Watched(
        "describeCluster",
        _of("ClusterId", "JobFlowId"),
        "$.Cluster.Status.State",
        ("WAITING", "TERMINATED"),
        ("TERMINATED_WITH_ERRORS",),
    ),
    ("elasticmapreduce", "addStep"): Watched(
        "describeStep",
        lambda arguments, submitted: {
            "ClusterId": arguments.get("ClusterId"),
            "StepId": (submitted.get("StepIds") or [None])[0],
        },
        "$.Step.Status.State",
        ("COMPLETED",),
        ("CANCELLED", "FAILED", "INTERRUPTED"),
    ),
    ("elasticmapreduce", "terminateCluster"): Watched(
        "describeCluster",
        lambda arguments, submitted: {"ClusterId": arguments.get("ClusterId")},
        "$.Cluster.Status.State",
        ("TERMINATED", "TERMINATED_WITH_ERRORS"),
        (),
    ),
    **{("sagemaker", f"create{kind}"): _sagemaker(kind) for kind in _SAGEMAKER},
    ("mediaconvert", "createJob"): Watched(
        "getJob",
        lambda arguments, submitted: {"Id": submitted.get("Job", {}).get("Id")},
        "$.Job.Status",
        ("COMPLETE",),
        ("ERROR", "CANCELED"),
    ),
    ("emr-serverless", "startJobRun"): Watched(
        "getJobRun",
        lambda arguments, submitted: {
            "ApplicationId": arguments.get("ApplicationId"),
            "JobRunId": submitted.get("JobRunId"),
        },
        "$.JobRun.State",
        ("SUCCESS",),
        ("FAILED", "CANCELLED"),
    ),
    ("emr-serverless", "cancelJobRun"): Watched(
        "getJobRun", _given("ApplicationId", "JobRunId"), "$.JobRun.State", ("CANCELLED",), ("SUCCESS", "FAILED")
    ),
    ("emr-serverless", "createApplication"): _application("CREATED", "STARTED"),
    ("emr-serverless", "startApplication"): _application("STARTED"),
    ("emr-serverless", "stopApplication"): _application("STOPPED"),
    ("emr-serverless", "deleteApplication"): _application("TERMINATED"),
    ("emr-containers", "startJobRun"): Watched(
        "describeJobRun",
        lambda arguments, submitted: {"VirtualClusterId": arguments.get("VirtualClusterId"), "Id": submitted.get("Id")},
        "$.JobRun.State",
        ("COMPLETED",),
        ("FAILED", "CANCELLED"),
        cancel="cancelJobRun",
    ),
    ("emr-containers", "deleteVirtualCluster"): Watched(
        "describeVirtualCluster", _given("Id"), "$.VirtualCluster.State", ("TERMINATED",), ("ARRESTED",), gone=True
    ),
    ("databrew", "startJobRun"): Watched(
        "describeJobRun",
        lambda arguments, submitted: {"Name": arguments.get("Name"), "RunId": submitted.get("RunId")},
        "$.State",
        ("SUCCEEDED",),
        ("FAILED", "STOPPED", "TIMEOUT"),
    ),
    ("bedrock", "createModelCustomizationJob"): Watched(
        "getModelCustomizationJob",
        _of("JobIdentifier", "JobArn"),
        "$.Status",
        ("Completed",),
        ("Failed", "Stopped"),
    ),
}


async def watch(calls: ServiceCalls, clock: Clock, job: Job, submitted: Data) -> Data:
    """The description of the job once it is over well. Raises `TaskError` where it ended badly."""
    name, action = job.resource.service, job.resource.action
    watched = WATCHED.get((name, action))
    if watched is None:
        raise TaskError("States.Runtime", f"The resource {job.resource.arn} does not support .sync")
    params = watched.params(job.arguments.value, submitted.value)
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            answer = await calls.sdk(job, service_of(name, action), watched.describe, params, pascal)
        except TaskError as error:
            if watched.gone and error.error.endswith("NotFoundException"):
                return submitted
            raise
        state = compile_path(watched.state).find(answer)
        if state in watched.good:
            return _outcome(watched, answer)
        if state in watched.bad:
            raise TaskError("States.TaskFailed", to_text(_outcome(watched, answer).value))
        await clock.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _outcome(watched: Watched, answer: dict[str, Any]) -> Data:
    result = compile_path(watched.result).find(answer)
    failed = [
        container
        for container in (result.get("Containers", ()) if isinstance(result, dict) else ())
        if container.get("ExitCode") not in (0, None)
    ]
    if failed and watched.describe == "describeTasks":
        raise TaskError("States.TaskFailed", to_text(result))
    return Data(answer if result is MISSING else result)


async def cancel(calls: ServiceCalls, job: Job) -> None:
    """Nobody waits for the job any more: it is stopped where that is a call."""
    watched = WATCHED.get((job.resource.service, job.resource.action))
    if watched is None or not watched.cancel or job.submitted is None:
        return
    service = service_of(job.resource.service, job.resource.action)
    try:
        await calls.sdk(job, service, watched.cancel, watched.params(job.arguments.value, job.submitted.value))
    except (ServiceError, TaskError):
        return
