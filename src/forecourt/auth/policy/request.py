"""What is asked for: who, which action, on which resource, under which circumstances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from forecourt.auth.policy.pattern import Context
from forecourt.base.principal import ANONYMOUS, Principal


class Request(NamedTuple):
    action: str
    resource: str = "*"
    # Keys lower-case, values text: see `context_of`.
    context: Context = {}
    principal: Principal = ANONYMOUS
    # The identity provider that vouches for an AssumeRoleWithWebIdentity or …WithSAML: an ARN or a domain.
    federated: str = ""


def context_of(values: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    """Context keys are case-insensitive, and their values are text, as condition operators take them.

    A mapping is no value: what is carried along in that form is not for policies.
    """
    found = values.items()
    return {key.lower(): _text(value) for key, value in found if value is not None and not isinstance(value, Mapping)}


def _text(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return tuple(_scalar(item) for item in value)
    return _scalar(value)


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
