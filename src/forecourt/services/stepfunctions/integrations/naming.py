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
    "directoryservicedata": "ds-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelsv2": "lexv2-models",
    "lexruntimev2": "lexv2-runtime",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "simpledb": "sdb",
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


def is_sdk_name(name: str) -> bool:
    """Whether the SDK for Java 2 has a client of this name: botocore's own names are not taken."""
    service = botocore_service(name)
    if service is None:
        return False
    words = re.sub(r"[^A-Za-z0-9]", "", str(service_model(service).service_id))
    return name in ("cloudwatchevents", words.removesuffix("Service").lower())


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


# Where the SDK for Java 2 sees a word begin, in this order.
_WORDS = (
    (re.compile(r"[^A-Za-z0-9]+"), " "),
    (re.compile(r"([^a-z]{2,})v([0-9]+)"), r"\1 v\2 "),
    (re.compile(r"([^A-Z]{2,})V([0-9]+)"), r"\1 V\2 "),
    (re.compile(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])"), " "),
    (re.compile(r"([A-Z]+)([A-Z][a-z])"), r"\1 \2"),
    (re.compile(r"([0-9])([a-zA-Z])"), r"\1 \2"),
)


@functools.lru_cache(maxsize=16_384)
def java_name(name: str) -> str:
    """As the SDK for Java 2 writes a name: every word with one capital, an acronym as well (`DBInstanceArn`)."""
    if name == "NULL":
        return "Nul"  # of DynamoDB's values: `null` is a word of Java
    for between, apart in _WORDS:
        name = between.sub(apart, name)
    return "".join(word.capitalize() for word in name.split())


@functools.lru_cache(maxsize=512)
def client_prefix(service: str) -> str:
    """`dynamodb` -> `DynamoDb`: the Java client's name, which begins its errors' names."""
    return java_name(str(service_model(service).service_id))


def exception_name(code: str) -> str:
    """A declared error as the SDK for Java names its class."""
    bare = re.sub(r"[^A-Za-z0-9]", "", code.rsplit(".", 1)[-1])
    if bare.endswith("Exception"):
        return bare
    return bare.removesuffix("Fault") + "Exception"


@functools.lru_cache(maxsize=64)
def _declared_errors(service: str) -> dict[str, str]:
    """Exceptions by what a code may be: the shape's name, the code of the wire, or either with its ending changed."""
    found: dict[str, str] = {}
    for shape in service_model(service).error_shapes:
        code = str((shape.metadata.get("error") or {}).get("code", shape.name)).rsplit(".", 1)[-1]
        for known in (shape.name, code, exception_name(shape.name), exception_name(code)):
            found.setdefault(known, exception_name(shape.name))
    return found


# Codes that SQS kept from its query protocol, which its model no longer tells.
_OLDER_CODES = {"NonExistentQueue": "QueueDoesNotExist", "QueueAlreadyExists": "QueueNameExists"}


def declared_error(service: str, code: str) -> str | None:
    """The exception that a service declares, for any of its operations, for an error's code."""
    declared = _declared_errors(service)
    bare = code.rsplit(".", 1)[-1]
    return declared.get(_OLDER_CODES.get(bare, bare)) or declared.get(exception_name(bare))
