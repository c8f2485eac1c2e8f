"""The tables of the backing services that our users' applications call most."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from forecourt.auth.actions.table import Params, Table, place_of
from forecourt.auth.supplies import UNMAPPED
from forecourt.base.call import CallContext, Demand
from forecourt.base.errors import RemoteError


def _queue(url: str) -> str:
    """`http://localhost:4566/123456789012/name`, or a name, to the end of the queue's ARN."""
    if "?" in url or "#" in url:
        # Who carries it out may read another name in it.
        raise RemoteError("InvalidAddress", f"The address {url} is not valid for this endpoint.", 404)
    account, name = url.rstrip("/").split("/")[-2:] if "/" in url else ("<account>", url)
    return f"{account}:{name}"


SQS = Table(
    "sqs",
    """
@SendMessage, @SendMessageBatch = SendMessage                arn:aws:sqs:<region>:{QueueUrl}
@DeleteMessage, @DeleteMessageBatch = DeleteMessage          arn:aws:sqs:<region>:{QueueUrl}
@ChangeMessageVisibility, @ChangeMessageVisibilityBatch = ChangeMessageVisibility  arn:aws:sqs:<region>:{QueueUrl}
QueueUrl    arn:aws:sqs:<region>:{QueueUrl}
QueueName   {QueueName}
SourceArn   {SourceArn}
*           *
""",
    normalize={"QueueUrl": _queue},
)


def _topic_of(subscription: str) -> str:
    return ":".join(subscription.split(":")[:6])


def _sns_conditions(operation: str, params: Params) -> Mapping[str, Any]:
    names = {"Protocol": "sns:Protocol", "Endpoint": "sns:Endpoint"}
    return {key: params[name] for name, key in names.items() if operation == "Subscribe" and params.get(name)}


_SENDING = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "events": "events:PutEvents"}


def _elsewhere(arns: Iterable[Any], context: CallContext) -> Iterator[Demand]:
    """What a topic or a rule is to hand on to in another account. The embedded services deliver to each other without
    asking a policy, so whoever sets it up must be let in there."""
    for arn in arns:
        parts = str(arn or "").split(":", 5)
        if len(parts) == 6 and parts[2] in _SENDING and parts[4] not in ("", context.account):
            yield Demand(_SENDING[parts[2]], str(arn), {})


class _Sns(Table):
    """An attribute may be a role: those that log deliveries, and that of a Firehose subscription."""

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        yield from super().demands(operation, params, context)
        if operation == "Subscribe":
            yield from _elsewhere([params.get("Endpoint")], context)

    def _passed_roles(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        named = {str(params["AttributeName"]): params.get("AttributeValue")} if params.get("AttributeName") else {}
        return super()._passed_roles(operation, {**params, **named}, context)


SNS = _Sns(
    "sns",
    """
@PublishBatch = Publish      {TopicArn}
ResourceArn                  {ResourceArn}
TopicArn                     {TopicArn}
TargetArn                    {TargetArn}
SubscriptionArn              {SubscriptionArn}
PlatformApplicationArn       {PlatformApplicationArn}
EndpointArn                  {EndpointArn}
@CreateTopic                 {Name}
@CreatePlatformApplication   app/{Platform}/{Name}
*                            *
""",
    normalize={"SubscriptionArn": _topic_of},
    conditions=_sns_conditions,
)


class _Kinesis(Table):
    """An iterator tells its stream: whoever reads needs that one, whatever stream the parameters name."""

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        if operation == "GetRecords":
            stream = _iterated(str(params.get("ShardIterator") or ""))
            if stream:
                account, region = place_of(str(params.get("StreamARN") or ""), context)
                told = {"StreamARN": f"arn:aws:kinesis:{region}:{account}:stream/{stream}"}
                yield from super().demands(operation, told, context)
            elif not params.get("StreamARN"):
                yield Demand(UNMAPPED, "kinesis:GetRecords by an iterator that does not tell its stream", {})
                return
        if operation != "GetRecords" or params.get("StreamARN"):
            yield from super().demands(operation, params, context)


def _iterated(iterator: str) -> str:
    """The stream that the embedded Kinesis (moto) begins its iterators with."""
    try:
        return base64.b64decode(iterator).decode().partition(":")[0]
    except ValueError:
        return ""


KINESIS = _Kinesis(
    "kinesis",
    """
@DeregisterStreamConsumer, @DescribeStreamConsumer, @SubscribeToShard  {ConsumerARN}
ResourceARN   {ResourceARN}
StreamARN     {StreamARN}
StreamName    stream/{StreamName}
QueueARN      {QueueARN}
ChannelARN    {ChannelARN}
*             *
""",
)

FIREHOSE = Table(
    "firehose",
    """
@ListDeliveryStreams   *
DeliveryStreamName     deliverystream/{DeliveryStreamName}
*                      *
""",
)


def _secret_conditions(operation: str, params: Params) -> Mapping[str, Any]:
    names = {"SecretId": "secretsmanager:SecretId", "Name": "secretsmanager:Name",
             "VersionId": "secretsmanager:VersionId", "VersionStage": "secretsmanager:VersionStage"}  # fmt: skip
    return {key: params[name] for name, key in names.items() if isinstance(params.get(name), str)}


def _secret(id: str) -> str:
    return id if id.startswith("arn:") else f"secret:{id}"


class _Secrets(Table):
    """Several values at once are several values, each to be allowed."""

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        yield from super().demands(operation, params, context)
        if operation == "BatchGetSecretValue":
            for id in params.get("SecretIdList") or ("*",):
                yield from super().demands("GetSecretValue", {"SecretId": id}, context)


SECRETSMANAGER = _Secrets(
    "secretsmanager",
    """
SecretId        {SecretId}
@CreateSecret   secret:{Name}
*               *
""",
    normalize={"SecretId": _secret},
    conditions=_secret_conditions,
)


class _Events(Table):
    """Rules of a bus of one's own have it in their ARN, and PutEvents needs every bus that it puts to."""

    _RULES = frozenset({"PutRule", "DeleteRule", "DescribeRule", "DisableRule", "EnableRule"})

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        if operation == "PutEvents":
            yield from self._put_events(params, context)
            return
        if operation in ("PutPermission", "RemovePermission"):
            params = {**params, "EventBusName": _bus(params)}
        name = params.get("Rule") or (params.get("Name") if operation in self._RULES else None)
        bus = _bus(params)
        if name and bus != "default":
            params = {**params, "Rule": f"{bus}/{name}"}
        elif name:
            params = {**params, "Rule": name}
        yield from super().demands(operation, params, context)
        if operation == "PutTargets":
            yield from _elsewhere([target.get("Arn") for target in params.get("Targets") or ()], context)

    def _put_events(self, params: Params, context: CallContext) -> Iterator[Demand]:
        for entry in params.get("Entries") or ():
            bus = str(entry.get("EventBusName") or "default")
            # A bus of another account is that account's to open.
            resource = (
                bus if bus.startswith("arn:") else f"arn:aws:events:{context.region}:{context.account}:event-bus/{bus}"
            )
            conditions = {"events:source": entry.get("Source"), "events:detail-type": entry.get("DetailType")}
            yield Demand("events:PutEvents", resource, conditions)


def _bus(given: Params) -> str:
    name = str(given.get("EventBusName") or "default")
    return name.rpartition("event-bus/")[2] if name.startswith("arn:") else name


EVENTS = _Events(
    "events",
    """
ResourceARN      {ResourceARN}
@CreateEventBus, @DeleteEventBus, @DescribeEventBus, @UpdateEventBus   event-bus/{Name}
@PutPermission, @RemovePermission   event-bus/{EventBusName}
@DeleteApiDestination, @DescribeApiDestination, @CreateApiDestination, @UpdateApiDestination  api-destination/{Name}
@CreateConnection, @DeleteConnection, @DescribeConnection, @UpdateConnection, @DeauthorizeConnection  connection/{Name}
@CreateEndpoint, @DeleteEndpoint, @DescribeEndpoint, @UpdateEndpoint  endpoint/{Name}
ArchiveName      archive/{ArchiveName}
ReplayName       replay/{ReplayName}
Rule             rule/{Rule}
*                *
""",
    pass_role="""
PutRule,UpdateEndpoint,CreateEndpoint RoleArn events.amazonaws.com
PutTargets Targets[].RoleArn events.amazonaws.com
""",
)


def _parameter(name: str) -> str:
    """A name, with or without a slash before it, or an ARN; a version or label (`name:3`) is none of the ARN's."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return f"parameter/{name.partition(':')[0].removeprefix('/')}"


SSM = Table(
    "ssm",
    """
@GetParametersByPath   {Path}
@DescribeParameters, @ListDocuments, @DescribeDocument   *
@GetParameter, @PutParameter, @DeleteParameter, @GetParameterHistory, @LabelParameterVersion   {Name}
@UnlabelParameterVersion   {Name}
@GetParameters, @DeleteParameters   {Names[]}
*                      *
""",
    normalize={"Name": _parameter, "Names": _parameter, "Path": _parameter},
)


SCHEDULER = Table(
    "scheduler",
    """
@CreateScheduleGroup, @GetScheduleGroup, @DeleteScheduleGroup   schedule-group/{Name}
@ListScheduleGroups, @ListSchedules   *
ResourceArn      {ResourceArn}
Name             schedule/{GroupName}/{Name}
*                *
""",
    normalize={"GroupName": lambda given: given or "default"},
)

ECR = Table(
    "ecr",
    """
resourceArn      {resourceArn}
repositoryName   repository/{repositoryName}
*                *
""",
)
