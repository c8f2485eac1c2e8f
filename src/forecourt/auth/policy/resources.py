"""The `Resource` element: nearly always whole ARNs or ARNs that end with a star, and fast for those."""

from __future__ import annotations

from collections.abc import Sequence

from forecourt.auth.policy import pattern
from forecourt.auth.policy.pattern import Context


class Resources:
    """Patterns sorted by what matching them takes: a look-up, one `startswith` for all, a real match each."""

    __slots__ = ("_exact", "_others", "_prefixes", "inverted", "varying")

    def __init__(self, texts: Sequence[str], variables: bool, inverted: bool) -> None:
        self.inverted = inverted
        # What is covered depends on the request's context, not only on its resource.
        self.varying = variables and any("${" in text for text in texts)
        exact, prefixes, others = set(), [], []
        for text in texts:
            head = text.removesuffix("*")
            if not _is_plain(head, variables):
                others.append(pattern.arn(text, variables))
            elif head == text:
                exact.add(text)
            else:
                prefixes.append(head)
        self._exact = frozenset(exact)
        self._prefixes = tuple(prefixes)
        self._others = tuple(others)

    def cover(self, resource: str, context: Context) -> bool:
        if resource in self._exact or resource.startswith(self._prefixes):
            return not self.inverted
        for match in self._others:
            if match(resource, context):
                return not self.inverted
        return self.inverted


def _is_plain(head: str, variables: bool) -> bool:
    """No wildcard, no variable, and all six parts begun, so that a star at the end stays within the last one."""
    if "*" in head or "?" in head or (variables and "${" in head):
        return False
    return not head or head.count(":") >= 5
