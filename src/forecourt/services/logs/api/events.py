"""Log events: put, get, filter; and trying out a filter pattern."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.services.logs import batch, requests
from forecourt.services.logs.errors import InvalidParameterException
from forecourt.services.logs.model import LogGroup, LogStream
from forecourt.services.logs.pattern import BadPattern, Matcher, compile_pattern
from forecourt.services.logs.store import LogsStore
from forecourt.telemetry.log_group import Position, Search
from forecourt.telemetry.log_store import LogStore
from forecourt.telemetry.segments import LogEvent

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

# A page holds at most so many events, and so many bytes.
_PAGE = 10_000
_PAGE_BYTES = 1_048_576
_DAY_MS = 86_400_000
# Jan 1, 2024: what AWS says of FilterLogEvents' startFromHead.
_BACK_FROM_MS = 1_704_067_200_000
_BEGINNING: Position = (0, 0)
_END: Position = (10**15, 0)


class EventsApi:
    def __init__(self, logs: LogsStore, events: LogStore, clock: Clock) -> None:
        self._logs = logs
        self._events = events
        self._clock = clock

    @operation("PutLogEvents")
    async def put_log_events(self, context: CallContext, request: aws.PutLogEventsRequestTypeDef) -> dict[str, Any]:
        group = await self._logs.group((context.account, context.region, request["logGroupName"]))
        stream = await self._logs.stream(group.key, request["logStreamName"])
        now = self._clock.now_ms()
        accepted = batch.accept(request["logEvents"], now, group.retention_days)
        if accepted.events:
            await self._events.put(group.key, stream.name, accepted.events)
        answer: dict[str, Any] = {"nextSequenceToken": f"{now:056}"}
        return answer | ({"rejectedLogEventsInfo": accepted.rejected} if accepted.rejected else {})

    @operation("GetLogEvents")
    async def get_log_events(self, context: CallContext, request: aws.GetLogEventsRequestTypeDef) -> dict[str, Any]:
        group = await self._logs.group(requests.group_key(context, request))
        await self._events.flush()
        stream = await self._logs.stream(group.key, request["logStreamName"])
        token = request.get("nextToken")
        direction, after = requests.events_position(token) if token else _start(request.get("startFromHead", False))
        back = direction == "b"
        search = self._within(group, request, limit=request.get("limit", _PAGE), streams={stream.name}, after=after)
        page = _fitting(await self._all_of_page(group, search._replace(reverse=back)))
        events = page[::-1] if back else page
        first, last = (_at(events[0]), _at(events[-1])) if events else _around(after, direction)
        return {
            "events": [_event(event) for event in events],
            # At an end of the stream the same token comes back.
            "nextForwardToken": requests.events_token("f", last),
            "nextBackwardToken": requests.events_token("b", first),
        }

    @operation("FilterLogEvents")
    async def filter_log_events(
        self, context: CallContext, request: aws.FilterLogEventsRequestTypeDef
    ) -> dict[str, Any]:
        group = await self._logs.group(requests.group_key(context, request))
        await self._events.flush()
        matcher = _compiled(request.get("filterPattern", ""))
        token, limit = request.get("nextToken"), request.get("limit", _PAGE)
        direction, after = requests.events_position(token) if token else (_direction(request), None)
        streams = await self._streams(group, request)
        search = self._within(group, request, limit=limit + 1, streams=streams, after=after)._replace(
            reverse=direction == "b", matches=lambda event: matcher.matches(event.message)
        )
        # Unlike GetLogEvents' end time, this one is within.
        found = await self._events.search(group.key, search._replace(end_ms=search.end_ms + 1))
        page = _fitting(found.events[:limit])
        answer: dict[str, Any] = {"events": [_filtered(event) for event in page], "searchedLogStreams": []}
        if len(page) < len(found.events):
            answer["nextToken"] = requests.events_token(direction, _at(page[-1]))
        elif found.resume is not None:
            answer["nextToken"] = requests.events_token(direction, found.resume)
        return answer

    @operation("TestMetricFilter")
    async def test_metric_filter(
        self, context: CallContext, request: aws.TestMetricFilterRequestTypeDef
    ) -> dict[str, Any]:
        matcher = _compiled(request["filterPattern"])
        return {
            "matches": [
                {"eventNumber": number, "eventMessage": message, "extractedValues": matcher.extract(message)}
                for number, message in enumerate(request["logEventMessages"], 1)
                if matcher.matches(message)
            ]
        }

    async def _all_of_page(self, group: LogGroup, search: Search) -> list[LogEvent]:
        """An empty page would tell the caller that the stream has ended: goes on where a search stopped early."""
        found = await self._events.search(group.key, search)
        events = found.events
        while found.resume is not None and len(events) < search.limit:
            rest = search._replace(limit=search.limit - len(events), after=found.resume)
            found = await self._events.search(group.key, rest)
            events += found.events
        return events

    def _within(
        self, group: LogGroup, request: Any, *, limit: int, streams: Collection[str] | None, after: Position | None
    ) -> Search:
        """The time that was asked for, and nothing that the group's retention has let go."""
        kept_from = self._clock.now_ms() - group.retention_days * _DAY_MS if group.retention_days else 0
        start, end = max(int(request.get("startTime", 0)), kept_from), int(request.get("endTime", 2**62))
        return Search(limit, streams, start, end, after)

    async def _streams(self, group: LogGroup, request: aws.FilterLogEventsRequestTypeDef) -> Collection[str] | None:
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
        if names and prefix:
            raise InvalidParameterException(
                "LogStream names and LogStream name prefix are mutually exclusive parameters."
            )
        if names:
            return {(await self._logs.stream(group.key, name)).name for name in names}
        if prefix:
            found = await self._logs.store.list(LogStream, *group.key, starts_with=prefix)
            return {stream.name for stream in found}
        return None


def _direction(request: aws.FilterLogEventsRequestTypeDef) -> str:
    if request.get("startFromHead", True):
        return "f"
    if request.get("startTime", _BACK_FROM_MS) < _BACK_FROM_MS:
        raise InvalidParameterException(
            "startFromHead can be false only where startTime is on or after Jan 1, 2024 00:00:00 UTC."
        )
    return "b"


def _start(from_head: bool) -> tuple[str, Position]:
    return ("f", _BEGINNING) if from_head else ("b", _END)


def _around(at: Position, direction: str) -> tuple[Position, Position]:
    """Where to go on backward and forward when nothing was found in `direction`."""
    if at in (_BEGINNING, _END):
        return at, _BEGINNING
    timestamp, sequence = at
    return (at, (timestamp, sequence - 1)) if direction == "b" else ((timestamp, sequence + 1), at)


def _compiled(pattern: str) -> Matcher:
    try:
        return compile_pattern(pattern)
    except BadPattern:
        raise InvalidParameterException("Invalid filter pattern") from None


def _fitting(events: list[LogEvent]) -> list[LogEvent]:
    """As many as fit into a page's bytes, one at least."""
    size = 0
    for count, event in enumerate(events):
        size += len(event.message.encode())
        if size > _PAGE_BYTES and count:
            return events[:count]
    return events


def _at(event: LogEvent) -> Position:
    return event.timestamp_ms, event.sequence


def _event(event: LogEvent) -> dict[str, Any]:
    return {"timestamp": event.timestamp_ms, "message": event.message, "ingestionTime": event.ingestion_ms}


def _filtered(event: LogEvent) -> dict[str, Any]:
    return {"logStreamName": event.stream, "eventId": requests.event_id(_at(event)), **_event(event)}
