"""Logs Insights: queries over log groups, and single events with the fields that are discovered in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.errors import NotImplementedYet
from forecourt.base.ids import Ids
from forecourt.services.logs import requests
from forecourt.services.logs.errors import (
    InvalidParameterException,
    MalformedQueryException,
    ResourceNotFoundException,
)
from forecourt.services.logs.insights import MOST_ROWS, MalformedQuery, Query, Row, compile_query, event_row, shown
from forecourt.services.logs.model import LogGroup
from forecourt.services.logs.queries import Asked, Queries, Run
from forecourt.services.logs.store import LogsStore
from forecourt.telemetry.log_group import Search
from forecourt.telemetry.log_store import GroupKey, LogStore

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

_DAY_MS = 86_400_000
_LANGUAGE = "CWLI"
_MOST_GROUPS = 50
_MINUTE_MS = 60_000
# GetLogGroupFields looks at so many events.
_SAMPLE = 1_000


class QueriesApi:
    def __init__(self, logs: LogsStore, events: LogStore, queries: Queries, clock: Clock, ids: Ids) -> None:
        self._logs = logs
        self._events = events
        self._queries = queries
        self._clock = clock
        self._ids = ids

    @operation("StartQuery")
    async def start_query(self, context: CallContext, request: aws.StartQueryRequestTypeDef) -> dict[str, Any]:
        check_language(request)
        query = compiled(request["queryString"], self._clock.now())
        groups = [await self._logs.group(key) for key in _groups(context, request)]
        start, end = int(request["startTime"]), int(request["endTime"])
        if start > end:
            raise InvalidParameterException("End time should not be before start time.")
        id = self._ids.uuid()
        asked = Asked(
            account=context.account,
            region=context.region,
            text=request["queryString"],
            query=query,
            groups=[(group.key, self._kept_from(group)) for group in groups],
            start_ms=start * 1000,
            end_ms=end * 1000 + 1,
            limit=min(request.get("limit", MOST_ROWS), MOST_ROWS),
        )
        self._queries.start(id, asked)
        return {"queryId": id}

    @operation("GetQueryResults")
    async def get_query_results(
        self, context: CallContext, request: aws.GetQueryResultsRequestTypeDef
    ) -> dict[str, Any]:
        run = self._queries.get(context.account, context.region, request["queryId"])
        start = _page_start(request.get("nextToken"))
        end = start + request.get("maxItems", MOST_ROWS)
        answer: dict[str, Any] = {
            "queryLanguage": _LANGUAGE,
            "status": run.status,
            "statistics": _statistics(run),
            "results": [
                [{"field": name, "value": value} for name, value in row] for row in run.results.rows[start:end]
            ],
        }
        return answer | ({"nextToken": requests.page_token((str(end),))} if end < len(run.results.rows) else {})

    @operation("StopQuery")
    async def stop_query(self, context: CallContext, request: aws.StopQueryRequestTypeDef) -> dict[str, Any]:
        run = self._queries.get(context.account, context.region, request["queryId"])
        if run.is_over:
            raise InvalidParameterException(f"The query {run.id} is not running.")
        run.stopped.set()
        return {"success": True}

    @operation("DescribeQueries")
    async def describe_queries(
        self, context: CallContext, request: aws.DescribeQueriesRequestTypeDef
    ) -> dict[str, Any]:
        group, status = request.get("logGroupName"), request.get("status")
        start = _page_start(request.get("nextToken"))
        end = start + request.get("maxResults", 1000)
        found = [
            run
            for run in self._queries.latest_first(context.account, context.region)
            if status in (None, run.status) and (group is None or any(key[2] == group for key, _ in run.asked.groups))
        ]
        answer: dict[str, Any] = {"queries": [_described(run) for run in found[start:end]]}
        return answer | ({"nextToken": requests.page_token((str(end),))} if end < len(found) else {})

    @operation("GetLogRecord")
    async def get_log_record(self, context: CallContext, request: aws.GetLogRecordRequestTypeDef) -> dict[str, Any]:
        try:
            key, stream, (timestamp, sequence) = self._queries.pointers.read(request["logRecordPointer"])
        except ValueError:
            raise InvalidParameterException("Invalid logRecordPointer.") from None
        if key[:2] != (context.account, context.region):
            raise InvalidParameterException("Invalid logRecordPointer.")
        group = await self._logs.group(key)
        search = Search(1, {stream}, max(timestamp, self._kept_from(group)), timestamp + 1)
        rows = await self._rows(key, search._replace(matches=lambda event: event.sequence == sequence))
        if not rows:
            raise ResourceNotFoundException("The specified log record does not exist.")
        return {"logRecord": {name: shown(value) for name, value in _all(rows[0]).items()}}

    @operation("GetLogGroupFields")
    async def get_log_group_fields(
        self, context: CallContext, request: aws.GetLogGroupFieldsRequestTypeDef
    ) -> dict[str, Any]:
        group = await self._logs.group(requests.group_key(context, request))
        now = self._clock.now_ms()
        start, end = now - 15 * _MINUTE_MS, now + 1
        if "time" in request:
            start, end = (int(request["time"]) * 1000 + sign * 8 * _MINUTE_MS for sign in (-1, 1))
        search = Search(_SAMPLE, None, max(start, self._kept_from(group)), end, reverse=True)
        rows = await self._rows(group.key, search)
        counts = Counter(name for row in rows for name in _all(row))
        return {
            "logGroupFields": [
                {"name": name, "percent": 100 * count // len(rows)} for name, count in counts.most_common()
            ]
        }

    def _kept_from(self, group: LogGroup) -> int:
        return self._clock.now_ms() - group.retention_days * _DAY_MS if group.retention_days else 0

    async def _rows(self, key: GroupKey, search: Search) -> list[Row]:
        found, to = await self._events.search(key, search), self._queries.pointers.to
        return [
            event_row(key, event.stream, event.timestamp_ms, event.ingestion_ms, event.message, to(key, event))
            for event in found.events
        ]


def check_language(request: Mapping[str, Any]) -> None:
    if request.get("queryLanguage", _LANGUAGE) != _LANGUAGE:
        raise NotImplementedYet(f"Forecourt reads queries in {_LANGUAGE} (Logs Insights QL) only.")


def compiled(text: str, now: float) -> Query:
    """Raises `MalformedQueryException`."""
    try:
        return compile_query(text, now)
    except MalformedQuery as error:
        location = {"startCharOffset": error.start, "endCharOffset": error.end}
        raise MalformedQueryException(
            error.message, queryCompileError={"location": location, "message": error.message}
        ) from None


def _groups(context: CallContext, request: Mapping[str, Any]) -> list[GroupKey]:
    given = [member for member in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if request.get(member)]
    if len(given) != 1:
        raise InvalidParameterException(
            "Exactly one of logGroupName, logGroupNames and logGroupIdentifiers has to be given."
        )
    named = request[given[0]]
    names = [named] if isinstance(named, str) else named
    if len(names) > _MOST_GROUPS:
        raise InvalidParameterException(f"A query can have at most {_MOST_GROUPS} log groups.")
    return list(dict.fromkeys(requests.group_key(context, {"logGroupIdentifier": name}) for name in names))


def _all(row: Row) -> dict[str, Any]:
    return {**row.values, **row.discovered}


def _page_start(token: str | None) -> int:
    position = requests.page_after(token)
    if position is None:
        return 0
    if len(position) != 1 or not position[0].isdecimal():
        raise InvalidParameterException("The specified nextToken is invalid.")
    return int(position[0])


def _statistics(run: Run) -> dict[str, float]:
    return {
        "recordsMatched": float(run.results.matched),
        "recordsScanned": float(run.scanned),
        "bytesScanned": float(run.scanned_bytes),
        "estimatedRecordsSkipped": 0.0,
        "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": float(len(run.asked.groups)),
        "resultCount": float(len(run.results.rows)),
    }


def _described(run: Run) -> dict[str, Any]:
    return {
        "queryLanguage": _LANGUAGE,
        "queryId": run.id,
        "queryString": run.asked.text,
        "status": run.status,
        "createTime": run.created_ms,
        "logGroupName": run.asked.groups[0][0][2],
        "queryDuration": int(run.seconds * 1000),
        "bytesScanned": float(run.scanned_bytes),
    }
