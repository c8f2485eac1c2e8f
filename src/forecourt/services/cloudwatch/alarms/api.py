"""The operations on alarms."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.cloudwatch.alarms.model import Alarm, AlarmEvent
from forecourt.services.cloudwatch.alarms.settings import ACTIONS, composite_settings, settings_of
from forecourt.services.cloudwatch.alarms.store import AlarmStore, children_of
from forecourt.services.cloudwatch.alarms.watch import Watch
from forecourt.services.cloudwatch.datum import dimensions, epoch
from forecourt.services.cloudwatch.errors import (
    InvalidFormatFault,
    InvalidNextToken,
    ResourceNotFound,
    ResourceNotFoundException,
    ValidationError,
)

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as aws

_PAGE = 100


class AlarmsApi:
    def __init__(self, alarms: AlarmStore, watch: Watch, clock: Clock) -> None:
        self._alarms = alarms
        self._watch = watch
        self._clock = clock

    @operation("PutMetricAlarm")
    async def put_metric_alarm(self, context: CallContext, request: aws.PutMetricAlarmInputTypeDef) -> None:
        alarm = self._alarm(context, request, settings_of(request))
        self._watch.points(alarm)  # an expression that can't be worked out is refused
        await self._alarms.put(alarm)

    @operation("PutCompositeAlarm")
    async def put_composite_alarm(self, context: CallContext, request: aws.PutCompositeAlarmInputTypeDef) -> None:
        alarm = self._alarm(context, request, composite_settings(request))
        known = {name for other in await self._all(context) for name in (other.name, other.arn)}
        if missing := [child for child in children_of(alarm) if child not in known]:
            raise ValidationError(
                f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist"
            )
        await self._alarms.put(alarm)
        kept = await self._alarms.get(alarm.account, alarm.region, alarm.name)
        if kept is not None:
            await self._watch.compose(kept)

    def _alarm(self, context: CallContext, request: Mapping[str, Any], settings: dict[str, Any]) -> Alarm:
        now = self._clock.now()
        return Alarm(
            account=context.account,
            region=context.region,
            name=request["AlarmName"],
            settings=settings,
            configured_at=now,
            updated_at=now,
            transitioned_at=now,
            tags=_tags(request.get("Tags", ())),
        )

    async def _all(self, context: CallContext, prefix: str = "") -> list[Alarm]:
        return await self._alarms.of(context.account, context.region, prefix)

    @operation("DescribeAlarms")
    async def describe_alarms(self, context: CallContext, request: aws.DescribeAlarmsInputTypeDef) -> dict[str, Any]:
        shown, found = _VIEWS, await self._all(context, request.get("AlarmNamePrefix", ""))
        kinds: Collection[str] = request.get("AlarmTypes") or ("MetricAlarm",)
        if "ChildrenOfAlarmName" in request or "ParentsOfAlarmName" in request:
            shown, kinds = _BRIEF_VIEWS, _VIEWS
            found = _related(found, request)
        after = _after(request.get("NextToken"))
        rest = [one for one in found if one.name > after and one.kind in kinds and _wanted(one, request)]
        most = request.get("MaxRecords", _PAGE)
        page: dict[str, Any] = {
            f"{kind}s": [view(one) for one in rest[:most] if one.kind == kind] for kind, view in shown.items()
        }
        return page | ({"NextToken": encode_token((rest[most - 1].name,))} if len(rest) > most else {})

    @operation("DescribeAlarmsForMetric")
    async def describe_alarms_for_metric(
        self, context: CallContext, request: aws.DescribeAlarmsForMetricInputTypeDef
    ) -> dict[str, Any]:
        found = [alarm for alarm in await self._all(context) if _watches(alarm, request)]
        return {"MetricAlarms": [_view(alarm) for alarm in found]}

    @operation("DescribeAlarmHistory")
    async def describe_alarm_history(
        self, context: CallContext, request: aws.DescribeAlarmHistoryInputTypeDef
    ) -> dict[str, Any]:
        name = (request["AlarmName"],) if "AlarmName" in request else ()
        events = await self._alarms.store.list(AlarmEvent, context.account, context.region, *name)
        start, end = epoch(request.get("StartDate", 0)) * 1000, epoch(request.get("EndDate", 1e12)) * 1000
        kind, of = request.get("HistoryItemType"), request.get("AlarmTypes") or (_VIEWS if name else ("MetricAlarm",))
        found = [event for event in events if start <= int(event.at) <= end and kind in (None, event.kind)]
        found = [event for event in found if event.of in of]
        back = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        found.sort(key=_position, reverse=back)
        if token := request.get("NextToken"):
            behind = _decoded(token)
            found = [event for event in found if (_position(event) < behind if back else _position(event) > behind)]
        most = request.get("MaxRecords", _PAGE)
        page: dict[str, Any] = {"AlarmHistoryItems": [_item(event) for event in found[:most]]}
        return page | ({"NextToken": encode_token(_position(found[most - 1]))} if len(found) > most else {})

    @operation("DeleteAlarms")
    async def delete_alarms(self, context: CallContext, request: aws.DeleteAlarmsInputTypeDef) -> None:
        await self._alarms.delete(context.account, context.region, request["AlarmNames"])

    @operation("EnableAlarmActions")
    async def enable_alarm_actions(self, context: CallContext, request: aws.EnableAlarmActionsInputTypeDef) -> None:
        await self._set_actions(context, request["AlarmNames"], enabled=True)

    @operation("DisableAlarmActions")
    async def disable_alarm_actions(self, context: CallContext, request: aws.DisableAlarmActionsInputTypeDef) -> None:
        await self._set_actions(context, request["AlarmNames"], enabled=False)

    @operation("SetAlarmState")
    async def set_alarm_state(self, context: CallContext, request: aws.SetAlarmStateInputTypeDef) -> None:
        alarm = await self._alarms.get(context.account, context.region, request["AlarmName"])
        if alarm is None:
            raise ResourceNotFound(f"Alarm {request['AlarmName']} does not exist")
        data = request.get("StateReasonData", "")
        if data and not _is_json(data):
            raise InvalidFormatFault("StateReasonData is not valid JSON")
        await self._watch.change(alarm, request["StateValue"], request["StateReason"], data)

    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: aws.TagResourceInputTypeDef) -> dict[str, Any]:
        alarm, tags = await self._of_arn(request["ResourceARN"]), _tags(request["Tags"])
        await self._alarms.change(*_at(alarm), lambda alarm: alarm.tags.update(tags))
        return {}

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: aws.UntagResourceInputTypeDef) -> dict[str, Any]:
        alarm, gone = await self._of_arn(request["ResourceARN"]), set(request["TagKeys"])

        def untag(alarm: Alarm) -> None:
            alarm.tags = {name: value for name, value in alarm.tags.items() if name not in gone}

        await self._alarms.change(*_at(alarm), untag)
        return {}

    @operation("ListTagsForResource")
    async def list_tags_for_resource(
        self, context: CallContext, request: aws.ListTagsForResourceInputTypeDef
    ) -> dict[str, Any]:
        alarm = await self._of_arn(request["ResourceARN"])
        return {"Tags": [{"Key": name, "Value": value} for name, value in alarm.tags.items()]}

    async def _set_actions(self, context: CallContext, names: Any, *, enabled: bool) -> None:
        def change(alarm: Alarm) -> None:
            alarm.settings = {**alarm.settings, "ActionsEnabled": enabled}

        await self._alarms.change(context.account, context.region, names, change)

    async def _of_arn(self, arn: str) -> Alarm:
        parts = arn.split(":", 6)
        found = await self._alarms.get(parts[4], parts[3], parts[6]) if len(parts) == 7 else None
        if found is None:
            raise ResourceNotFoundException(f"Resource {arn} does not exist")
        return found


def _at(alarm: Alarm) -> tuple[str, str, list[str]]:
    return alarm.account, alarm.region, [alarm.name]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _tags(given: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in given}


def _wanted(alarm: Alarm, request: Mapping[str, Any]) -> bool:
    actions = [arn for member in ACTIONS for arn in alarm.settings.get(member, ())]
    return (
        alarm.name in (request.get("AlarmNames") or (alarm.name,))
        and alarm.state == request.get("StateValue", alarm.state)
        and ("ActionPrefix" not in request or any(arn.startswith(request["ActionPrefix"]) for arn in actions))
    )


def _watches(alarm: Alarm, request: Mapping[str, Any]) -> bool:
    """Members that the request leaves out match anything, except for dimensions."""
    settings = alarm.settings
    asked = (member for member in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit"))
    same = all(settings.get(member) == request[member] for member in asked if member in request)
    return same and sorted(dimensions(settings.get("Dimensions"))) == sorted(dimensions(request.get("Dimensions")))


def _related(alarms: list[Alarm], request: Mapping[str, Any]) -> list[Alarm]:
    if set(request) - {"ChildrenOfAlarmName", "ParentsOfAlarmName", "MaxRecords", "NextToken"} or (
        "ChildrenOfAlarmName" in request and "ParentsOfAlarmName" in request
    ):
        raise ValidationError("ChildrenOfAlarmName and ParentsOfAlarmName can't be combined with other parameters.")
    name = request.get("ParentsOfAlarmName") or request["ChildrenOfAlarmName"]
    named = [alarm for alarm in alarms if name in (alarm.name, alarm.arn)]
    if "ParentsOfAlarmName" in request:
        return [alarm for alarm in alarms if any(child.is_in(children_of(alarm)) for child in named)]
    return [alarm for alarm in alarms if any(alarm.is_in(children_of(parent)) for parent in named)]


def _view(alarm: Alarm) -> dict[str, Any]:
    simple = alarm.rule or alarm.settings.get("Metrics")
    of_one_metric: dict[str, Any] = {} if simple else {"Dimensions": []}
    view = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "ActionsEnabled": True,
        **{member: [] for member in ACTIONS},
        **of_one_metric,
        **alarm.settings,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": alarm.updated_at,
        "StateTransitionedTimestamp": alarm.transitioned_at,
    }
    return view | ({"StateReasonData": alarm.reason_data} if alarm.reason_data else {})


def _brief(alarm: Alarm) -> dict[str, Any]:
    full = _view(alarm)
    return {name: full[name] for name in ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")}


_VIEWS = {"MetricAlarm": _view, "CompositeAlarm": _view}
_BRIEF_VIEWS = dict.fromkeys(_VIEWS, _brief)


def _item(event: AlarmEvent) -> dict[str, Any]:
    return {
        "AlarmName": event.name,
        "AlarmType": event.of,
        "Timestamp": int(event.at) / 1000,
        "HistoryItemType": event.kind,
        "HistorySummary": event.summary,
        "HistoryData": event.data,
    }


def _position(event: AlarmEvent) -> tuple[str, ...]:
    return event.at, event.name


def _after(token: str | None) -> str:
    return _decoded(token)[0] if token else ""


def _decoded(token: str) -> tuple[str, ...]:
    try:
        return decode_token(token)
    except ValueError:
        raise InvalidNextToken("The specified NextToken is invalid.") from None
