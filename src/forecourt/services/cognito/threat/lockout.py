"""Lock-out after failed attempts, as AWS does it: from the fifth failure on one second, doubling with every failure to
about fifteen minutes; attempts while locked out are refused unseen and change nothing; a success or fifteen quiet
minutes forget.

Names of users who do not exist are counted the same, so that a lock-out tells nothing. Judged in memory, bounded: the
oldest entries that lock nobody out go first. A journal keeps them over a restart.
https://docs.aws.amazon.com/cognito/latest/developerguide/authentication.html#authentication-flow-lockout-behavior
"""

from __future__ import annotations

import msgspec

from forecourt.base.clock import Clock
from forecourt.services.cognito.errors import NotAuthorizedException
from forecourt.services.cognito.model import Tally
from forecourt.services.cognito.threat.journal import Journal

PURPOSE = "failures"
FREE_ATTEMPTS = 4
LONGEST_SECONDS = 900.0
FORGOTTEN_AFTER_SECONDS = 900.0
_LARGEST = 100_000


class Failures(msgspec.Struct):
    count: int
    last: float
    locked_until: float


def lock_seconds(failures: int) -> float:
    """How long the user is locked out after so many failures."""
    return min(2.0 ** (failures - FREE_ATTEMPTS - 1), LONGEST_SECONDS) if failures > FREE_ATTEMPTS else 0.0


class Lockout:
    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._failures: dict[tuple[str, str], Failures] = {}

    def check(self, pool_id: str, name: str) -> None:
        found = self._failures.get((pool_id, name))
        if found is not None and found.locked_until > self._clock.now():
            raise NotAuthorizedException("Password attempts exceeded")

    def failed(self, pool_id: str, name: str) -> int:
        """Counts a failure. Returns how many there are now."""
        now, key = self._clock.now(), (pool_id, name)
        found = self._failures.pop(key, None)
        if found is None or found.last + FORGOTTEN_AFTER_SECONDS < now:
            found = Failures(0, now, 0.0)
        count = found.count + 1
        self._make_room(now)
        failures = Failures(count, now, now + lock_seconds(count))
        self._failures[key] = failures
        self._journal.put(_tally(pool_id, name, failures))
        return count

    def succeeded(self, pool_id: str, name: str) -> None:
        if self._failures.pop((pool_id, name), None) is not None:
            self._journal.delete(pool_id, PURPOSE, name)

    def recent(self, pool_id: str, name: str) -> int:
        found = self._failures.get((pool_id, name))
        return found.count if found else 0

    def load(self, tally: Tally) -> None:
        self._failures[tally.pool_id, tally.name] = Failures(tally.count, tally.last, tally.locked_until)

    def clear(self) -> None:
        self._failures.clear()

    def _make_room(self, now: float) -> None:
        if len(self._failures) < _LARGEST:
            return
        stale = [key for key, failures in self._failures.items() if failures.locked_until <= now]
        for key in stale[: _LARGEST // 10] or list(self._failures)[:1]:
            del self._failures[key]


def _tally(pool_id: str, name: str, failures: Failures) -> Tally:
    return Tally(
        pool_id=pool_id,
        purpose=PURPOSE,
        name=name,
        expires_at=max(failures.last + FORGOTTEN_AFTER_SECONDS, failures.locked_until),
        count=failures.count,
        last=failures.last,
        locked_until=failures.locked_until,
    )
