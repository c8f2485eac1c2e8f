"""Names of services, operations and errors, as Step Functions writes them.

`aws-sdk:<service>` uses the names of the AWS SDK for Java 2: `sfn`, `cloudwatchlogs`, `dynamodb`. Most are botocore's
names without hyphens; the others stand in a table. Errors are `<Client>.<Exception>`: `DynamoDb.…`, `S3.…`, `Sfn.…`.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

# SDK for Java 2 -> botocore, where they differ by more than hyphens.
_DIFFERENT = {
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "cloudwatchevents": "events",
    "cognitoidentityprovider": "cognito-idp",
    "cognitoidentity": "cognito-identity",
    "cognitosync": "cognito-sync",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "databasemigration": "dms",
    "costexplorer": "ce",
    "costandusagereport": "cur",
    "directory": "ds",
    "applicationdiscovery": "discovery",
    "lexmodelbuilding": "lex-models",
    "lexruntime": "lex-runtime",
    "iotdataplane": "iot-data",
    "elasticsearch": "es",
    "sagemakera2iruntime": "sagemaker-a2i-runtime",
    "serverlessapplicationrepository": "serverlessrepo",
    "transcribestreaming": "transcribe",
    "waf": "waf",
    "configservice": "config",
    "applicationinsights": "application-insights",
    "autoscalingplans": "autoscaling-plans",
    "efs": "efs",
    "accessanalyzer": "accessanalyzer",
}


@functools.lru_cache(maxsize=1)
def _loader() -> Any:
    # Imported when first asked for: a start does not wait for it.
    import botocore.session

    return botocore.session.get_session()


@functools.lru_cache(maxsize=1)
def _by_plain_name() -> dict[str, str]:
    return {name.replace("-", ""): name for name in _loader().get_available_services()}


def botocore_service(sdk_name: str) -> str | None:
    """botocore's name of a service, None where nobody knows it."""
    return _DIFFERENT.get(sdk_name) or _by_plain_name().get(sdk_name)


@functools.lru_cache(maxsize=64)
def service_model(service: str) -> ServiceModel:
    """Raises `LookupError` for an unknown service."""
    from botocore.exceptions import UnknownServiceError

    try:
        model: ServiceModel = _loader().get_service_model(service)
    except UnknownServiceError as error:
        raise LookupError(service) from error
    return model


def operation_model(service: str, action: str) -> OperationModel | None:
    """`putItem` -> PutItem; None where the service has no such operation."""
    model = service_model(service)
    name = action[0].upper() + action[1:]
    if name in model.operation_names:
        return model.operation_model(name)
    # Acronyms: `describeDBInstances`, `listMFADevices`
    folded = next((known for known in model.operation_names if known.lower() == name.lower()), None)
    return model.operation_model(folded) if folded else None


@functools.lru_cache(maxsize=256)
def client_prefix(service: str) -> str:
    """`dynamodb` -> `DynamoDb`: the Java client's name, which begins its errors' names."""
    service_id = str(service_model(service).service_id)
    words = re.split(r"[^A-Za-z0-9]+", service_id)
    return "".join(_java_case(word) for word in words if word)


def _java_case(word: str) -> str:
    lowered = re.sub(r"([A-Z])([A-Z]+)(?![a-z])", lambda run: run[1] + run[2].lower(), word)
    return lowered[0].upper() + lowered[1:]


def exception_name(code: str) -> str:
    """A modeled error's code as the SDK for Java names its class."""
    bare = re.sub(r"[^A-Za-z0-9]", "", code.rsplit(".", 1)[-1])
    for ending in ("Exception", "Error", "Fault"):
        if bare.endswith(ending):
            return bare[: -len(ending)] + "Exception"
    return bare + "Exception"


def is_modeled(operation: OperationModel, code: str) -> bool:
    """Whether the operation declares an error of this code."""
    bare = code.rsplit(".", 1)[-1]
    for shape in operation.error_shapes:
        declared = (shape.metadata.get("error") or {}).get("code")
        if bare in (shape.name, declared) or exception_name(shape.name) == exception_name(bare):
            return True
    return False
