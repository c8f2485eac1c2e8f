"""An API's definition, from a template or a bucket."""

from __future__ import annotations

from typing import Any

from forecourt.services.cloudformation.errors import ResourceFailed, ValidationError
from forecourt.services.cloudformation.resources.work import Properties, Work
from forecourt.services.cloudformation.template import document


async def body_of(work: Work, properties: Properties) -> dict[str, Any] | None:
    """`Body`, or what `BodyS3Location` names. Raises `ResourceFailed`."""
    body: Any = properties.get("Body")
    where = properties.get("BodyS3Location")
    if body is None and where:
        text = await object_text(work, where["Bucket"], where["Key"], where.get("Version"))
        try:
            body = document.parse(text)
        except ValidationError as error:
            raise ResourceFailed(f"The definition in {where['Key']} cannot be read: {error.message}") from error
    return body if isinstance(body, dict) else None


async def object_text(work: Work, bucket: str, key: str, version: str | None = None) -> str:
    """Raises `ResourceFailed`."""
    answer = await work.call("s3", "GetObject", Bucket=bucket, Key=key, VersionId=version)
    content = answer["Body"]
    data: bytes = content if isinstance(content, bytes) else content.read()
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ResourceFailed(f"{key} is not UTF-8") from None
