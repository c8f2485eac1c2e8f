"""A rule's targets: what each of them is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.services.backing.bridges.destinations import call_of, is_destination
from forecourt.services.backing.bridges.inputs import at_path, target_input
from forecourt.services.backing.bridges.notes import admits, as_json, note_invocation, noted
from forecourt.services.backing.deliveries import Delivery
from forecourt.services.backing.last_resorts import last_resorts

_EVENT_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")


def install() -> None:
    from moto.events import notifications
    from moto.events.models import Rule

    Rule.send_to_targets = _send_to_targets(Rule.send_to_targets)  # type: ignore[method-assign]
    notifications._invoke_lambda = _invoke_for_service
    notifications._start_sfn_execution = _start_for_service


def _invoke_for_service(account_id: str, fn_arn: str, event: Any) -> None:
    note_invocation("events", "", account_id, fn_arn, event)


def _start_for_service(account_id: str, region: str, sfn_arn: str, event: Any) -> None:
    noted.append(
        Delivery(
            account=account_id,
            region=region,
            source="events",
            source_arn="",
            service="stepfunctions",
            operation="StartExecution",
            params={"stateMachineArn": sfn_arn, "input": as_json(event)},
        )
    )


def _is_for(rule: Any, event: Mapping[str, Any]) -> bool:
    """A rule without a pattern takes no event but those of its own schedule (`schedules`); moto lets it take all."""
    if rule.scheduled_expression and (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event"):
        return rule.arn in event["resources"]
    return bool(rule.event_pattern._pattern) and bool(rule.event_pattern.matches_event(event))


def _send_to_targets(motos: Callable[..., None]) -> Callable[..., None]:
    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        if self.state == "DISABLED" or not _is_for(self, original_event):
            return
        targets = self.targets
        for target in targets:
            arn = Arn.parse(target["Arn"])
            calls = call_of if is_destination(arn) else _TARGETS.get(arn.service)
            if calls is None and arn.service == "sqs" and not admits("events", self.arn, self.account_id, arn):
                # Refused again by whom it is handed to, and then a dead letter, where the target has a queue for them
                calls = _to_queue
            if calls is not None:
                _note_target(self, target, arn, original_event, calls)
                continue
            try:
                self.targets = [target]
                motos(self, original_event, transform_input)
            finally:
                self.targets = targets

    return send_to_targets


Calls = Callable[[Arn, Mapping[str, Any], str], list[tuple[str, str, dict[str, Any]]]]


def _note_target(rule: Any, target: Mapping[str, Any], arn: Arn, event: Mapping[str, Any], calls: Calls) -> None:
    delivered = _as_delivered(event)
    for service, operation, params in calls(arn, target, target_input(rule, target, delivered)):
        noted.append(
            Delivery(
                account=rule.account_id,
                region=arn.region or rule.region_name,
                source="events",
                source_arn=rule.arn,
                service=service,
                operation=operation,
                params=params,
                role_arn=target.get("RoleArn", ""),
                **last_resorts(target, as_json(delivered), {"RULE_ARN": rule.arn, "TARGET_ARN": str(arn)}),
            )
        )


def _as_delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp

    out = {name: event[name] for name in _EVENT_MEMBERS if name in event}
    if not isinstance(out.get("time"), str):
        out["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(int(float(out["time"]))))
    return out


def _to_lambda(arn: Arn, _target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [("lambda", "Invoke", {"FunctionName": str(arn), "InvocationType": "Event", "Payload": text.encode()})]


def _to_states(arn: Arn, _target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [("stepfunctions", "StartExecution", {"stateMachineArn": str(arn), "input": text})]


def _to_queue(arn: Arn, _target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [("sqs", "SendMessage", {"QueueUrl": f"http://localhost/{arn.account}/{arn.resource}", "MessageBody": text})]


def _to_topic(arn: Arn, _target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    return [("sns", "Publish", {"TopicArn": str(arn), "Message": text})]


def _to_stream(arn: Arn, target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    path = target.get("KinesisParameters", {}).get("PartitionKeyPath", "")
    event = msgspec.json.decode(text) if path else {}
    key = str(at_path(path, event)) if path else "event"
    name = arn.resource.rpartition("/")[2]
    return [("kinesis", "PutRecord", {"StreamName": name, "Data": text.encode(), "PartitionKey": key or "event"})]


def _to_firehose(arn: Arn, _target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    name = arn.resource.rpartition("/")[2]
    return [("firehose", "PutRecord", {"DeliveryStreamName": name, "Record": {"Data": text.encode()}})]


def _to_log_group(arn: Arn, _target: Mapping[str, Any], text: str) -> list[tuple[str, str, dict[str, Any]]]:
    from moto.core.utils import unix_time_millis
    from moto.moto_api._internal import mock_random

    stream = {"logGroupName": arn.resource.split(":")[1], "logStreamName": str(mock_random.uuid4())}
    events = [{"timestamp": int(unix_time_millis()), "message": text}]
    return [("logs", "CreateLogStream", stream), ("logs", "PutLogEvents", {**stream, "logEvents": events})]


_TARGETS: dict[str, Calls] = {
    "lambda": _to_lambda,
    "states": _to_states,
    "sns": _to_topic,
    "kinesis": _to_stream,
    "firehose": _to_firehose,
    "logs": _to_log_group,
}
