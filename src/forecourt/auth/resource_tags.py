"""The tags of what a call is about: `aws:ResourceTag/team`.

Only asked for where a policy asks for one. A part of a resource (a table's index, an API's method, a log stream) has
the tags of the whole.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourcetag
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from forecourt.auth.supplies import Unfinished
from forecourt.auth.tags import tags_in
from forecourt.base.arn import Arn

# Calls an operation of a service about a resource, as its owner; empty where that fails.
Ask = Callable[..., Awaitable[dict[str, Any]]]

OBJECT_TAG = "s3:ExistingObjectTag/"
_OF_OBJECT = frozenset({
    "GetObject", "GetObjectAcl", "GetObjectTagging", "GetObjectVersion", "GetObjectVersionAcl",
    "GetObjectVersionTagging", "PutObjectAcl", "PutObjectTagging", "PutObjectVersionAcl", "PutObjectVersionTagging",
    "DeleteObjectTagging", "DeleteObjectVersionTagging",
})  # fmt: skip


class _Reader(NamedTuple):
    """`tagged` matches the part of an ARN's resource that has the tags; `params` names it to the operation."""

    service: str
    operation: str
    tagged: re.Pattern[str]
    params: Callable[[Arn], Mapping[str, Any]]


def _reader(service: str, operation: str, tagged: str, params: Callable[[Arn], Mapping[str, Any]]) -> _Reader:
    return _Reader(service, operation, re.compile(tagged), params)


def _by_arn(member: str) -> Callable[[Arn], Mapping[str, Any]]:
    return lambda arn: {member: str(arn)}


def _by_name(member: str) -> Callable[[Arn], Mapping[str, Any]]:
    return lambda arn: {member: arn.resource.partition("/")[2]}


def _queue(arn: Arn) -> Mapping[str, Any]:
    return {"QueueUrl": f"http://localhost/{arn.account}/{arn.resource}"}


def _parameter(arn: Arn) -> Mapping[str, Any]:
    """`parameter/a/b` is what is called `/a/b`."""
    name = arn.resource.removeprefix("parameter/")
    return {"ResourceType": "Parameter", "ResourceId": f"/{name}" if "/" in name else name}


_STAGE = r"/[^/]+(/stages/[^/]+)?"
# By the service in an ARN; the first that fits.
_READERS: Mapping[str, tuple[_Reader, ...]] = {
    "apigateway": (
        _reader("apigatewayv2", "GetTags", rf"/apis{_STAGE}", _by_arn("ResourceArn")),
        _reader(
            "apigateway",
            "GetTags",
            rf"/restapis{_STAGE}|/(usageplans|apikeys|clientcertificates|domainnames|vpclinks)/[^/]+",
            _by_arn("resourceArn"),
        ),
    ),
    "cloudwatch": (_reader("cloudwatch", "ListTagsForResource", r"(alarm|insight-rule):?.+", _by_arn("ResourceARN")),),
    "cognito-idp": (_reader("cognito-idp", "ListTagsForResource", r"userpool/[^/]+", _by_arn("ResourceArn")),),
    "cognito-identity": (
        _reader("cognito-identity", "ListTagsForResource", r"identitypool/[^/]+", _by_arn("ResourceArn")),
    ),
    "dynamodb": (_reader("dynamodb", "ListTagsOfResource", r"table/[^/]+", _by_arn("ResourceArn")),),
    "events": (_reader("events", "ListTagsForResource", r"(rule|event-bus)/.+", _by_arn("ResourceARN")),),
    "firehose": (
        _reader("firehose", "ListTagsForDeliveryStream", r"deliverystream/.+", _by_name("DeliveryStreamName")),
    ),
    "kinesis": (_reader("kinesis", "ListTagsForStream", r"stream/[^/]+", _by_name("StreamName")),),
    "kms": (_reader("kms", "ListResourceTags", r"key/.+", _by_name("KeyId")),),
    "lambda": (_reader("lambda", "ListTags", r"(function|event-source-mapping):[^:]+", _by_arn("Resource")),),
    "logs": (_reader("logs", "ListTagsForResource", r"log-group:[^:]+|destination:[^:]+", _by_arn("resourceArn")),),
    "secretsmanager": (_reader("secretsmanager", "DescribeSecret", r"secret:.+", _by_arn("SecretId")),),
    "sns": (_reader("sns", "ListTagsForResource", r"[^:/]+", _by_arn("ResourceArn")),),
    "sqs": (_reader("sqs", "ListQueueTags", r".+", _queue),),
    "ssm": (
        _reader(
            "ssm",
            "ListTagsForResource",
            r"parameter/.+",
            _parameter,
        ),
    ),
    "states": (
        _reader("stepfunctions", "ListTagsForResource", r"(stateMachine|activity):[^:/]+", _by_arn("resourceArn")),
    ),
}


class ResourceTags:
    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def of(self, demand: Unfinished) -> Mapping[str, Any]:
        """The condition keys of the resource's tags; none where it has, or can have, none."""
        try:
            arn = Arn.parse(demand.resource)
        except ValueError:
            return {}
        arn = arn._replace(account=arn.account or demand.principal.account)
        service, _, operation = demand.action.partition(":")
        if arn.service == "s3":
            return await self._of_object(arn) if operation in _OF_OBJECT else {}
        for reader in _READERS.get(arn.service, ()):
            if tagged := reader.tagged.match(arn.resource):
                about = arn._replace(resource=tagged[0])
                # API Gateway's ARNs name no account.
                named = about._replace(account="") if arn.service == "apigateway" else about
                found = tags_in(await self._ask(about, reader.service, reader.operation, **reader.params(named)))
                return {f"{of}:ResourceTag/{key}": value for key, value in found.items() for of in ("aws", service)}
        return {}

    async def _of_object(self, arn: Arn) -> Mapping[str, Any]:
        bucket, _, key = arn.resource.partition("/")
        found = tags_in(await self._ask(arn, "s3", "GetObjectTagging", Bucket=bucket, Key=key))
        return {f"{OBJECT_TAG}{name}": value for name, value in found.items()}
