"""What is asked for: who, which action, on which resource, under which circumstances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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


class Deferred(Mapping[str, Any]):
    """Condition keys, worked out when a policy asks for one: most decisions are remembered, and ask for none."""

    __slots__ = ("_found", "_work_out")

    def __init__(self, work_out: Callable[[], Mapping[str, Any]]) -> None:
        self._work_out = work_out
        self._found: Mapping[str, Any] | None = None

    def _all(self) -> Mapping[str, Any]:
        if self._found is None:
            self._found = self._work_out()
        return self._found

    def __getitem__(self, key: str) -> Any:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


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
