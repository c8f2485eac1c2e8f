"""What a compiled pattern can be asked."""

from __future__ import annotations

from typing import Protocol


class Matcher(Protocol):
    def matches(self, message: str) -> bool: ...

    def extract(self, message: str) -> dict[str, str]:
        """The values that the pattern names, of a message that it matches."""
        ...
