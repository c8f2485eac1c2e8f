"""AWS::Include: a piece of a template that lies in a bucket, read as the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.errors import TransformFailed, ValidationError
from forecourt.services.cloudformation.template import document

_NAME = "AWS::Include"


async def inside(caller: Caller, context: CallContext, value: Any) -> Any:
    """`value` with what every `Fn::Transform` in it names. Raises `TransformFailed`."""
    if isinstance(value, list):
        return [await inside(caller, context, item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: await inside(caller, context, item) for name, item in value.items() if name != "Fn::Transform"}
    if "Fn::Transform" not in value:
        return found
    wanted = value["Fn::Transform"]
    name = wanted.get("Name") if isinstance(wanted, dict) else wanted
    if name != _NAME:
        raise TransformFailed(f"No transform named {name} found.")
    return {**await fetched(caller, context, wanted.get("Parameters") or {}), **found}


async def fetched(caller: Caller, context: CallContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Raises `TransformFailed`."""
    location = parameters.get("Location")
    parts = urlsplit(location if isinstance(location, str) else "")
    if parts.scheme != "s3" or not parts.path.strip("/"):
        raise TransformFailed(f"Transform {_NAME} failed with: The location parameter is not a valid S3 uri.")
    try:
        where = {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
        content = (await caller.call(context, "s3", "GetObject", where))["Body"]
        data: bytes = content if isinstance(content, bytes) else content.read()
        return document.parse(data.decode())
    except (ServiceError, UnicodeDecodeError) as error:
        told = error.message if isinstance(error, ValidationError | ServiceError) else "the file is not UTF-8"
        raise TransformFailed(f"Transform {_NAME} failed with: {told}") from error
