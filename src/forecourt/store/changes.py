"""Change notices: who keeps something derived from documents (a compiled plan, a cache) learns that they changed.

Callbacks run on the event loop, after the commit and before `write` returns to the writer, once per group of commits
and kind. One that raises is logged and hinders no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)


class Change(NamedTuple):
    kind: type[Any]
    key: tuple[str, ...]
    deleted: bool = False


Callback = Callable[[list[Change]], None]


class Changes:
    def __init__(self) -> None:
        self._callbacks: dict[type[Any], list[Callback]] = {}

    def subscribe(self, kind: type[Any], callback: Callback) -> Callable[[], None]:
        """Returns what unsubscribes."""
        self._callbacks.setdefault(kind, []).append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks[kind]:
                self._callbacks[kind].remove(callback)

        return unsubscribe

    def notify(self, changes: Iterable[Change]) -> None:
        by_kind: dict[type[Any], list[Change]] = {}
        for change in changes:
            if change.kind in self._callbacks:
                by_kind.setdefault(change.kind, []).append(change)
        for kind, of_kind in by_kind.items():
            for callback in tuple(self._callbacks[kind]):
                self._call(callback, of_kind)

    def _call(self, callback: Callback, changes: list[Change]) -> None:
        try:
            callback(list(changes))
        except Exception:
            _log.exception("a change notice of %s failed", changes[0].kind.__name__)
