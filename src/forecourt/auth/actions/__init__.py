"""From an operation to what it needs: action, resource and condition keys.

    describe("dynamodb", "GetItem", params, context) -> [Demand("dynamodb:GetItem", "arn:…:table/notes", {…}), …]

One table per service (`own`, `backing`), code where a table cannot say it (`apigateway`, `dynamodb`, `s3`). An
operation of a service that has no table cannot be granted: its demand is `authorize.UNMAPPED`, which every policy
lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from forecourt.auth.actions import backing, own
from forecourt.auth.actions.apigateway import ApiGateway
from forecourt.auth.actions.dynamodb import DynamoDb, DynamoDbStreams
from forecourt.auth.actions.kms import KMS
from forecourt.auth.actions.s3 import S3
from forecourt.auth.actions.table import Params
from forecourt.auth.policy import Deferred
from forecourt.auth.supplies import UNMAPPED
from forecourt.auth.tags import request_tags
from forecourt.base.call import CallContext, Demand

__all__ = ["SERVICES", "Demand", "describe"]


class Service(Protocol):
    @property
    def prefix(self) -> str: ...

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]: ...


# By botocore's name of the service.
SERVICES: dict[str, Service] = {
    "apigateway": ApiGateway("apigateway"),
    "apigatewayv2": ApiGateway("apigatewayv2"),
    "apigatewaymanagementapi": own.MANAGEMENT_API,
    "cognito-idp": own.COGNITO_IDP,
    "cognito-identity": own.COGNITO_IDENTITY,
    "stepfunctions": own.STATES,
    "lambda": own.LAMBDA,
    "iam": own.IAM,
    "sts": own.STS,
    "logs": own.LOGS,
    "cloudwatch": own.CLOUDWATCH,
    "pinpoint": own.PINPOINT,
    "cloudformation": own.CLOUDFORMATION,
    "dynamodb": DynamoDb(),
    "dynamodbstreams": DynamoDbStreams(),
    "s3": S3(),
    "sqs": backing.SQS,
    "sns": backing.SNS,
    "kinesis": backing.KINESIS,
    "firehose": backing.FIREHOSE,
    "secretsmanager": backing.SECRETSMANAGER,
    "events": backing.EVENTS,
    "ssm": backing.SSM,
    "scheduler": backing.SCHEDULER,
    "ecr": backing.ECR,
    "kms": KMS,
}

_LOOPBACK = ("127.", "::1", "localhost")


def describe(service: str, operation: str, params: Mapping[str, Any], context: CallContext) -> Sequence[Demand]:
    """Everything that the call needs. An empty answer: it needs no permission."""
    table = SERVICES.get(service)
    common = Deferred(lambda: circumstances(params, context))
    if table is None:
        return [Demand(UNMAPPED, f"{service}:{operation}", common)]
    return [_among(common, demand) for demand in table.demands(operation, params, context)]


def _among(common: Deferred, demand: Demand) -> Demand:
    own = demand.conditions
    return Demand(demand.action, demand.resource, Deferred(lambda: {**common, **own}) if own else common)


def circumstances(params: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """Condition keys that hold for every demand of a call."""
    # A client on this machine speaks plain HTTP to it, which nobody overhears.
    secure = context.public_url.startswith("https") or context.source_ip.startswith(_LOOPBACK)
    found: dict[str, Any] = {
        "aws:RequestedRegion": context.region,
        "aws:SecureTransport": str(secure).lower(),
        "aws:ViaAWSService": "false",
    }
    if context.source_ip:
        found["aws:SourceIp"] = context.source_ip
    if context.user_agent:
        found["aws:UserAgent"] = context.user_agent
    # One service calls for another: it is the first and the last
    if via := context.conditions.get("aws:CalledVia"):
        found |= {"aws:ViaAWSService": "true", "aws:CalledViaFirst": via, "aws:CalledViaLast": via}
    return found | dict(context.conditions) | request_tags(params)
