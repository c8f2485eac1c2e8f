"""Which integrations there are: what a Task's `Resource` may say after `arn:aws:states:::`.

The optimized ones with their patterns stand in a table; of `aws-sdk:` the services' own models tell.
https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
"""

from __future__ import annotations

from forecourt.services.stepfunctions.asl.machine import Resource
from forecourt.services.stepfunctions.integrations.naming import botocore_service, is_sdk_name, operation_model

# service: actions, each followed by what it can do besides answering: (s)ync, (2) sync:2, (w)aitForTaskToken
_OPTIMIZED = """
apigateway: invoke w
athena: startQueryExecution s, stopQueryExecution, getQueryExecution, getQueryResults
batch: submitJob s
bedrock: invokeModel w, createModelCustomizationJob s
codebuild: startBuild s, stopBuild, batchDeleteBuilds, batchGetReports, startBuildBatch s, retryBuildBatch s,
 stopBuildBatch, deleteBuildBatch
databrew: startJobRun s
dynamodb: getItem, putItem, updateItem, deleteItem
ecs: runTask sw
eks: call w, runJob sw, createCluster s, deleteCluster s, createNodegroup s, deleteNodegroup s, createFargateProfile s,
 deleteFargateProfile s
elasticmapreduce: createCluster s, terminateCluster s, addStep s, cancelStep, setClusterTerminationProtection,
 modifyInstanceFleetByName, modifyInstanceGroupByName
emr-containers: createVirtualCluster, deleteVirtualCluster s, startJobRun s
emr-serverless: createApplication s, startApplication s, stopApplication s, deleteApplication s, startJobRun s,
 cancelJobRun s
events: putEvents w
glue: startJobRun s
http: invoke
lambda: invoke w
mediaconvert: createJob s
sagemaker: createEndpoint, createEndpointConfig, createModel, updateEndpoint, createAutoMLJob s, createLabelingJob s,
 createHyperParameterTuningJob s, createProcessingJob s, createTrainingJob s, createTransformJob s
sns: publish w
sqs: sendMessage w
states: startExecution s2w
"""
_PATTERNS = {"s": "sync", "2": "sync:2", "w": "waitForTaskToken"}


def _read(table: str) -> dict[tuple[str, str], frozenset[str]]:
    found = {}
    for line in table.replace("\n ", " ").strip().splitlines():
        service, actions = line.split(": ")
        for action in actions.split(", "):
            name, _, letters = action.partition(" ")
            found[service, name] = frozenset({"request", *(_PATTERNS[letter] for letter in letters)})
    return found


_PATTERNS_OF = _read(_OPTIMIZED)


def is_known(resource: Resource) -> bool:
    """Whether AWS would take the resource in a definition."""
    if resource.kind != "service":
        return True
    if not resource.service.startswith("aws-sdk:"):
        return resource.pattern in _PATTERNS_OF.get((resource.service, resource.action), ())
    name = resource.service.removeprefix("aws-sdk:")
    service = botocore_service(name)
    if service is None or not is_sdk_name(name) or resource.pattern not in ("request", "waitForTaskToken"):
        return False
    return operation_model(service, resource.action) is not None
