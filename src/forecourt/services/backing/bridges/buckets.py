"""A bucket's notifications: to functions, queues and topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.base.arn import Arn
from forecourt.services.backing.bridges.notes import admits, note_invocation


def install() -> None:
    from moto.s3 import notifications
    from moto.s3.models import FakeBucket

    notifications._invoke_awslambda = _invoke_for_bucket
    notifications.send_test_event = _tested(notifications.send_test_event)
    configure = FakeBucket.set_notification_configuration
    FakeBucket.set_notification_configuration = _configured(configure)  # type: ignore[method-assign]
    notifications._send_sqs_message = _send_for_bucket("sqs", notifications._send_sqs_message)
    notifications._send_sns_message = _send_for_bucket("sns", notifications._send_sns_message)


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
    note_invocation("s3", bucket_arn, account_id, fn_arn, event_body)


def _send_for_bucket(service: str, motos: Callable[..., None]) -> Callable[..., None]:
    """`target`: a queue's name or a topic's ARN. The event that tests a configuration is not about any object, and
    sent to whom was asked before."""

    def send(account_id: str, event_body: Any, target: str, region_name: str) -> None:
        arn = Arn(service, region_name, account_id, target.rpartition(":")[2])
        records = event_body.get("Records")
        if not records or admits("s3", records[0]["s3"]["bucket"]["arn"], account_id, arn):
            motos(account_id, event_body, target, region_name)

    return send


def _tested(motos: Callable[..., None]) -> Callable[..., None]:
    """Where a bucket's events may not go they cannot be sent."""

    def send_test_event(account_id: str, bucket: Any) -> None:
        from moto.s3.exceptions import S3ClientError

        wanted = bucket.notification_configuration
        for destination in (*wanted.queue, *wanted.topic):
            if not admits("s3", bucket.arn, account_id, Arn.parse(destination.arn)):
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
