"""Where moto would hand something on outside of itself, a `Delivery` is noted. All of it on moto's thread.

The three places are a topic's subscription, a bucket's notification and a rule's target. What moto hands on to
another of its own services (a topic to a queue, a rule to a queue) stays with moto, where that one's policy lets it in
(`admission`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.services.backing.admission import Admission
from forecourt.services.backing.deliveries import Delivery, last_resorts

# What the request that runs now has noted so far.
noted: list[Delivery] = []

_EVENT_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_PLACEHOLDER = re.compile(r"<([\w.\-]+)>")


# Who decides, as the newest `install` says; empty until moto's places are taken.
_admission: list[Admission] = []


def install(admission: Admission) -> None:
    """Takes moto's places. Once."""
    _admission.append(admission)
    if len(_admission) > 1:
        del _admission[0]
        return
    import moto.events.models
    import moto.events.notifications
    import moto.s3.models
    import moto.s3.notifications
    import moto.sns.models

    moto.sns.models.Subscription.publish = _publish(moto.sns.models.Subscription.publish)  # type: ignore[method-assign]
    moto.s3.notifications._invoke_awslambda = _invoke_for_bucket
    moto.s3.notifications.send_test_event = _tested(moto.s3.notifications.send_test_event)
    bucket = moto.s3.models.FakeBucket
    bucket.set_notification_configuration = _configured(bucket.set_notification_configuration)  # type: ignore[method-assign]
    moto.s3.notifications._send_sqs_message = _send_for_bucket("sqs", moto.s3.notifications._send_sqs_message)
    moto.s3.notifications._send_sns_message = _send_for_bucket("sns", moto.s3.notifications._send_sns_message)
    moto.events.models.Rule.send_to_targets = _send_to_targets(moto.events.models.Rule.send_to_targets)  # type: ignore[method-assign]
    moto.events.notifications._invoke_lambda = _invoke_for_service
    moto.events.notifications._start_sfn_execution = _start_for_service


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _invoke(source: str, source_arn: str, account: str, function_arn: str, event: Any) -> None:
    params = {"FunctionName": function_arn, "InvocationType": "Event", "Payload": _json(event).encode()}
    region = function_arn.split(":")[3]
    noted.append(
        Delivery(
            account=account,
            region=region,
            source=source,
            source_arn=source_arn,
            service="lambda",
            operation="Invoke",
            params=params,
        )
    )


def _admits(source: str, source_arn: str, account: str, target: Arn) -> bool:
    return _admission[0].admits(source, source_arn, account, target)


# -- SNS ---------------------------------------------------------------------------------------------------------------


def _publish(motos: Callable[..., None]) -> Callable[..., None]:
    def publish(self: Any, message: str, message_id: str, *args: Any, **more: Any) -> None:
        handle = _SUBSCRIPTIONS.get(self.protocol)
        named = dict(zip(_PUBLISH_ARGUMENTS, args, strict=False)) | more
        matcher = self._filter_policy_matcher
        if matcher is not None and not matcher.matches(named.get("message_attributes"), message):
            return
        if handle is None:
            if self.protocol != "sqs" or _admits("sns", self.topic.arn, self.account_id, Arn.parse(self.endpoint)):
                motos(self, message, message_id, *args, **more)
            return
        if named.get("message_structure") == "json":
            message = self._parse_message_structure(message, self.protocol)
        handle(self, message, message_id, named)

    return publish


_PUBLISH_ARGUMENTS = ("subject", "message_attributes", "group_id", "deduplication_id", "message_structure")


def _to_function(subscription: Any, message: str, message_id: str, named: Mapping[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    attributes = named.get("message_attributes") or {}
    post = subscription.get_post_data(message, message_id, named.get("subject"))
    sns = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": subscription.topic.arn,
        "Subject": named.get("subject"),
        "Message": message,
        "Timestamp": post["Timestamp"],
        "SignatureVersion": post["SignatureVersion"],
        "Signature": post["Signature"],
        "SigningCertUrl": post["SigningCertURL"],
        "UnsubscribeUrl": post["UnsubscribeURL"],
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": str(value["Value"])} for name, value in attributes.items()
        },
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": sns,
    }
    _invoke("sns", subscription.topic.arn, subscription.account_id, subscription.endpoint, {"Records": [record]})


def _to_endpoint(subscription: Any, message: str, message_id: str, named: Mapping[str, Any]) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html"""
    raw = str(subscription.attributes.get("RawMessageDelivery", "")).lower() == "true"
    post = subscription.get_post_data(message, message_id, named.get("subject"), named.get("message_attributes"))
    headers = {
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": subscription.topic.arn,
        "x-amz-sns-subscription-arn": subscription.arn,
    }
    if raw:
        headers["x-amz-sns-rawdelivery"] = "true"
    params = {"url": subscription.endpoint, "headers": headers, "body": message if raw else _json(post)}
    noted.append(
        Delivery(
            account=subscription.account_id,
            region=subscription.topic.arn.split(":")[3],
            source="sns",
            source_arn=subscription.topic.arn,
            service="http",
            operation="POST",
            params=params,
        )
    )


_SUBSCRIPTIONS: dict[str, Callable[[Any, str, str, Mapping[str, Any]], None]] = {
    "lambda": _to_function,
    "http": _to_endpoint,
    "https": _to_endpoint,
}


# -- S3 ----------------------------------------------------------------------------------------------------------------


def _invoke_for_bucket(account_id: str, event_body: Any, fn_arn: str, region_name: str) -> None:
    """With what moto leaves out of the record.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    for record in event_body["Records"]:
        record.setdefault("userIdentity", {"principalId": account_id})
        record.setdefault("requestParameters", {"sourceIPAddress": "127.0.0.1"})
        record.setdefault("responseElements", {})
        record["s3"]["bucket"].setdefault("ownerIdentity", {"principalId": account_id})
        record["s3"]["object"].setdefault("sequencer", "0055AED6DCD90281E5")
    bucket_arn = event_body["Records"][0]["s3"]["bucket"]["arn"]
    _invoke("s3", bucket_arn, account_id, fn_arn, event_body)


def _send_for_bucket(service: str, motos: Callable[..., None]) -> Callable[..., None]:
    """`target`: a queue's name or a topic's ARN. The event that tests a configuration is not about any object, and
    sent to whom was asked before."""

    def send(account_id: str, event_body: Any, target: str, region_name: str) -> None:
        arn = Arn(service, region_name, account_id, target.rpartition(":")[2])
        records = event_body.get("Records")
        if not records or _admits("s3", records[0]["s3"]["bucket"]["arn"], account_id, arn):
            motos(account_id, event_body, target, region_name)

    return send


def _tested(motos: Callable[..., None]) -> Callable[..., None]:
    """Where a bucket's events may not go they cannot be sent."""

    def send_test_event(account_id: str, bucket: Any) -> None:
        from moto.s3.exceptions import S3ClientError

        wanted = bucket.notification_configuration
        for destination in (*wanted.queue, *wanted.topic):
            if not _admits("s3", bucket.arn, account_id, Arn.parse(destination.arn)):
                raise S3ClientError("InvalidArgument", _NO_DESTINATION)
        motos(account_id, bucket)

    return send_test_event


_NO_DESTINATION = "Unable to validate the following destination configurations"


def _configured(motos: Callable[..., None]) -> Callable[..., None]:
    """What is refused leaves the bucket as it was."""

    def set_notification_configuration(self: Any, notification_config: Any) -> None:
        before = self.notification_configuration
        try:
            motos(self, notification_config)
        except Exception:
            self.notification_configuration = before
            raise

    return set_notification_configuration


# -- EventBridge -------------------------------------------------------------------------------------------------------


def _invoke_for_service(account_id: str, fn_arn: str, event: Any) -> None:
    _invoke("events", "", account_id, fn_arn, event)


def _start_for_service(account_id: str, region: str, sfn_arn: str, event: Any) -> None:
    noted.append(
        Delivery(
            account=account_id,
            region=region,
            source="events",
            source_arn="",
            service="stepfunctions",
            operation="StartExecution",
            params={"stateMachineArn": sfn_arn, "input": _json(event)},
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
            calls = _TARGETS.get(arn.service)
            if calls is None and arn.service == "sqs" and not _admits("events", self.arn, self.account_id, arn):
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
    for service, operation, params in calls(arn, target, _target_input(rule, target, delivered)):
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
                **last_resorts(target, _json(delivered), {"RULE_ARN": rule.arn, "TARGET_ARN": str(arn)}),
            )
        )


def _as_delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp

    out = {name: event[name] for name in _EVENT_MEMBERS if name in event}
    if not isinstance(out.get("time"), str):
        out["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(int(float(out["time"]))))
    return out


def _target_input(rule: Any, target: Mapping[str, Any], event: dict[str, Any]) -> str:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html"""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return _json(_at_path(target["InputPath"], event))
    transformer = target.get("InputTransformer")
    return _json(event) if not transformer else _transformed(rule, transformer, event)


def _at_path(path: str, event: Any) -> Any:
    """`$.detail.pets[0].name`; None where there is nothing. EventBridge has no other operators."""
    for name, index in _STEP.findall(path):
        try:
            event = event[int(index)] if index else event[name]
        except (KeyError, IndexError, TypeError):
            return None
    return event


def _transformed(rule: Any, transformer: Mapping[str, Any], event: dict[str, Any]) -> str:
    template: str = transformer["InputTemplate"]
    values = {name: _at_path(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
    }

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        value = values[match[1]]
        quoted = template[: match.start()].replace('\\"', "").count('"') % 2 == 1
        if not quoted:
            return _json(value)
        return _json(value if isinstance(value, str) else _json(value))[1:-1]

    return _PLACEHOLDER.sub(fill, template)


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
    key = str(_at_path(path, event)) if path else "event"
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
