"""Reading an execution's history from its log, whose entries are arrays of events."""

from __future__ import annotations

import msgspec

from forecourt.services.stepfunctions.engine.history import HistoryEvent
from forecourt.services.stepfunctions.run.stored import stream_of
from forecourt.store import Store

_ENTRIES_AT_ONCE = 16
_decode_events = msgspec.msgpack.Decoder(list[HistoryEvent]).decode

# Where a page of history begins: (entry of the log, id of the last event shown)
Position = tuple[int, int]


async def page_of(
    store: Store, place: str, after: Position | None, limit: int, reverse: bool
) -> tuple[list[HistoryEvent], Position | None]:
    """Up to `limit` events behind the position `after`, and where the next page begins (None: there is none)."""
    found: list[HistoryEvent] = []
    last_id = after[1] if after else 0
    entry = after[0] if after else await _first_entry(store, place, reverse)
    while chunk := await _entries(store, place, entry, reverse):
        for sequence, body in chunk:
            events = _decode_events(body)
            for event in reversed(events) if reverse else events:
                if last_id and (event.id >= last_id if reverse else event.id <= last_id):
                    continue
                if len(found) == limit:
                    return found, (sequence, found[-1].id)
                found.append(event)
            entry = sequence - 1 if reverse else sequence + 1
    return found, None


async def event_of(store: Store, place: str, event_id: int) -> HistoryEvent | None:
    """One event; those of late are found first."""
    entry = await _first_entry(store, place, reverse=True)
    while chunk := await _entries(store, place, entry, reverse=True):
        for sequence, body in chunk:
            for event in _decode_events(body):
                if event.id == event_id:
                    return event
            entry = sequence - 1
    return None


async def _first_entry(store: Store, place: str, reverse: bool) -> int:
    if not reverse:
        return 1
    last = await store.read_log(stream_of(place), limit=1, reverse=True)
    return last[0][0] if last else 0


async def _entries(store: Store, place: str, entry: int, reverse: bool) -> list[tuple[int, bytes]]:
    """Some entries of the log from `entry` on, in the direction of reading."""
    if not reverse:
        return await store.read_log(stream_of(place), after=entry - 1, limit=_ENTRIES_AT_ONCE)
    first = max(entry - _ENTRIES_AT_ONCE, 0)
    return (await store.read_log(stream_of(place), after=first, limit=entry - first))[::-1] if entry > 0 else []
