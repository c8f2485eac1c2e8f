"""Tags of what is there already, brought to what a template says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.work import Work
from forecourt.services.cloudformation.template.parameters import as_text

# service: the operations, and the parameter that names the resource
_OPERATIONS = {
    "apigateway": ("TagResource", "UntagResource", "resourceArn"),
    "apigatewayv2": ("TagResource", "UntagResource", "ResourceArn"),
    "cloudwatch": ("TagResource", "UntagResource", "ResourceARN"),
    "cognito-identity": ("TagResource", "UntagResource", "ResourceArn"),
    "cognito-idp": ("TagResource", "UntagResource", "ResourceArn"),
    "dynamodb": ("TagResource", "UntagResource", "ResourceArn"),
    "ecr": ("TagResource", "UntagResource", "resourceArn"),
    "events": ("TagResource", "UntagResource", "ResourceARN"),
    "kinesis": ("TagResource", "UntagResource", "ResourceARN"),
    "lambda": ("TagResource", "UntagResource", "Resource"),
    "logs": ("TagResource", "UntagResource", "resourceArn"),
    "secretsmanager": ("TagResource", "UntagResource", "SecretId"),
    "sns": ("TagResource", "UntagResource", "ResourceArn"),
    "sqs": ("TagQueue", "UntagQueue", "QueueUrl"),
    "stepfunctions": ("TagResource", "UntagResource", "resourceArn"),
}


def as_map(tags: Any) -> dict[str, str]:
    if isinstance(tags, Mapping):
        return {key: as_text(value) for key, value in tags.items()}
    return {tag["Key"]: as_text(tag.get("Value", "")) for tag in tags or ()}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def merged(own: Any, added: Mapping[str, str], *, a_map: bool) -> Any:
    """A resource's tags with those of its stack, which give way; None where there are none."""
    found = {**added, **as_map(own)}
    if not found:
        return own
    return found if a_map else as_list(found)


async def retag(work: Work, service: str, resource: str, old: Any, new: Any) -> None:
    before, after = as_map(old), as_map(new)
    tag, untag, key = _OPERATIONS[service]
    gone = sorted(set(before) - set(after))
    if gone:
        name = "TagKeys" if shaped.has_member(service, untag, "TagKeys") else "tagKeys"
        await work.call(service, untag, **{key: resource, name: gone})
    wanted = {name: value for name, value in after.items() if before.get(name) != value}
    if wanted:
        await work.call(service, tag, **{key: resource, **shaped.parameters(service, tag, {"Tags": as_list(wanted)})})
