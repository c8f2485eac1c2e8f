"""Parameters and results between a state's JSON and a service's model.

In a definition every member is PascalCase, whatever the service's own casing; a result comes back the same way, of an
`aws-sdk:` call in the words of the SDK for Java 2 (`Arn` for `ARN`); a parameter may be written either way. Blobs are
text, timestamps ISO-8601 strings, and JSON objects may be given where a service takes a JSON string.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from forecourt.services.stepfunctions.asl.data import to_text
from forecourt.services.stepfunctions.integrations.job import TaskError
from forecourt.services.stepfunctions.integrations.naming import java_name

if TYPE_CHECKING:
    from botocore.model import Shape


def pascal(name: str) -> str:
    return name[0].upper() + name[1:] if name else name


def to_model(shape: Any, value: Any) -> Any:
    """A state's JSON as the parameters of an operation. Raises `TaskError` for a member that does not exist."""
    if shape is None or value is None:
        return value
    match shape.type_name:
        case "structure" if isinstance(value, dict) and not getattr(shape, "is_document_type", False):
            members = {
                spelled.lower(): (name, member)
                for name, member in shape.members.items()
                for spelled in (java_name(name), name)
            }
            return {
                name: to_model(member, item)
                for key, item in value.items()
                for name, member in [_member(members, key)]
                if item is not None
            }
        case "list" if isinstance(value, list):
            return [to_model(shape.member, item) for item in value]
        case "map" if isinstance(value, dict):
            return {key: to_model(shape.value, item) for key, item in value.items()}
        case "blob":
            return (value if isinstance(value, str) else to_text(value)).encode()
        case "string" if not isinstance(value, str):
            return to_text(value)
        case "timestamp" if isinstance(value, str):
            return _moment(value)
    return value


def _member(members: dict[str, tuple[str, Shape]], key: str) -> tuple[str, Shape]:
    found = members.get(key.lower())
    if found is None:
        raise TaskError("States.Runtime", f'The field "{key}" is not supported by Step Functions')
    return found


def _moment(text: str) -> Any:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def from_model(shape: Any, value: Any, spell: Callable[[str], str] = pascal) -> Any:
    """An operation's output as a state's JSON, its members spelled as `spell` has them."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (bytes, bytearray)):
        return _text(bytes(value))
    if shape is None:
        return _unmodeled(value)
    match shape.type_name:
        case "structure" if isinstance(value, dict) and not getattr(shape, "is_document_type", False):
            return {
                spell(key): from_model(shape.members.get(key), item, spell)
                for key, item in value.items()
                if key != "ResponseMetadata" and item is not None
            }
        case "list":
            return [from_model(shape.member, item, spell) for item in value]
        case "map":
            return {key: from_model(shape.value, item, spell) for key, item in value.items()}
        case "timestamp" if isinstance(value, (int, float)):
            return iso(datetime.fromtimestamp(value, UTC))
    return _unmodeled(value)


def _unmodeled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unmodeled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unmodeled(item) for item in value]
    if isinstance(value, datetime):
        return iso(value)
    return _text(bytes(value)) if isinstance(value, (bytes, bytearray)) else value


def iso(moment: datetime) -> str:
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}"
    return f"{text}.{moment.microsecond // 1000:03d}Z" if moment.microsecond else f"{text}Z"


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()
