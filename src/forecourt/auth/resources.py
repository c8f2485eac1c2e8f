"""What an ARN says of a resource: whose it is, and what holds its policy. Pure."""

from __future__ import annotations

import re

_SECRETS_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")


def holder_of(resource: str) -> str:
    """The ARN of what has the policy that speaks for `resource`: an object's bucket, an index's table. A secret's may
    have been given by its name, without the end that its ARN has."""
    parts = resource.split(":", 5)
    if len(parts) != 6:
        return resource
    *head, service, region, account, name = parts
    if service == "s3":
        name = name.partition("/")[0]
    elif service == "dynamodb":
        name = name.partition("/index/")[0].partition("/stream/")[0]
    elif service == "secretsmanager":
        name = _SECRETS_SUFFIX.sub("", name)
    return ":".join((*head, service, region, account, name))


def is_arn(resource: str) -> bool:
    """Six parts, as `Arn.parse` wants them: what a client writes in an ARN's place may be anything."""
    parts = resource.split(":", 5)
    return len(parts) == 6 and parts[0] == "arn" and bool(parts[2] and parts[5])


def account_of(resource: str) -> str:
    """The account that an ARN names, or ""."""
    parts = resource.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4].isdigit() else ""
