"""EventBridge Scheduler: a schedule calls its target, as its role.

A target is one of the templated ones (a function, a queue, a topic, a state machine, a bus, a stream) or any operation
of AWS (`arn:aws:scheduler:::aws-sdk:dynamodb:putItem`, the input being its parameters). A flexible time window is fired
at its beginning.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from forecourt.base.arn import Arn
from forecourt.base.call import Caller
from forecourt.base.errors import ServiceError
from forecourt.services.backing.deliveries import Courier, Delivery, parcel
from forecourt.services.backing.errors import InvalidRequest
from forecourt.services.backing.last_resorts import last_resorts
from forecourt.services.backing.message import Request
from forecourt.services.backing.rules import AsRoot
from forecourt.services.backing.schedules import Change, Planned

_ANY_OPERATION = "aws-sdk:"
# The SDK's names of services where they are not botocore's
_SDK_NAMES = {
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "cognitoidentity": "cognito-identity",
}
Call = tuple[str, str, dict[str, Any]]


class Scheduler:
    """`schedules` is the embedded Scheduler."""

    def __init__(self, schedules: Caller, courier: Courier, as_root: AsRoot) -> None:
        self._schedules = schedules
        self._courier = courier
        self._as_root = as_root

    def concerns(self, request: Request) -> bool:
        return request.service == "scheduler" and request.method in ("POST", "PUT", "DELETE")

    async def look(self, request: Request, minute: int) -> Change:
        kind, _, name = request.raw_path.decode().strip("/").partition("/")
        of_region = f"arn:aws:scheduler:{request.region}:{request.account}:schedule"
        if kind == "schedule-groups":
            return Change(lambda old: old.arn.startswith(f"{of_region}/{unquote(name)}/"), ())
        if kind != "schedules":
            return Change(lambda old: False, ())
        group, name = _group(request), unquote(name)
        found = await self._get(request.account, request.region, group, name)
        enabled = found.get("State") == "ENABLED"
        planned = [_planned(request, found, minute)] if enabled else []
        return Change(lambda old: old.arn == f"{of_region}/{group}/{name}", planned)

    async def fire(self, planned: Planned, minute: int) -> None:
        group, name = planned.arn.split("/")[1:]
        found = await self._get(planned.account, planned.region, group, name)
        if not found:
            return
        service, operation, params = call_of(found, planned, minute)
        delivery = Delivery(
            account=planned.account,
            region=Arn.parse(found["Target"]["Arn"]).region or planned.region,
            source="scheduler",
            source_arn=planned.arn,
            service=service,
            operation=operation,
            params=params,
            role_arn=found["Target"]["RoleArn"],
            at=minute * 60,
            **last_resorts(found["Target"], str(found["Target"].get("Input", "")), _said_of(planned, found, minute)),
        )
        handed_on = parcel([delivery])
        await self._courier.keep(handed_on)
        self._courier.take(handed_on)
        if planned.expression.startswith("at(") and found.get("ActionAfterCompletion") == "DELETE":
            context = self._as_root(planned.account, planned.region)
            await self._schedules.call(context, "scheduler", "DeleteSchedule", {"Name": name, "GroupName": group})

    async def _get(self, account: str, region: str, group: str, name: str) -> dict[str, Any]:
        """Empty where it is no more."""
        try:
            named = {"Name": name, "GroupName": group}
            return await self._schedules.call(self._as_root(account, region), "scheduler", "GetSchedule", named)
        except ServiceError as error:
            if error.code == "ResourceNotFoundException":
                return {}
            raise


def call_of(schedule: Mapping[str, Any], planned: Planned, minute: int) -> Call:
    """What a schedule's target is called with. Raises `InvalidRequest`. Pure."""
    target: Mapping[str, Any] = schedule["Target"]
    at = _time(minute)
    text = str(target.get("Input") or _default_input(planned, at))
    for name, value in (("schedule-arn", planned.arn), ("scheduled-time", at), ("attempt-number", "1")):
        text = text.replace(f"<aws.scheduler.{name}>", value)
    arn = Arn.parse(target["Arn"])
    if arn.service == "scheduler" and arn.resource.startswith(_ANY_OPERATION):
        return _any_operation(arn.resource.removeprefix(_ANY_OPERATION), text)
    template = _TEMPLATES.get(arn.service)
    if template is None:
        raise InvalidRequest(f"Forecourt's Scheduler does not know targets of {arn.service}.")
    return template(arn, target, text)


def _time(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _said_of(planned: Planned, schedule: Mapping[str, Any], minute: int) -> dict[str, str]:
    """The attributes of a dead letter that only the Scheduler knows."""
    return {
        "SCHEDULE_ARN": planned.arn,
        "TARGET_ARN": schedule["Target"]["Arn"],
        "SCHEDULED_TIME": _time(minute),
        "IS_PAYLOAD_TRUNCATED": "false",
    }


def _planned(request: Request, schedule: Mapping[str, Any], minute: int) -> Planned:
    start, end = (_epoch(schedule.get(member)) for member in ("StartDate", "EndDate"))
    return Planned(
        account=request.account,
        region=request.region,
        arn=schedule["Arn"],
        expression=schedule["ScheduleExpression"],
        since=int(start // 60) - 1 if start else minute,
        zone=schedule.get("ScheduleExpressionTimezone") or "UTC",
        start=start,
        end=end,
        late_seconds=last_resorts(schedule["Target"], "", {})["retry"].age_seconds,
    )


def _epoch(at: Any) -> float:
    return at.timestamp() if isinstance(at, datetime) else float(at or 0)


def _group(request: Request) -> str:
    if request.method == "DELETE":
        return parse_qs(request.query_string.decode()).get("groupName", ["default"])[0]
    return str(json.loads(request.body or b"{}").get("GroupName") or "default")


def _default_input(planned: Planned, at: str) -> str:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html"""
    return json.dumps({
        "version": "0", "id": "", "detail-type": "Scheduled Event", "source": "aws.scheduler",
        "account": planned.account, "time": at, "region": planned.region, "resources": [planned.arn], "detail": "{}",
    })  # fmt: skip


def _any_operation(named: str, text: str) -> Call:
    service, _, operation = named.partition(":")
    try:
        params = json.loads(text)
    except ValueError:
        raise InvalidRequest("The input of the schedule's target is not JSON.") from None
    return _SDK_NAMES.get(service, service), operation[:1].upper() + operation[1:], params


def _function(arn: Arn, _: Mapping[str, Any], text: str) -> Call:
    return "lambda", "Invoke", {"FunctionName": str(arn), "InvocationType": "Event", "Payload": text.encode()}


def _queue(arn: Arn, target: Mapping[str, Any], text: str) -> Call:
    url = f"http://localhost:4566/{arn.account}/{arn.resource}"
    return "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": text, **target.get("SqsParameters", {})}


def _topic(arn: Arn, _: Mapping[str, Any], text: str) -> Call:
    return "sns", "Publish", {"TopicArn": str(arn), "Message": text}


def _machine(arn: Arn, _: Mapping[str, Any], text: str) -> Call:
    return "stepfunctions", "StartExecution", {"stateMachineArn": str(arn), "input": text}


def _bus(arn: Arn, target: Mapping[str, Any], text: str) -> Call:
    said = target.get("EventBridgeParameters", {})
    entry = {"Source": said.get("Source"), "DetailType": said.get("DetailType"), "Detail": text}
    return "events", "PutEvents", {"Entries": [{**entry, "EventBusName": str(arn)}]}


def _stream(arn: Arn, target: Mapping[str, Any], text: str) -> Call:
    key = target.get("KinesisParameters", {}).get("PartitionKey", "schedule")
    name = arn.resource.removeprefix("stream/")
    return "kinesis", "PutRecord", {"StreamName": name, "Data": text.encode(), "PartitionKey": key}


def _firehose(arn: Arn, _: Mapping[str, Any], text: str) -> Call:
    name = arn.resource.removeprefix("deliverystream/")
    return "firehose", "PutRecord", {"DeliveryStreamName": name, "Record": {"Data": text.encode()}}


_TEMPLATES: Mapping[str, Callable[[Arn, Mapping[str, Any], str], Call]] = {
    "lambda": _function,
    "sqs": _queue,
    "sns": _topic,
    "states": _machine,
    "events": _bus,
    "kinesis": _stream,
    "firehose": _firehose,
}
