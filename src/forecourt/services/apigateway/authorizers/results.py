"""What authorizers remember: by stage and authorizer, for as long as the authorizer says, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
_MOST_RESULTS = 10_000
_MOST_CHARACTERS = 1 << 24
_MOST_FORMS = 2


class Results(Generic[K, T]):
    """Least lately used out first. Who may call nothing sends identities, too, and long ones."""

    def __init__(self) -> None:
        # When it ends, what it is, and what its key weighs
        self._results: OrderedDict[K, tuple[float, T, int]] = OrderedDict()
        self._weight = 0

    def get(self, key: K, now: float) -> T | None:
        found = self._results.get(key)
        if found is None:
            return None
        if found[0] <= now:
            self._drop(key)
            return None
        self._results.move_to_end(key)
        return found[1]

    def put(self, key: K, value: T, expires_at: float) -> None:
        self._drop(key)
        weight = len(key if isinstance(key, str) else repr(key))
        self._results[key] = (expires_at, value, weight)
        self._weight += weight
        while len(self._results) > _MOST_RESULTS or self._weight > _MOST_CHARACTERS:
            self._drop(next(iter(self._results)))

    def _drop(self, key: K) -> None:
        found = self._results.pop(key, None)
        if found is not None:
            self._weight -= found[2]

    def clear(self) -> None:
        self._results.clear()
        self._weight = 0


class AuthorizerCaches:
    """The results of all authorizers; they outlive the plans that use them, but not a change of the authorizer.

    A stage and its canary may have two forms of one authorizer: so many are kept of each.
    """

    def __init__(self) -> None:
        self._caches: dict[tuple[str, str, str], OrderedDict[bytes, Results[Any, Any]]] = {}

    def of(self, api_id: str, stage: str, authorizer_id: str, form: bytes) -> Results[Any, Any]:
        """`form`: the authorizer as it is configured."""
        forms = self._caches.setdefault((api_id, stage, authorizer_id), OrderedDict())
        results = forms.setdefault(form, Results())
        forms.move_to_end(form)
        if len(forms) > _MOST_FORMS:
            forms.popitem(last=False)
        return results

    def flush(self, api_id: str, stage: str) -> None:
        for key, forms in self._caches.items():
            if key[:2] == (api_id, stage):
                for results in forms.values():
                    results.clear()

    def reset(self) -> None:
        self._caches.clear()
