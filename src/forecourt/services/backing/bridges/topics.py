"""A topic's subscriptions: functions and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from forecourt.base.arn import Arn
from forecourt.services.backing.bridges.notes import admits, as_json, note_invocation, noted
from forecourt.services.backing.deliveries import Delivery


def install() -> None:
    from moto.sns.models import Subscription

    Subscription.publish = _publish(Subscription.publish)  # type: ignore[method-assign]


def _publish(motos: Callable[..., None]) -> Callable[..., None]:
    def publish(self: Any, message: str, message_id: str, *args: Any, **more: Any) -> None:
        handle = _SUBSCRIPTIONS.get(self.protocol)
        named = dict(zip(_PUBLISH_ARGUMENTS, args, strict=False)) | more
        matcher = self._filter_policy_matcher
        if matcher is not None and not matcher.matches(named.get("message_attributes"), message):
            return
        if handle is None:
            if self.protocol != "sqs" or admits("sns", self.topic.arn, self.account_id, Arn.parse(self.endpoint)):
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
    note_invocation(
        "sns", subscription.topic.arn, subscription.account_id, subscription.endpoint, {"Records": [record]}
    )


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
    params = {"url": subscription.endpoint, "headers": headers, "body": message if raw else as_json(post)}
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
