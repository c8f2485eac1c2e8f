"""What one embedded service hands to another: the receiver's policy must let the service in, for the very source."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.iam.enforcing import HOME, ROOT, policy, refusal

from forecourt.testing import Forecourt

REGION = "us-east-1"
DETAIL = json.dumps({"id": 1})


class Place:
    """Clients of one server as its root, and a queue with what arrived in it."""

    def __init__(self, forecourt: Forecourt, name: str) -> None:
        self.client: Callable[[str], Any] = lambda service: forecourt.client(service, **ROOT)
        self.name = name
        self.queues = self.client("sqs")
        self.url = self.queues.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{HOME}:{name}"

    def let_in(self, service: str, source: str) -> None:
        self.queues.set_queue_attributes(
            QueueUrl=self.url, Attributes={"Policy": letting_in(service, source, "sqs:SendMessage", self.arn)}
        )

    def arrived(self, seconds: int = 0) -> list[str]:
        found = self.queues.receive_message(QueueUrl=self.url, WaitTimeSeconds=seconds).get("Messages", [])
        for message in found:
            self.queues.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in found]


def letting_in(service: str, source: str, action: str, resource: str) -> str:
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": action,
            "Resource": resource,
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }
    )


def topic(place: Place) -> tuple[str, Callable[[], Any]]:
    topics = place.client("sns")
    arn = topics.create_topic(Name=place.name)["TopicArn"]
    topics.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=place.arn)
    return arn, lambda: topics.publish(TopicArn=arn, Message="hello")


def bucket(place: Place) -> tuple[str, Callable[[], Any]]:
    """Its notifications are only taken where they may be sent; what the queue lets in may change later."""
    buckets, arn = place.client("s3"), f"arn:aws:s3:::{place.name}"
    buckets.create_bucket(Bucket=place.name)
    wanted = {"QueueConfigurations": [{"QueueArn": place.arn, "Events": ["s3:ObjectCreated:*"]}]}
    configure = buckets.put_bucket_notification_configuration
    assert refusal(configure, Bucket=place.name, NotificationConfiguration=wanted) == (
        "InvalidArgument", 400, "Unable to validate the following destination configurations",
    )  # fmt: skip
    assert "QueueConfigurations" not in buckets.get_bucket_notification_configuration(Bucket=place.name)
    place.let_in("s3", arn)
    configure(Bucket=place.name, NotificationConfiguration=wanted)
    assert json.loads(place.arrived()[0])["Event"] == "s3:TestEvent"
    return arn, lambda: buckets.put_object(Bucket=place.name, Key="k", Body=b"1")


def rule(place: Place, **target: Any) -> tuple[str, Callable[[], Any]]:
    events = place.client("events")
    arn = events.put_rule(Name=place.name, EventPattern=json.dumps({"source": [place.name]}))["RuleArn"]
    events.put_targets(Rule=place.name, Targets=[{"Id": "1", "Arn": place.arn, **target}])
    entry = {"Source": place.name, "DetailType": "t", "Detail": DETAIL}
    return arn, lambda: events.put_events(Entries=[entry])


@pytest.mark.parametrize(
    ("service", "source"), [("sns", topic), ("s3", bucket), ("events", rule)], ids=["topic", "bucket", "rule"]
)
def test_a_queue_takes_what_its_policy_lets_in(
    enforced: Forecourt, service: str, source: Callable[[Place], tuple[str, Callable[[], Any]]]
) -> None:
    place = Place(enforced, f"handed-on-by-{service}")
    arn, hand_on = source(place)
    for who, whose in ((service, f"{arn}-another"), ("lambda", arn)):
        place.let_in(who, whose)
        hand_on()
        assert place.arrived() == [], (who, whose)
    place.let_in(service, arn)
    hand_on()
    assert len(place.arrived()) == 1


def test_a_queue_without_a_policy_takes_nothing(enforced: Forecourt) -> None:
    place = Place(enforced, "no-policy")
    for source in (topic, rule):
        source(place)[1]()
    assert place.arrived() == []


def test_a_topic_takes_a_buckets_events_where_its_policy_says_so(enforced: Forecourt) -> None:
    place = Place(enforced, "bucket-to-topic")
    arn, _ = topic(place)
    place.let_in("sns", arn)
    buckets, topics = place.client("s3"), place.client("sns")
    buckets.create_bucket(Bucket=place.name)
    wanted = {"TopicConfigurations": [{"TopicArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    configure = buckets.put_bucket_notification_configuration
    assert refusal(configure, Bucket=place.name, NotificationConfiguration=wanted)[0] == "InvalidArgument"
    document = letting_in("s3", f"arn:aws:s3:::{place.name}", "sns:Publish", arn)
    topics.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document)
    configure(Bucket=place.name, NotificationConfiguration=wanted)
    place.arrived()
    buckets.put_object(Bucket=place.name, Key="k", Body=b"1")
    assert json.loads(json.loads(place.arrived()[0])["Message"])["Records"][0]["s3"]["bucket"]["name"] == place.name


def test_what_a_queue_refuses_of_a_rule_is_a_dead_letter(enforced: Forecourt) -> None:
    place, letters = Place(enforced, "refusing"), Place(enforced, "refused-letters")
    arn, hand_on = rule(place, DeadLetterConfig={"Arn": letters.arn})
    letters.let_in("events", arn)
    hand_on()
    assert [json.loads(body)["detail"] for body in letters.arrived(5)] == [{"id": 1}]
    assert place.arrived() == []


def test_off_the_way_is_free(server: Forecourt) -> None:
    topics, queues = server.client("sns"), server.client("sqs")
    url = queues.create_queue(QueueName="free-way")["QueueUrl"]
    arn = topics.create_topic(Name="free-way")["TopicArn"]
    topics.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{HOME}:free-way")
    topics.publish(TopicArn=arn, Message="hello")
    assert len(queues.receive_message(QueueUrl=url)["Messages"]) == 1
