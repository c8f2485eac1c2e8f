"""Whatever the model allows is answered, or refused with an error of AWS's: never a failure of ours."""

from __future__ import annotations

import contextlib
from typing import Any

import botocore.session
import pytest
from tests.functions.harness import ROLE, Lambda, zipped
from tests.wire.generate import Generator, Unsatisfiable

from forecourt import wire
from forecourt.app import implemented_operations
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.services.functions.model import CodeSigningConfig, EventSourceMapping

MODEL = botocore.session.get_session().get_service_model("lambda")
ROUNDS = 20
OPERATIONS = sorted(implemented_operations()["lambda"])
MAPPING = "00000000-0000-4000-8000-000000000000"
SIGNING = "csc-00000000000000000"
CODE = zipped({"app.py": "def handler(event, context): return event\n"})
# Their parameters contradict one another too often to be met by chance; test_operations.py has them.
NEVER_BY_CHANCE = {"CreateEventSourceMapping", "CreateFunction", "CreateFunctionUrlConfig", "UpdateFunctionCode"}
# Parameters that make a call reach further than random ones would
NEW = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": CODE}}
SENSIBLE: dict[str, list[Any]] = {
    "FunctionName": ["f", "arn:aws:lambda:us-east-1:000000000000:function:f", "g"],
    "Qualifier": ["live", "1", "$LATEST"],
    "Name": ["live", "live", "other"],
    "FunctionVersion": ["1", "$LATEST", "2"],
    "LayerName": ["l"],
    "VersionNumber": [1, 2],
    "Resource": ["arn:aws:lambda:us-east-1:000000000000:function:f"],
    "Runtime": ["python3.11", "provided"],
    "Handler": ["app.handler"],
    "Role": [ROLE],
    "Code": [{"ZipFile": CODE}],
    "ZipFile": [CODE],
    "Content": [{"ZipFile": CODE}],
    "PackageType": ["Zip"],
    "Timeout": [3],
    "MemorySize": [256],
    "Payload": [b"{}", b"1"],
    "RevisionId": [None],
    "Marker": [None],
    "Environment": [{"Variables": {"A": "1"}}],
    "EventSourceArn": ["arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:kinesis:us-east-1:000000000000:stream/s"],
    "Enabled": [False],
    "UUID": [MAPPING],
    "Principal": ["*", "apigateway.amazonaws.com"],
    "StatementId": ["s", "t", "s"],
    "S3Bucket": [None],
    "S3Key": [None],
    "S3ObjectVersion": [None],
    "ImageUri": [None],
    "InvokeArgs": [b"{}"],
    "CodeSigningConfigArn": [f"arn:aws:lambda:us-east-1:000000000000:code-signing-config:{SIGNING}"],
    "Arn": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"],
    "Layers": [[]],
    "StartingPosition": ["LATEST", None],
    "InvocationType": ["RequestResponse", "Event", "DryRun"],
    "ClientContext": [None],
    "AdditionalVersionWeights": [{}],
    "RoutingConfig": [None],
    "LoggingConfig": [{"LogFormat": "JSON"}],
}


async def prepare(functions: Lambda) -> None:
    """Something for every operation to find; what is there from an earlier round stays."""
    url = {"FunctionName": "f", "AuthType": "NONE"}
    permission = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}
    provisioned = {"Qualifier": "live", "ProvisionedConcurrentExecutions": 1}
    for operation, params in (
        ("CreateFunction", {**NEW, "FunctionName": "f", "Publish": True}),
        ("CreateAlias", {"FunctionName": "f", "Name": "live", "FunctionVersion": "1"}),
        ("PublishLayerVersion", {"LayerName": "l", "Content": {"ZipFile": CODE}}),
        ("PutFunctionEventInvokeConfig", {"FunctionName": "f", "MaximumRetryAttempts": 1}),
        ("PutProvisionedConcurrencyConfig", {"FunctionName": "f", **provisioned}),
        ("CreateFunctionUrlConfig", url),
        ("AddPermission", {"FunctionName": "f", **permission}),
        ("AddLayerVersionPermission", {"LayerName": "l", "VersionNumber": 1, **permission}),
    ):
        with contextlib.suppress(ServiceError):
            await functions.call(operation, **params)
    mapping = EventSourceMapping(
        account="000000000000", region="us-east-1", uuid=MAPPING, name="f", qualifier="", enabled=False,
        source_arn="arn:aws:sqs:us-east-1:000000000000:q0",
    )  # fmt: skip
    signing = CodeSigningConfig(
        account="000000000000", region="us-east-1", id=SIGNING, description="", publishers=[], policy="Warn",
        last_modified="",
    )  # fmt: skip
    await functions.functions._store.write(lambda tx: (tx.put(mapping), tx.put(signing)))


def parameters(operation: str, round: int) -> dict[str, Any]:
    """Required ones and all sensible where they can be; then ever more at random."""
    generator = Generator(f"{operation}-{round}")
    shape = MODEL.operation_model(operation).input_shape
    if shape is None:
        return {}
    params: dict[str, Any] = generator.value(shape) if round % 2 else generator.required(shape)
    for name, values in SENSIBLE.items():
        if (name in params or round % 2) and name in shape.members and generator.random.random() < 1 - round / ROUNDS:
            params[name] = generator.random.choice(values)
    return {name: value for name, value in params.items() if value is not None}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_answers_or_refuses(functions: Lambda, operation: str) -> None:
    answered = 0
    for round in range(ROUNDS):
        await prepare(functions)
        try:
            params = parameters(operation, round)
            wire.check("lambda", operation, params)
        except (Unsatisfiable, ServiceError):
            continue
        answered += await answers(functions, operation, params)
    assert answered or operation in NEVER_BY_CHANCE


async def answers(functions: Lambda, operation: str, params: dict[str, Any]) -> bool:
    """Whether it did; a refusal is one of AWS's, and an answer can be put on the wire."""
    try:
        result = await functions.call(operation, **params)
    except ServiceError as error:
        refused = error
    else:
        target = wire.Target(service="lambda", operation=operation, protocol="rest-json", region="us-east-1")
        wire.encode(target, result, Ids().uuid())
        return True
    assert refused.status != 500, (operation, params)
    return False
