"""Where the outcome of an asynchronous invocation goes: destinations and dead-letter queues.

A destination gets a record of request and response; a dead-letter queue gets the event itself, with what went wrong as
message attributes.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.services.functions.invoker import Invoked
from forecourt.services.functions.runtime.messages import Failure

_log = logging.getLogger("forecourt.functions")
Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an asynchronous invocation ended. `invoked` is None where it was given up before it ran."""

    request_id: str
    function_arn: str
    payload: bytes
    condition: Condition
    invoke_count: int
    invoked: Invoked | None

    @property
    def succeeded(self) -> bool:
        return self.condition == "Success"


def record(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The document that a destination receives. Pure."""
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "requestContext": {
            "requestId": outcome.request_id,
            "functionArn": outcome.function_arn,
            "condition": outcome.condition,
            "approximateInvokeCount": outcome.invoke_count,
        },
        "requestPayload": _json(outcome.payload),
    }
    if outcome.invoked is not None:
        failed = {"functionError": "Unhandled"} if isinstance(outcome.invoked.result, Failure) else {}
        document["responseContext"] = {
            "statusCode": 200,
            "executedVersion": outcome.invoked.executed_version,
            **failed,
        }
        document["responsePayload"] = _json(outcome.invoked.result.payload)
    return document


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")


class Destinations:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._send: Mapping[str, Callable[[CallContext, Arn, dict[str, Any]], Awaitable[Any]]] = {
            "sqs": self._sqs,
            "sns": self._sns,
            "lambda": self._lambda,
            "events": self._events,
            "s3": self._s3,
        }

    async def send(self, context: CallContext, arn: str, document: dict[str, Any]) -> None:
        """A destination that can't be reached is logged: the event is lost, as on AWS."""
        try:
            target = Arn.parse(arn)
            await self._send[target.service](context, target, document)
        except (ServiceError, KeyError, ValueError) as error:
            _log.warning("The destination %s did not take a record: %s", arn, error)

    async def send_dead_letter(self, context: CallContext, arn: str, outcome: Outcome) -> None:
        message = json.dumps(_json(outcome.invoked.result.payload)) if outcome.invoked is not None else ""
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": outcome.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": message[:1024] or outcome.condition},
        }
        body = outcome.payload.decode("utf-8", "replace")
        try:
            target = Arn.parse(arn)
            if target.service == "sqs":
                params = {"QueueUrl": await self._queue_url(context, target), "MessageBody": body}
                await self._caller.call(context, "sqs", "SendMessage", {**params, "MessageAttributes": attributes})
            else:
                params = {"TopicArn": str(target), "Message": body}
                await self._caller.call(context, "sns", "Publish", {**params, "MessageAttributes": attributes})
        except (ServiceError, ValueError) as error:
            _log.warning("The dead-letter queue %s did not take an event: %s", arn, error)

    async def _queue_url(self, context: CallContext, arn: Arn) -> str:
        params = {"QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account}
        return str((await self._caller.call(context, "sqs", "GetQueueUrl", params))["QueueUrl"])

    async def _sqs(self, context: CallContext, arn: Arn, document: dict[str, Any]) -> None:
        url = await self._queue_url(context, arn)
        await self._caller.call(context, "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": json.dumps(document)})

    async def _sns(self, context: CallContext, arn: Arn, document: dict[str, Any]) -> None:
        await self._caller.call(context, "sns", "Publish", {"TopicArn": str(arn), "Message": json.dumps(document)})

    async def _lambda(self, context: CallContext, arn: Arn, document: dict[str, Any]) -> None:
        params = {"FunctionName": str(arn), "InvocationType": "Event", "Payload": json.dumps(document).encode()}
        await self._caller.call(context, "lambda", "Invoke", params)

    async def _events(self, context: CallContext, arn: Arn, document: dict[str, Any]) -> None:
        function = document["requestContext"]["functionArn"]
        outcome = "Success" if document["requestContext"]["condition"] == "Success" else "Failure"
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {outcome}",
            "Detail": json.dumps(document),
            "EventBusName": str(arn),
            "Resources": [str(arn), function],
        }
        await self._caller.call(context, "events", "PutEvents", {"Entries": [entry]})

    async def _s3(self, context: CallContext, arn: Arn, document: dict[str, Any]) -> None:
        request = document["requestContext"]
        name = Arn.parse(request["functionArn"]).resource.split(":")[1]
        day = document["timestamp"][:10].replace("-", "/")
        key = f"aws/lambda/async/{name}/{day}/{document['timestamp']}-{request['requestId']}"
        body = json.dumps(document).encode()
        await self._caller.call(context, "s3", "PutObject", {"Bucket": arn.resource, "Key": key, "Body": body})
