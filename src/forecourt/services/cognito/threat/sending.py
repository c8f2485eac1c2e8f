"""How many one-time codes are sent to one user: so many per hour, whoever asks, so that nobody's mailbox is flooded.

Counted for users who do not exist as well. In memory, bounded: the oldest entries go first.
"""

from __future__ import annotations

from forecourt.base.clock import Clock
from forecourt.services.cognito.errors import LimitExceededException

PER_HOUR = 30
_LARGEST = 100_000


class SendLimit:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[tuple[str, str], list[float]] = {}

    def count(self, pool_id: str, name: str) -> None:
        """Notes one message. Raises where there were too many."""
        now, key = self._clock.now(), (pool_id, name.lower())
        recent = [moment for moment in self._sent.pop(key, ()) if moment > now - 3600]
        if len(self._sent) >= _LARGEST:
            del self._sent[next(iter(self._sent))]
        self._sent[key] = recent if len(recent) >= PER_HOUR else [*recent, now]
        if len(recent) >= PER_HOUR:
            raise LimitExceededException("Attempt limit exceeded, please try after some time.")

    def clear(self) -> None:
        self._sent.clear()
