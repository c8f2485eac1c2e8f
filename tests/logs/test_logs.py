"""CloudWatch Logs by calling its handlers; events in files and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.services.logs import Logs
from forecourt.store import open_store
from forecourt.telemetry import log_group
from forecourt.telemetry.log_store import LogStore
from forecourt.telemetry.metrics import Metrics

HOUR, DAY = 3_600_000, 86_400_000


class Client:
    """Calls operations by name, as the dispatcher does."""

    def __init__(self, folder: Path | None) -> None:
        self.clock = Clock()
        self.store = open_store(folder and folder / "store", self.clock)
        self.events = LogStore(folder and folder / "logs", self.clock)
        nobody: Any = None  # no filter of these tests calls anybody
        self.logs = Logs(
            store=self.store,
            events=self.events,
            metrics=Metrics(self.clock),
            caller=nobody,
            roles=nobody,
            clock=self.clock,
            ids=Ids(),
        )
        self._table = operations(*self.logs.apis)
        self._context = CallContext(principal=root(), region="us-east-1", request_id="r")

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self._table[operation](self._context, request) or {}

    async def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ServiceError) as error:
            await self(operation, **request)
        return error.value.code, error.value.message

    async def close(self) -> None:
        await self.logs.stop()
        await self.store.close()

    async def make(self, group: str = "g", stream: str = "s") -> None:
        await self("CreateLogGroup", logGroupName=group)
        await self("CreateLogStream", logGroupName=group, logStreamName=stream)

    async def put(self, *events: tuple[int, str], group: str = "g", stream: str = "s") -> dict[str, Any]:
        batch = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
        return await self("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=batch)

    async def get(self, **request: Any) -> dict[str, Any]:
        return await self("GetLogEvents", **{"logGroupName": "g", "logStreamName": "s", **request})

    async def messages(self, **request: Any) -> list[str]:
        answer = await self("FilterLogEvents", **{"logGroupName": "g", **request})
        return [event["message"] for event in answer["events"]]


@pytest.fixture(params=["memory", "files"])
async def logs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    client = Client(tmp_path if request.param == "files" else None)
    await client.logs.start()
    yield client
    await client.close()


async def test_groups_are_made_described_and_deleted(logs: Client) -> None:
    await logs("CreateLogGroup", logGroupName="/aws/lambda/a", tags={"k": "v"})
    await logs("CreateLogGroup", logGroupName="/aws/lambda/b", logGroupClass="INFREQUENT_ACCESS")
    await logs("CreateLogGroup", logGroupName="/other")
    assert await logs.refused("CreateLogGroup", logGroupName="/other") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    groups = (await logs("DescribeLogGroups", logGroupNamePrefix="/aws/lambda/"))["logGroups"]
    assert [g["logGroupName"] for g in groups] == ["/aws/lambda/a", "/aws/lambda/b"]
    assert groups[0]["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/a:*"
    assert "retentionInDays" not in groups[0]
    found = await logs("DescribeLogGroups", logGroupNamePattern="LAMBDA/B")
    assert [g["logGroupName"] for g in found["logGroups"]] == ["/aws/lambda/b"]
    await logs("DeleteLogGroup", logGroupName="/other")
    assert (await logs.refused("DeleteLogGroup", logGroupName="/other"))[0] == "ResourceNotFoundException"
    assert len((await logs("DescribeLogGroups"))["logGroups"]) == 2


async def test_groups_are_paged(logs: Client) -> None:
    for n in range(7):
        await logs("CreateLogGroup", logGroupName=f"g{n}")
    seen, token = [], {}
    while True:
        page = await logs("DescribeLogGroups", limit=3, **token)
        seen.append([g["logGroupName"] for g in page["logGroups"]])
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == [["g0", "g1", "g2"], ["g3", "g4", "g5"], ["g6"]]
    assert await logs.refused("DescribeLogGroups", nextToken="nonsense") == (
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    )


async def test_events_come_back_in_order_of_time(logs: Client) -> None:
    await logs.make()
    now = logs.clock.now_ms()
    await logs.put((now + 2, "third"), (now + 3, "fourth"))
    await logs.put((now, "first"), (now + 2, "also third"))
    events = (await logs.get(startFromHead=True))["events"]
    assert [e["message"] for e in events] == ["first", "third", "also third", "fourth"]
    assert events[0]["timestamp"] == now
    assert events[0]["ingestionTime"] >= now
    assert [e["message"] for e in (await logs.get(limit=2))["events"]] == ["also third", "fourth"]
    ranged = await logs.get(startTime=now + 1, endTime=now + 3)
    assert [e["message"] for e in ranged["events"]] == ["third", "also third"]


async def test_tokens_walk_both_ways_and_repeat_at_the_ends(logs: Client) -> None:
    await logs.make()
    now = logs.clock.now_ms()
    await logs.put(*[(now + n, f"{n}") for n in range(5)])
    page = await logs.get(startFromHead=True, limit=2)
    assert [e["message"] for e in page["events"]] == ["0", "1"]
    page = await logs.get(nextToken=page["nextForwardToken"], limit=2)
    assert [e["message"] for e in page["events"]] == ["2", "3"]
    back = await logs.get(nextToken=page["nextBackwardToken"], limit=2)
    assert [e["message"] for e in back["events"]] == ["0", "1"]
    page = await logs.get(nextToken=page["nextForwardToken"], limit=2)
    assert [e["message"] for e in page["events"]] == ["4"]
    end = await logs.get(nextToken=page["nextForwardToken"])
    assert end["events"] == []
    assert end["nextForwardToken"] == page["nextForwardToken"]
    assert [e["message"] for e in (await logs.get(nextToken=end["nextBackwardToken"]))["events"]] == list("01234")
    await logs.put((now + 9, "new"))
    page = await logs.get(nextToken=end["nextForwardToken"])
    assert [e["message"] for e in page["events"]] == ["new"]


async def test_an_empty_stream_can_be_followed(logs: Client) -> None:
    await logs.make()
    page = await logs.get()
    assert page["events"] == []
    await logs.put((logs.clock.now_ms(), "at last"))
    page = await logs.get(nextToken=page["nextForwardToken"])
    assert [e["message"] for e in page["events"]] == ["at last"]


async def test_what_does_not_exist(logs: Client) -> None:
    missing_group = ("ResourceNotFoundException", "The specified log group does not exist.")
    missing_stream = ("ResourceNotFoundException", "The specified log stream does not exist.")
    assert await logs.refused("GetLogEvents", logGroupName="g", logStreamName="s") == missing_group
    assert await logs.refused("CreateLogStream", logGroupName="g", logStreamName="s") == missing_group
    await logs("CreateLogGroup", logGroupName="g")
    assert await logs.refused("GetLogEvents", logGroupName="g", logStreamName="s") == missing_stream
    assert await logs.refused("FilterLogEvents", logGroupName="g", logStreamNames=["s"]) == missing_stream
    event = {"timestamp": logs.clock.now_ms(), "message": "m"}
    assert await logs.refused("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=[event]) == missing_stream


async def test_filter_over_streams(logs: Client) -> None:
    await logs.make()
    await logs("CreateLogStream", logGroupName="g", logStreamName="t1")
    now = logs.clock.now_ms()
    await logs.put((now, "ERROR a"), (now + 2, "INFO b"), (now + 4, "ERROR c"))
    await logs.put((now + 1, "ERROR d"), stream="t1")
    assert await logs.messages(filterPattern="ERROR") == ["ERROR a", "ERROR d", "ERROR c"]
    assert await logs.messages(filterPattern="ERROR", logStreamNames=["s"]) == ["ERROR a", "ERROR c"]
    assert await logs.messages(logStreamNamePrefix="t") == ["ERROR d"]
    assert await logs.messages(startTime=now + 1, endTime=now + 2) == ["ERROR d", "INFO b"]
    answer = await logs("FilterLogEvents", logGroupName="g", limit=1)
    assert answer["events"][0]["logStreamName"] == "s"
    assert len(answer["events"][0]["eventId"]) == 56
    seen = []
    token: dict[str, str] = {}
    for _ in range(4):
        answer = await logs("FilterLogEvents", logGroupName="g", limit=1, **token)
        seen += [e["message"] for e in answer["events"]]
        token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else {}
    assert seen == ["ERROR a", "ERROR d", "INFO b", "ERROR c"]
    assert token == {}
    assert await logs.refused("FilterLogEvents", logGroupName="g", filterPattern="{ x") == (
        "InvalidParameterException",
        "Invalid filter pattern",
    )


async def test_the_newest_first(logs: Client) -> None:
    await logs.make()
    now = logs.clock.now_ms()
    await logs.put(*[(now + n, f"{n}") for n in range(5)])
    seen: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        answer = await logs("FilterLogEvents", logGroupName="g", startFromHead=False, limit=2, **token)
        seen += [e["message"] for e in answer["events"]]
        token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else {}
    assert (seen, token) == (list("43210"), {})
    code, _ = await logs.refused("FilterLogEvents", logGroupName="g", startFromHead=False, startTime=1)
    assert code == "InvalidParameterException"


async def test_a_search_that_stops_early_goes_on(logs: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_group, "SEGMENT_BYTES", 1)
    monkeypatch.setattr(log_group, "SEARCH_BYTES", 1)
    await logs.make()
    await logs("CreateLogStream", logGroupName="g", logStreamName="t")
    now = logs.clock.now_ms()
    for n in range(6):
        await logs.put((now + n, f"{n}"), (now + n, "noise"), stream="s" if n in (0, 5) else "t")
    for head in (False, True):
        assert [e["message"] for e in (await logs.get(startFromHead=head))["events"]] == ["0", "noise", "5", "noise"]
    assert (await logs.get(startFromHead=True, startTime=now + 1, endTime=now + 5))["events"] == []
    for head in (False, True):
        seen: list[str] = []
        token: dict[str, str] = {}
        pages = 0
        while pages == 0 or token:
            answer = await logs("FilterLogEvents", logGroupName="g", filterPattern="5", startFromHead=head, **token)
            seen += [e["message"] for e in answer["events"]]
            token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else {}
            pages += 1
        assert seen == ["5"]
        assert pages > 2


async def test_a_group_by_its_arn(logs: Client) -> None:
    await logs.make()
    await logs.put((logs.clock.now_ms(), "m"))
    for arn in ("arn:aws:logs:us-east-1:000000000000:log-group:g", "arn:aws:logs:us-east-1:000000000000:log-group:g:*"):
        assert len((await logs("FilterLogEvents", logGroupIdentifier=arn))["events"]) == 1
    code, _ = await logs.refused("FilterLogEvents", logGroupIdentifier="g", logGroupName="g")
    assert code == "InvalidParameterException"


async def test_a_batch_in_disorder_or_too_large_changes_nothing(logs: Client) -> None:
    await logs.make()
    now = logs.clock.now_ms()
    for events in ([(now, "b"), (now - 1, "a")], [(now - 25 * HOUR, "a"), (now, "b")], [(now, "x" * 1_048_576)]):
        with pytest.raises(ServiceError, match="InvalidParameterException"):
            await logs.put(*events)
    assert (await logs.get())["events"] == []


async def test_events_too_new_too_old_or_expired_are_rejected_alone(logs: Client) -> None:
    await logs.make()
    now = logs.clock.now_ms()
    answer = await logs.put((now, "ok"), (now + 3 * HOUR, "too new"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    answer = await logs.put((now - 14 * DAY - 1000, "too old"), (now - 14 * DAY + HOUR, "ok"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    answer = await logs.put((now - DAY - 1000, "expired"), (now - HOUR, "ok"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert [e["message"] for e in (await logs.get(startFromHead=True))["events"]] == ["ok", "ok"]


async def test_retention_lets_events_go(logs: Client) -> None:
    await logs.make()
    await logs.put((logs.clock.now_ms(), "old"))
    await logs("PutRetentionPolicy", logGroupName="g", retentionInDays=3)
    assert (await logs("DescribeLogGroups"))["logGroups"][0]["retentionInDays"] == 3
    assert (await logs("DescribeLogGroups"))["logGroups"][0]["storedBytes"] > 0
    logs.clock.advance(4 * DAY / 1000)
    assert (await logs.get())["events"] == []
    await logs.logs.sweep()
    assert (await logs("DescribeLogGroups"))["logGroups"][0]["storedBytes"] == 0
    await logs("DeleteRetentionPolicy", logGroupName="g")
    assert "retentionInDays" not in (await logs("DescribeLogGroups"))["logGroups"][0]
    code, message = await logs.refused("PutRetentionPolicy", logGroupName="g", retentionInDays=2)
    assert code == "InvalidParameterException"
    assert "enum value set: [1, 3, 5, 7" in message


async def test_streams_by_name_and_by_last_event(logs: Client) -> None:
    await logs("CreateLogGroup", logGroupName="g")
    now = logs.clock.now_ms()
    for n, name in enumerate(["c", "a", "b"]):
        await logs("CreateLogStream", logGroupName="g", logStreamName=name)
        await logs.put((now + n, "m"), stream=name)
    names = lambda answer: [s["logStreamName"] for s in answer["logStreams"]]  # noqa: E731
    assert names(await logs("DescribeLogStreams", logGroupName="g")) == ["a", "b", "c"]
    assert names(await logs("DescribeLogStreams", logGroupName="g", logStreamNamePrefix="b")) == ["b"]
    request = {"logGroupName": "g", "orderBy": "LastEventTime", "descending": True, "limit": 2}
    page = await logs("DescribeLogStreams", **request)
    assert names(page) == ["b", "a"]
    assert names(await logs("DescribeLogStreams", **request, nextToken=page["nextToken"])) == ["c"]
    newest = page["logStreams"][0]
    assert (newest["firstEventTimestamp"], newest["lastEventTimestamp"]) == (now + 2, now + 2)
    assert newest["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:b"
    _, message = await logs.refused("DescribeLogStreams", logStreamNamePrefix="a", **request)
    assert message == "Cannot order by LastEventTime with a logStreamNamePrefix."


async def test_a_deleted_stream_does_not_come_back_with_its_events(logs: Client) -> None:
    await logs.make()
    await logs("CreateLogStream", logGroupName="g", logStreamName="t")
    now = logs.clock.now_ms()
    await logs.put((now, "old"))
    await logs.put((now, "other"), stream="t")
    await logs("DeleteLogStream", logGroupName="g", logStreamName="s")
    assert await logs.messages() == ["other"]
    await logs("CreateLogStream", logGroupName="g", logStreamName="s")
    await logs.put((now, "new"))
    assert [e["message"] for e in (await logs.get())["events"]] == ["new"]
    await logs("DeleteLogGroup", logGroupName="g")
    await logs.make()
    assert await logs.messages() == []


async def test_deletion_protection(logs: Client) -> None:
    await logs("CreateLogGroup", logGroupName="g", deletionProtectionEnabled=True)
    assert (await logs.refused("DeleteLogGroup", logGroupName="g"))[0] == "ValidationException"
    await logs("PutLogGroupDeletionProtection", logGroupIdentifier="g", deletionProtectionEnabled=False)
    await logs("DeleteLogGroup", logGroupName="g")


async def test_tags_by_name_and_by_arn(logs: Client) -> None:
    await logs("CreateLogGroup", logGroupName="g", tags={"a": "1"})
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:g"
    await logs("TagResource", resourceArn=arn, tags={"b": "2"})
    await logs("TagLogGroup", logGroupName="g", tags={"a": "3"})
    assert await logs("ListTagsForResource", resourceArn=f"{arn}:*") == {"tags": {"a": "3", "b": "2"}}
    await logs("UntagResource", resourceArn=arn, tagKeys=["b"])
    assert await logs("ListTagsLogGroup", logGroupName="g") == {"tags": {"a": "3"}}
    await logs("UntagLogGroup", logGroupName="g", tags=["a"])
    assert await logs("ListTagsForResource", resourceArn=arn) == {"tags": {}}
    code, _ = await logs.refused("TagResource", resourceArn=arn, tags={f"{n}": "" for n in range(51)})
    assert code == "TooManyTagsException"


async def test_what_a_sink_writes_makes_its_group_and_stream(logs: Client) -> None:
    now = logs.clock.now_ms()
    for n in range(3):
        logs.events.write("000000000000", "us-east-1", "/aws/lambda/f", "2026/[$LATEST]x", now + n, f"line {n}")
    groups = (await logs("DescribeLogGroups"))["logGroups"]
    assert [g["logGroupName"] for g in groups] == ["/aws/lambda/f"]
    streams = (await logs("DescribeLogStreams", logGroupName="/aws/lambda/f"))["logStreams"]
    assert [(s["logStreamName"], s["lastEventTimestamp"]) for s in streams] == [("2026/[$LATEST]x", now + 2)]
    assert await logs.messages(logGroupName="/aws/lambda/f") == ["line 0", "line 1", "line 2"]


async def test_trying_a_pattern(logs: Client) -> None:
    answer = await logs("TestMetricFilter", filterPattern="[a, b>1]", logEventMessages=["x 1", "x 2", "x"])
    assert answer == {"matches": [{"eventNumber": 2, "eventMessage": "x 2", "extractedValues": {"$a": "x", "$b": "2"}}]}


async def test_a_page_holds_a_megabyte(logs: Client) -> None:
    await logs.make()
    now = logs.clock.now_ms()
    for n in range(5):
        await logs.put((now + n, f"{n}" + "x" * 400_000))
    page = await logs.get(startFromHead=True)
    assert [e["message"][0] for e in page["events"]] == ["0", "1"]
    page = await logs.get(nextToken=page["nextForwardToken"])
    assert [e["message"][0] for e in page["events"]] == ["2", "3"]
    assert [e["message"][0] for e in (await logs.get())["events"]] == ["3", "4"]


async def test_reset_forgets_everything(logs: Client) -> None:
    await logs.make()
    await logs.put((logs.clock.now_ms(), "m"))
    await logs.store.reset()
    await logs.logs.reset()
    await logs.make()
    assert await logs.messages() == []


async def test_events_are_there_after_a_restart(tmp_path: Path) -> None:
    logs = Client(tmp_path)
    await logs.make()
    now = logs.clock.now_ms()
    await logs.put((now, "acknowledged"))
    await logs("CreateLogStream", logGroupName="g", logStreamName="gone")
    await logs.put((now, "deleted"), stream="gone")
    await logs("DeleteLogStream", logGroupName="g", logStreamName="gone")
    # No stop: as after a kill. The store is closed only to give its lock back.
    await logs.store.close()
    logs = Client(tmp_path)
    await logs.logs.start()
    await logs.put((now + 1, "later"))
    assert await logs.messages() == ["acknowledged", "later"]
    await logs.close()
