"""How many one-time codes are sent to one user: so many per hour, whoever asks, so that nobody's mailbox is flooded.

Counted for users who do not exist as well. Judged in memory, bounded: the oldest entries go first;
a journal keeps them over a restart.
"""

from __future__ import annotations

from forecourt.base.clock import Clock
from forecourt.services.cognito.errors import TooManyRequestsException
from forecourt.services.cognito.model import Tally
from forecourt.services.cognito.threat.journal import Journal

PURPOSE = "sent"
PER_HOUR = 30
_LARGEST = 100_000


class SendLimit:
    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._sent: dict[tuple[str, str], list[float]] = {}

    def count(self, pool_id: str, name: str) -> None:
        """Notes one message. Raises where there were too many."""
        now, key = self._clock.now(), (pool_id, name.lower())
        recent = [moment for moment in self._sent.pop(key, ()) if moment > now - 3600]
        if len(self._sent) >= _LARGEST:
            del self._sent[next(iter(self._sent))]
        self._sent[key] = recent if len(recent) >= PER_HOUR else [*recent, now]
        if len(recent) >= PER_HOUR:
            raise TooManyRequestsException("Attempt limit exceeded, please try after some time.")
        self._journal.put(
            Tally(pool_id=key[0], purpose=PURPOSE, name=key[1], expires_at=now + 3600, sent=self._sent[key])
        )

    def load(self, tally: Tally) -> None:
        self._sent[tally.pool_id, tally.name] = tally.sent

    def clear(self) -> None:
        self._sent.clear()
