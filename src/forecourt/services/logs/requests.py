"""What requests of CloudWatch Logs have in common: names or ARNs, page tokens, limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.logs.errors import InvalidParameterException
from forecourt.telemetry.log_group import Position
from forecourt.telemetry.log_store import GroupKey

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_LOG_GROUP = "log-group:"
_TIMESTAMP_DIGITS, _SEQUENCE_DIGITS = 20, 36


def group_key(context: CallContext, request: Mapping[str, Any]) -> GroupKey:
    """The group that `logGroupName`, or `logGroupIdentifier` (a name or an ARN), names."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name and identifier:
        raise InvalidParameterException("LogGroup name and LogGroup identifier are mutually exclusive parameters.")
    if not name and not identifier:
        raise InvalidParameterException("Either LogGroup name or LogGroup identifier is required.")
    if not str(identifier or "").startswith("arn:"):
        return context.account, context.region, str(name or identifier)
    return key_of_arn(str(identifier))


def key_of_arn(text: str) -> GroupKey:
    try:
        arn = Arn.parse(text)
    except ValueError:
        raise InvalidParameterException(f"Invalid log group ARN: {text}") from None
    if arn.service != "logs" or not arn.resource.startswith(_LOG_GROUP):
        raise InvalidParameterException(f"Invalid log group ARN: {text}")
    return arn.account, arn.region, arn.resource.removeprefix(_LOG_GROUP).removesuffix(":*")


def page_after(token: str | None) -> tuple[str, ...] | None:
    try:
        return decode_token(token) if token else None
    except ValueError:
        raise InvalidParameterException("The specified nextToken is invalid.") from None


def page_token(position: tuple[str, ...]) -> str:
    return encode_token(position)


def event_id(position: Position) -> str:
    timestamp, sequence = position
    return f"{timestamp:0{_TIMESTAMP_DIGITS}}{max(sequence, 0):0{_SEQUENCE_DIGITS}}"


def events_token(direction: str, position: Position) -> str:
    """As AWS writes them: `f/…` goes on to later events, `b/…` back to earlier ones."""
    return f"{direction}/{event_id(position)}/s"


def events_position(token: str) -> tuple[str, Position]:
    direction, _, rest = token.partition("/")
    digits = rest.removesuffix("/s")
    if direction not in ("f", "b") or len(digits) != _TIMESTAMP_DIGITS + _SEQUENCE_DIGITS or not digits.isdecimal():
        raise InvalidParameterException("The specified nextToken is invalid.")
    return direction, (int(digits[:_TIMESTAMP_DIGITS]), int(digits[_TIMESTAMP_DIGITS:]))
