"""Every resource type that Forecourt makes. A type that has no row here fails its stack."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from forecourt.services.cloudformation.resources.work import Handler


@functools.cache
def handlers() -> Mapping[str, Handler]:
    # Imported when a stack is first worked on: a start does not wait for it.
    from forecourt.services.cloudformation.resources import (
        apigateway,
        apigateway_stages,
        apigateway_usage,
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

    modules = (
        apigateway, apigateway_stages, apigateway_usage, cognito, dynamodb, ecr, events, functions, httpapis, iam,
        keeping, messaging, own, s3, stepfunctions, telemetry,
    )  # fmt: skip
    return {type_name: handler for module in modules for type_name, handler in module.TYPES.items()}


def find_handler(type_name: str) -> Handler | None:
    known = "AWS::CloudFormation::CustomResource" if type_name.startswith("Custom::") else type_name
    return handlers().get(known)
