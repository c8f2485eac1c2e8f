"""Who is told when an alarm changes its state: topics and functions; EventBridge always.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import Principal, root, service
from forecourt.services.cloudwatch.alarms.model import Alarm
from forecourt.services.cloudwatch.alarms.points import metric_stat

_log = logging.getLogger("forecourt.cloudwatch")

_ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
_TRIGGER = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Unit", "Period", "EvaluationPeriods",
            "DatapointsToAlarm", "ComparisonOperator", "Threshold", "TreatMissingData")  # fmt: skip
# The target, the alarm as it was and as it is.
Perform = Callable[[str, Alarm, Alarm], Awaitable[None]]


class Actions:
    def __init__(self, caller: Caller, ids: Ids) -> None:
        self._caller = caller
        self._ids = ids
        self._perform: Mapping[str, Perform] = {"sns": self._publish, "lambda": self._invoke}

    async def perform(self, before: Alarm, alarm: Alarm) -> None:
        """`alarm` has just left the state that it had in `before`. What can't be told is logged."""
        targets = alarm.settings.get(_ACTIONS[alarm.state], ()) if alarm.actions_enabled else ()
        await self._try(self._put_event, "EventBridge", before, alarm)
        for arn in targets:
            perform = self._perform.get(arn.split(":")[2])
            if perform is None:
                _log.warning("the alarm %s has an action that Forecourt does not know: %s", alarm.name, arn)
            else:
                await self._try(perform, arn, before, alarm)

    async def _try(self, perform: Perform, target: str, before: Alarm, alarm: Alarm) -> None:
        try:
            await perform(target, before, alarm)
        except ServiceError as error:
            _log.warning("the alarm %s could not tell %s: %s", alarm.name, target, error)

    def _context(self, alarm: Alarm, principal: Principal) -> CallContext:
        return CallContext(
            principal=principal,
            region=alarm.region,
            request_id=self._ids.uuid(),
            conditions={"aws:SourceArn": alarm.arn, "aws:SourceAccount": alarm.account},
        )

    async def _publish(self, arn: str, before: Alarm, alarm: Alarm) -> None:
        params = {
            "TopicArn": arn,
            "Subject": f'{alarm.state}: "{alarm.name}" in {alarm.region}'[:100],
            "Message": json.dumps(notification(before, alarm)),
        }
        context = self._context(alarm, service("cloudwatch.amazonaws.com", alarm.account))
        await self._caller.call(context, "sns", "Publish", params)

    async def _invoke(self, arn: str, before: Alarm, alarm: Alarm) -> None:
        event = {
            "source": "aws.cloudwatch",
            "alarmArn": alarm.arn,
            "accountId": alarm.account,
            "time": _iso(alarm.transitioned_at),
            "region": alarm.region,
            "alarmData": alarm_data(before, alarm),
        }
        params = {"FunctionName": arn, "InvocationType": "Event", "Payload": json.dumps(event).encode()}
        context = self._context(alarm, service("lambda.alarms.cloudwatch.amazonaws.com", alarm.account))
        await self._caller.call(context, "lambda", "Invoke", params)

    async def _put_event(self, _: str, before: Alarm, alarm: Alarm) -> None:
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Resources": [alarm.arn],
            "Detail": json.dumps(alarm_data(before, alarm)),
        }
        # A service's own events go to the bus without a permission.
        await self._caller.call(self._context(alarm, root(alarm.account)), "events", "PutEvents", {"Entries": [entry]})


def notification(before: Alarm, alarm: Alarm) -> dict[str, Any]:
    """What a topic is told. Pure."""
    settings = alarm.settings
    trigger = {name: settings[name] for name in _TRIGGER if name in settings}
    dimensions = [{"name": one["Name"], "value": one["Value"]} for one in settings.get("Dimensions", ())]
    metrics = {"Metrics": settings["Metrics"]} if "Metrics" in settings else {"Dimensions": dimensions}
    of_kind: dict[str, Any] = {"Trigger": {**trigger, **metrics}}
    if alarm.rule:
        of_kind = {"AlarmRule": alarm.rule, "TriggeringChildren": _triggering(alarm)}
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": settings.get("AlarmDescription"),
        "AWSAccountId": alarm.account,
        "AlarmConfigurationUpdatedTimestamp": _iso(alarm.configured_at),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": _iso(alarm.transitioned_at),
        "Region": alarm.region,
        "AlarmArn": alarm.arn,
        "OldStateValue": before.state,
        **{member: settings.get(member, []) for member in _ACTIONS.values()},
        **of_kind,
    }


def _triggering(alarm: Alarm) -> list[dict[str, Any]]:
    known = json.loads(alarm.reason_data or "{}").get("triggeringAlarms", ())
    return [
        {"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}}
        for child in known
    ]


def alarm_data(before: Alarm, alarm: Alarm) -> dict[str, Any]:
    """What a function and EventBridge are told. Pure."""
    return {
        "alarmName": alarm.name,
        "state": _state(alarm),
        "previousState": _state(before),
        "configuration": _configuration(alarm.settings),
    }


def _state(alarm: Alarm) -> dict[str, str]:
    state = {"value": alarm.state, "reason": alarm.reason, "timestamp": _iso(alarm.updated_at)}
    return state | ({"reasonData": alarm.reason_data} if alarm.reason_data else {})


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    said = {"description": settings["AlarmDescription"]} if "AlarmDescription" in settings else {}
    if "AlarmRule" in settings:
        return {**said, "alarmRule": settings["AlarmRule"]}
    metrics = settings.get("Metrics") or [{"Id": "m1", "MetricStat": metric_stat(settings), "ReturnData": True}]
    return {**said, "metrics": [_query(query) for query in metrics]}


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if "Expression" in query:
        return shown | {"expression": query["Expression"]}
    stat = query["MetricStat"]
    metric = stat["Metric"]
    named = {
        "namespace": metric.get("Namespace"),
        "name": metric.get("MetricName"),
        "dimensions": {one["Name"]: one["Value"] for one in metric.get("Dimensions", ())},
    }
    return shown | {"metricStat": {"metric": named, "period": stat["Period"], "stat": stat["Stat"]}}


def _iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "+0000"
