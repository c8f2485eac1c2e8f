"""Every resource type that Forecourt makes. A type that has no row here fails its stack."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.cloudformation.resources import (
    apigateway,
    cognito,
    dynamodb,
    ecr,
    events,
    functions,
    httpapis,
    iam,
    keeping,
    messaging,
    own,
    s3,
    stepfunctions,
    telemetry,
)
from forecourt.services.cloudformation.resources.work import Handler

TYPES: Mapping[str, Handler] = {
    **apigateway.TYPES,
    **cognito.TYPES,
    **dynamodb.TYPES,
    **ecr.TYPES,
    **events.TYPES,
    **functions.TYPES,
    **httpapis.TYPES,
    **iam.TYPES,
    **keeping.TYPES,
    **messaging.TYPES,
    **own.TYPES,
    **s3.TYPES,
    **stepfunctions.TYPES,
    **telemetry.TYPES,
}


def waits(handler: Handler) -> bool:
    """Whether a step of it may wait for somebody outside, and may be interrupted then."""
    return isinstance(handler, own.CustomResource | own.WaitCondition)


def find_handler(type_name: str) -> Handler | None:
    return own.CUSTOM if type_name.startswith("Custom::") else TYPES.get(type_name)
