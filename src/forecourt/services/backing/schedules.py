"""What is due at certain times: EventBridge's rules with a schedule (`rules`) and its Scheduler (`scheduler`).

moto keeps both and never fires them. A source says which there are whenever one was changed; that is kept, so that a
restart need not load moto to know. Once a minute, by Forecourt's clock, what is due is fired. What fell due on the way
of a clock that is moved, or while no process ran and not longer ago than the target's MaximumEventAgeInSeconds, is
made up for, at most `_MOST_AT_ONCE` times each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from functools import partial
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from forecourt.base.clock import Clock, Timer
from forecourt.base.errors import ServiceError
from forecourt.services.backing import timetable
from forecourt.services.backing.last_resorts import DAY_SECONDS
from forecourt.services.backing.message import Request
from forecourt.store import Document, Store, Tx

_log = logging.getLogger("forecourt.backing")

_MINUTE = 60
_NAME = "schedules"
# The services that are called have started by then.
_STARTING_SECONDS = 1.0
_MOST_AT_ONCE = 100
_LONGEST_WAY_BACK = 7 * 1440


class Planned(Document):
    """An enabled rule or schedule. `since`: the minute that rates are counted from; `start` and `end` in epoch seconds,
    0 where there is none."""

    __kind__ = "backing.Planned"
    __key__ = ("account", "region", "arn")

    account: str
    region: str
    arn: str
    expression: str
    since: int
    zone: str = "UTC"
    start: float = 0.0
    end: float = 0.0
    # How long after its time it is still fired.
    late_seconds: float = DAY_SECONDS

    @property
    def service(self) -> str:
        return self.arn.split(":")[2]


class Seen(Document):
    """The last minute of which everything was fired. Kept when something was, or when what is planned changes: in the
    minutes since nothing was due."""

    __kind__ = "backing.SchedulesSeen"
    __key__ = ("name",)

    name: str
    minute: int


class Change(NamedTuple):
    """`found` take the place of those that `replaces` names."""

    replaces: Callable[[Planned], bool]
    found: Sequence[Planned]


class Source(Protocol):
    def concerns(self, request: Request) -> bool:
        """Whether it may have changed what is planned."""
        ...

    async def look(self, request: Request, minute: int) -> Change: ...

    async def fire(self, planned: Planned, minute: int) -> None:
        """Raises `ServiceError`."""
        ...


class Schedules:
    """`sources` by the service in the ARNs of what they plan."""

    def __init__(self, store: Store | None, sources: Mapping[str, Source], clock: Clock) -> None:
        self._store = store
        self._sources = sources
        self._clock = clock
        self._planned: dict[str, Planned] = {}
        self._dues: dict[str, timetable.Due] = {}
        self._seen = 0
        self._timer: Timer | None = None
        self._catch_up: Timer | None = None
        self._firing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._store is None:
            return
        self._take(await self._store.list(Planned))
        seen = await self._store.get(Seen, _NAME)
        if seen is not None and self._planned:
            make_up = partial(self._make_up, seen.minute, self._seen)
            self._catch_up = self._clock.call_later(_STARTING_SECONDS, make_up)

    async def stop(self) -> None:
        self.forget()
        if self._firing is not None:
            self._firing.cancel()
            await asyncio.gather(self._firing, return_exceptions=True)

    def forget(self) -> None:
        for timer in filter(None, (self._timer, self._catch_up)):
            timer.cancel()
        self._timer = self._catch_up = None
        self._planned, self._dues = {}, {}

    async def note(self, request: Request) -> None:
        """`request` was carried out."""
        for source in self._sources.values():
            if source.concerns(request):
                await self._change(await source.look(request, self._minute))

    async def _change(self, change: Change) -> None:
        gone = [old for old in self._planned.values() if change.replaces(old)]
        found = [self._continued(planned) for planned in change.found]
        if self._store is not None and (gone or found):

            def write(tx: Tx) -> None:
                for old in gone:
                    tx.delete(Planned, old.account, old.region, old.arn)
                for planned in found:
                    tx.put(planned)
                tx.put(Seen(name=_NAME, minute=self._minute))

            await self._store.write(write)
        for old in gone:
            self._planned.pop(old.arn, None)
            self._dues.pop(old.arn, None)
        self._take(found)

    def _continued(self, planned: Planned) -> Planned:
        """What has the same expression as before goes on in its rhythm."""
        old = self._planned.get(planned.arn)
        if old is not None and old.expression == planned.expression:
            planned.since = old.since
        return planned

    @property
    def _minute(self) -> int:
        return int(self._clock.now() // _MINUTE)

    def _take(self, found: Sequence[Planned]) -> None:
        for planned in found:
            try:
                zone = UTC if planned.zone == "UTC" else ZoneInfo(planned.zone)
                self._dues[planned.arn] = timetable.due(planned.expression, zone)
            except (timetable.NotASchedule, ZoneInfoNotFoundError, ValueError):
                _log.warning("the schedule of %s is not understood: %s", planned.arn, planned.expression)
                continue
            self._planned[planned.arn] = planned
        if self._planned and self._timer is None:
            self._seen = self._minute
            self._arm()

    def _arm(self) -> None:
        self._timer = self._clock.call_at((self._minute + 1) * _MINUTE, self._tick)

    def _tick(self) -> None:
        seen, self._seen = max(self._seen, self._minute - _LONGEST_WAY_BACK), self._minute
        self._fire_all(lambda _: seen, self._seen)
        self._arm()

    def _make_up(self, seen: int, last: int) -> None:
        """For what fell due while nothing ran, after the minute that was `seen` before."""
        self._fire_all(lambda planned: max(seen, last - int(planned.late_seconds // _MINUTE)), last)

    def _fire_all(self, seen: Callable[[Planned], int], last: int) -> None:
        """All that is due after the minute that was `seen` of it, to the `last`, in the order of time."""
        found = ((planned, self._due(planned, seen(planned), last)) for planned in self._planned.values())
        due = [(minute, planned) for planned, minutes in found for minute in minutes]
        if due:
            before, due = self._firing, sorted(due, key=lambda one: one[0])
            self._firing = asyncio.get_running_loop().create_task(self._fire(before, due))

    def _due(self, planned: Planned, seen: int, last: int) -> list[int]:
        is_due, end = self._dues[planned.arn], planned.end or float("inf")
        minutes = [
            minute
            for minute in range(max(seen, planned.since) + 1, last + 1)
            if planned.start <= minute * _MINUTE <= end and is_due(minute, planned.since)
        ]
        return minutes[-_MOST_AT_ONCE:]

    async def _fire(self, before: asyncio.Task[None] | None, due: list[tuple[int, Planned]]) -> None:
        if before is not None:
            await before
        for minute, planned in due:
            try:
                await self._sources[planned.service].fire(planned, minute)
            except (ServiceError, ValueError, KeyError) as error:
                _log.warning("%s was due and could not be fired: %s", planned.arn, error)
        if self._store is not None:
            seen = Seen(name=_NAME, minute=due[-1][0])
            await self._store.write(lambda tx: tx.put(seen))
