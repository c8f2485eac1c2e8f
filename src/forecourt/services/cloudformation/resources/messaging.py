"""AWS::SQS::* and AWS::SNS::*: queues, topics, subscriptions, and who may use them."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources.tags import as_list, as_map, retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump
from forecourt.services.cloudformation.template.parameters import as_text

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
_QUEUE_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DelaySeconds": "0",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}


def _texts(properties: Properties, apart: set[str]) -> dict[str, str]:
    """Properties as attributes, which are all text."""
    return {
        name: dump(value) if isinstance(value, dict | list) else as_text(value)
        for name, value in properties.items()
        if name not in apart
    }


class Queue:
    _APART = {"QueueName", "Tags"}

    async def create(self, work: Work, properties: Properties) -> Made:
        fifo = as_text(properties.get("FifoQueue", "false")).lower() == "true"
        attributes = _texts(properties, self._APART)
        if not fifo:
            attributes.pop("FifoQueue", None)
        name = properties.get("QueueName") or (f"{work.name(75)}.fifo" if fifo else work.name(80))
        tags = as_map(properties.get("Tags"))
        found = await work.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes, tags=tags or None)
        return self._made(work, found["QueueUrl"], name)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        before, after = _texts(old, self._APART), _texts(new, self._APART)
        wanted = {name: value for name, value in after.items() if before.get(name) != value}
        wanted |= {name: _QUEUE_DEFAULTS[name] for name in set(before) - set(after) if name in _QUEUE_DEFAULTS}
        if wanted:
            await work.call("sqs", "SetQueueAttributes", QueueUrl=physical_id, Attributes=wanted)
        await retag(work, "sqs", physical_id, old.get("Tags"), new.get("Tags"))
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("sqs", "DeleteQueue", QueueUrl=physical_id)

    def _made(self, work: Work, url: str, name: str) -> Made:
        return Made(url, {"Arn": work.arn("sqs", name), "QueueName": name, "QueueUrl": url})


class Policy:
    """One policy on each of a list of queues or topics: `set_one` sets a resource's, or takes it away."""

    def __init__(self, service: str, members: str) -> None:
        self._service = service
        self._members = members

    async def create(self, work: Work, properties: Properties) -> Made:
        return await self.update(work, work.name(64), {}, properties)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        document = new["PolicyDocument"]
        for one in self._of(new):
            await self._set(work, one, document if isinstance(document, str) else dump(document))
        for gone in sorted(set(self._of(old)) - set(self._of(new))):
            await self._clear(work, gone)
        return Made(physical_id, {"Id": physical_id})

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        for one in self._of(properties):
            await self._clear(work, one)

    def _of(self, properties: Properties) -> list[str]:
        given = properties.get(self._members) or []
        return [given] if isinstance(given, str) else list(given)

    async def _set(self, work: Work, one: str, policy: str) -> None:
        if self._service == "sqs":
            await work.call("sqs", "SetQueueAttributes", QueueUrl=one, Attributes={"Policy": policy})
        else:
            await work.call("sns", "SetTopicAttributes", TopicArn=one, AttributeName="Policy", AttributeValue=policy)

    async def _clear(self, work: Work, one: str) -> None:
        """A topic has a policy always: its owner's, again."""
        if self._service == "sqs":
            await work.gone("sqs", "SetQueueAttributes", QueueUrl=one, Attributes={"Policy": ""})
            return
        owner = {
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [
                {
                    "Sid": "__default_statement_ID",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [f"SNS:{verb}" for verb in _OWNERS_VERBS],
                    "Resource": one,
                    "Condition": {"StringEquals": {"AWS:SourceOwner": work.account}},
                }
            ],
        }
        await work.gone("sns", "SetTopicAttributes", TopicArn=one, AttributeName="Policy", AttributeValue=dump(owner))


_OWNERS_VERBS = (
    "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe",
    "ListSubscriptionsByTopic", "Publish",
)  # fmt: skip


class Topic:
    _APART = {"TopicName", "Tags", "Subscription", "DeliveryStatusLogging", "DataProtectionPolicy"}

    async def create(self, work: Work, properties: Properties) -> Made:
        for name in ("DeliveryStatusLogging", "DataProtectionPolicy"):
            if properties.get(name):
                raise ResourceFailed(f"Forecourt does not support {name} of {work.type}")
        fifo = as_text(properties.get("FifoTopic", "false")).lower() == "true"
        attributes = _texts(properties, self._APART)
        if not fifo:
            attributes.pop("FifoTopic", None)
        name = properties.get("TopicName") or (f"{work.name(251)}.fifo" if fifo else work.name(256))
        tags = as_list(as_map(properties.get("Tags")))
        found = await work.call("sns", "CreateTopic", Name=name, Attributes=attributes, Tags=tags or None)
        arn = found["TopicArn"]
        async with work.undone(self, arn, properties):
            await self._subscribe(work, arn, [], properties.get("Subscription") or [])
        return Made(arn, {"TopicArn": arn, "TopicName": name})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        before, after = _texts(old, self._APART), _texts(new, self._APART)
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                await work.call(
                    "sns",
                    "SetTopicAttributes",
                    TopicArn=physical_id,
                    AttributeName=name,
                    AttributeValue=after.get(name, ""),
                )
        await self._subscribe(work, physical_id, old.get("Subscription") or [], new.get("Subscription") or [])
        await retag(work, "sns", physical_id, old.get("Tags"), new.get("Tags"))
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("sns", "DeleteTopic", TopicArn=physical_id)

    async def _subscribe(
        self, work: Work, topic: str, old: list[Mapping[str, str]], new: list[Mapping[str, str]]
    ) -> None:
        for one in new:
            if one not in old:
                await work.call("sns", "Subscribe", TopicArn=topic, Protocol=one["Protocol"], Endpoint=one["Endpoint"])
        gone = [one for one in old if one not in new]
        if not gone:
            return
        found = await work.call("sns", "ListSubscriptionsByTopic", TopicArn=topic)
        for known in found.get("Subscriptions", ()):
            if {"Protocol": known["Protocol"], "Endpoint": known["Endpoint"]} in gone:
                await work.gone("sns", "Unsubscribe", SubscriptionArn=known["SubscriptionArn"])


class Subscription:
    _APART = {"TopicArn", "Protocol", "Endpoint", "Region"}

    async def create(self, work: Work, properties: Properties) -> Made:
        found = await work.call(
            "sns",
            "Subscribe",
            TopicArn=properties["TopicArn"],
            Protocol=properties["Protocol"],
            Endpoint=properties.get("Endpoint"),
            Attributes=_texts(properties, self._APART) or None,
            ReturnSubscriptionArn=True,
        )
        return Made(found["SubscriptionArn"], {"Arn": found["SubscriptionArn"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        before, after = _texts(old, self._APART), _texts(new, self._APART)
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                await work.call(
                    "sns",
                    "SetSubscriptionAttributes",
                    SubscriptionArn=physical_id,
                    AttributeName=name,
                    AttributeValue=after.get(name, "false" if name == "RawMessageDelivery" else ""),
                )
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("sns", "Unsubscribe", SubscriptionArn=physical_id)


TYPES: dict[str, Handler] = {
    "AWS::SQS::Queue": Queue(),
    "AWS::SQS::QueuePolicy": Policy("sqs", "Queues"),
    "AWS::SQS::QueueInlinePolicy": Policy("sqs", "Queue"),
    "AWS::SNS::Topic": Topic(),
    "AWS::SNS::Subscription": Subscription(),
    "AWS::SNS::TopicPolicy": Policy("sns", "Topics"),
    "AWS::SNS::TopicInlinePolicy": Policy("sns", "TopicArn"),
}
