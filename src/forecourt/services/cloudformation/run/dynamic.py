"""Dynamic references: `{{resolve:ssm:name:version}}` and its like become values just before a call is made with them.

What is kept and shown stays the reference.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources.work import Work

_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")


async def resolved(work: Work, properties: Any, *, lenient: bool = False) -> Any:
    """Raises `ResourceFailed`, but of what was resolved before and is only compared with (`lenient`)."""
    found = {}
    for service, reference in sorted(set(_references(properties))):
        try:
            found[service, reference] = await _VALUES[service](work, reference)
        except (ServiceError, KeyError, TypeError, ValueError) as error:
            if not lenient:
                told = error.message if isinstance(error, ServiceError) else repr(error)
                raise ResourceFailed(f"Could not resolve {{{{resolve:{service}:{reference}}}}}: {told}") from error
            found[service, reference] = f"{{{{resolve:{service}:{reference}}}}}"
    return _filled(properties, found) if found else properties


def _references(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, str) and "{{resolve:" in value:
        yield from _REFERENCE.findall(value)


def _filled(value: Any, found: dict[tuple[str, str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, found) for item in value]
    if isinstance(value, str) and "{{resolve:" in value:
        return _REFERENCE.sub(lambda match: found[match[1], match[2]], value)
    return value


async def _parameter(work: Work, reference: str) -> str:
    answer = await work.call("ssm", "GetParameter", Name=reference, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


async def _secret(work: Work, reference: str) -> str:
    """`secret-id:SecretString:json-key:stage:version`; the id may be an ARN, which has colons of its own."""
    head, _, tail = reference.partition(":SecretString")
    key, stage, version = [*tail.removeprefix(":").split(":"), "", "", ""][:3]
    answer = await work.call(
        "secretsmanager", "GetSecretValue", SecretId=head, VersionStage=stage or None, VersionId=version or None
    )
    text = str(answer["SecretString"])
    return str(json.loads(text)[key]) if key else text


_VALUES = {"ssm": _parameter, "ssm-secure": _parameter, "secretsmanager": _secret}
