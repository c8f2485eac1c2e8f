"""Whether an event source is there, and fits the function that it is to feed: asked before a mapping is made.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: the queue's visibility timeout must not be
shorter than the function's timeout.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.services.functions.errors import InvalidParameterValueException
from forecourt.services.functions.event_sources.sqs import queue_url


async def check_source(caller: Caller, context: CallContext, arn: str, timeout: int) -> None:
    """`context` is of the account's root: what the role may do is seen when it polls. Raises
    `InvalidParameterValueException`."""
    await _CHECKS[Arn.parse(arn).service](caller, context, arn, timeout)


async def _check_queue(caller: Caller, context: CallContext, arn: str, timeout: int) -> None:
    try:
        url = await queue_url(caller, context, arn)
        params = {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}
        found = await caller.call(context, "sqs", "GetQueueAttributes", params)
    except ServiceError as error:
        raise InvalidParameterValueException(
            f"Error occurred while ReceiveMessage. SQS Error Code: {error.code}. SQS Error Message: {error.message}"
        ) from None
    visibility = int((found.get("Attributes") or {}).get("VisibilityTimeout", timeout))
    if visibility < timeout:
        raise InvalidParameterValueException(
            f"Invalid request provided: Queue visibility timeout: {visibility} seconds is less than Function timeout: "
            f"{timeout} seconds"
        )


async def _check_kinesis(caller: Caller, context: CallContext, arn: str, timeout: int) -> None:
    stream = "/".join(arn.split("/")[:2])  # without a consumer
    await _found(caller, context, arn, "kinesis", "DescribeStreamSummary", {"StreamARN": stream})


async def _check_dynamodb(caller: Caller, context: CallContext, arn: str, timeout: int) -> None:
    await _found(caller, context, arn, "dynamodbstreams", "DescribeStream", {"StreamArn": arn, "Limit": 1})


async def _found(
    caller: Caller, context: CallContext, arn: str, service: str, operation: str, params: Mapping[str, Any]
) -> None:
    try:
        await caller.call(context, service, operation, params)
    except ServiceError:
        raise InvalidParameterValueException(f"Stream not found: {arn}") from None


_CHECKS: Mapping[str, Callable[[Caller, CallContext, str, int], Awaitable[None]]] = {
    "sqs": _check_queue,
    "kinesis": _check_kinesis,
    "dynamodb": _check_dynamodb,
}
