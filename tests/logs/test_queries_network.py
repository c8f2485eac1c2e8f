"""Logs Insights with boto3, over the network: queries, their pages, kept queries, single events."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from forecourt.base.paging import decode_token, encode_token
from forecourt.testing import Forecourt


@pytest.fixture(scope="module")
def groups(server: Forecourt) -> list[str]:
    """Two groups of a hundred events each, of the last two minutes."""
    logs = server.client("logs")
    names = [f"/insights/{uuid.uuid4()}" for _ in range(2)]
    now = int(server.ask("/_forecourt/clock")["now"] * 1000)
    for group in names:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        events = [
            {"timestamp": now - 120_000 + n * 1000, "message": f'{{"n": {n}, "even": {1 - n % 2}}}'} for n in range(100)
        ]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    return names


def ask(server: Forecourt, query: str, **where: Any) -> dict[str, Any]:
    logs = server.client("logs")
    now = int(server.ask("/_forecourt/clock")["now"])
    where.setdefault("startTime", now - 600)
    started = logs.start_query(endTime=now + 60, queryString=query, **where)["queryId"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer: dict[str, Any] = logs.get_query_results(queryId=started)
        if answer["status"] not in ("Scheduled", "Running"):
            return answer
    raise AssertionError("the query does not end")


def rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [{field["field"]: field["value"] for field in row} for row in answer["results"]]


def test_a_query_over_one_group(server: Forecourt, groups: list[str]) -> None:
    answer = ask(server, "filter even = 1 | sort n asc | limit 3 | display n", logGroupName=groups[0])
    assert (answer["status"], answer["queryLanguage"]) == ("Complete", "CWLI")
    assert [row["n"] for row in rows(answer)] == ["0", "2", "4"]
    statistics = answer["statistics"]
    assert (statistics["recordsScanned"], statistics["recordsMatched"], statistics["resultCount"]) == (100, 50, 3)


def test_a_query_over_several_groups_newest_first(server: Forecourt, groups: list[str]) -> None:
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{groups[1]}"
    answer = ask(server, "fields n, @log", logGroupIdentifiers=[groups[0], arn], limit=4)
    assert sorted((row["n"], row["@log"]) for row in rows(answer)) == sorted(
        (n, f"000000000000:{group}") for n in ("98", "99") for group in groups
    )
    counted = ask(server, "stats count(*) as n by @log | sort n", logGroupNames=groups)
    assert [row["n"] for row in rows(counted)] == ["100", "100"]


def test_more_events_than_a_page_of_the_search(server: Forecourt) -> None:
    logs, group = server.client("logs"), f"/insights/{uuid.uuid4()}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(server.ask("/_forecourt/clock")["now"] * 1000)
    for _ in range(2):
        events = [{"timestamp": now, "message": str(n)} for n in range(6000)]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    answer = ask(server, "stats count(*) as n, count_distinct(@message) as different", logGroupName=group)
    assert rows(answer) == [{"n": "12000", "different": "6000"}]


def test_results_come_in_pages(server: Forecourt, groups: list[str]) -> None:
    logs = server.client("logs")
    now = int(server.ask("/_forecourt/clock")["now"])
    asked = {"logGroupName": groups[0], "startTime": now - 600, "endTime": now + 60, "queryString": "fields n"}
    query = logs.start_query(**asked)["queryId"]
    while logs.get_query_results(queryId=query)["status"] != "Complete":
        time.sleep(0.01)
    first = logs.get_query_results(queryId=query, maxItems=60)
    rest = logs.get_query_results(queryId=query, maxItems=60, nextToken=first["nextToken"])
    assert (len(first["results"]), len(rest["results"]), "nextToken" in rest) == (60, 40, False)
    described = [one for one in logs.describe_queries(logGroupName=groups[0])["queries"] if one["queryId"] == query]
    assert [(one["status"], one["queryString"]) for one in described] == [("Complete", "fields n")]
    with pytest.raises(ClientError) as error:
        logs.stop_query(queryId=query)
    assert error.value.response["Error"]["Code"] == "InvalidParameterException"


def test_an_event_and_the_fields_of_a_group(server: Forecourt, groups: list[str]) -> None:
    logs = server.client("logs")
    (row,) = rows(ask(server, "filter n = 42 | display n", logGroupName=groups[0]))
    record = logs.get_log_record(logRecordPointer=row["@ptr"])["logRecord"]
    assert (record["@message"], record["n"], record["@logStream"]) == ('{"n": 42, "even": 1}', "42", "s")
    fields = logs.get_log_group_fields(logGroupName=groups[0])["logGroupFields"]
    assert {"name": "even", "percent": 100} in fields
    place = decode_token(row["@ptr"])
    forged = encode_token((*place[:-2], str(int(place[-2]) + 1), place[-1]))
    for region, pointer in (("eu-west-1", row["@ptr"]), ("us-east-1", forged), ("us-east-1", "junk")):
        with pytest.raises(ClientError) as error:
            server.client("logs", region=region).get_log_record(logRecordPointer=pointer)
        assert error.value.response["Error"]["Code"] == "InvalidParameterException"


def test_queries_are_kept_under_names(server: Forecourt) -> None:
    logs, name = server.client("logs"), f"mine/{uuid.uuid4()}"
    kept = {"name": name, "queryString": "fields @message", "logGroupNames": ["g"]}
    id = logs.put_query_definition(**kept)["queryDefinitionId"]
    logs.put_query_definition(name=name, queryString="limit 1", queryDefinitionId=id)
    (found,) = logs.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]
    assert (found["queryString"], found["queryDefinitionId"]) == ("limit 1", id)
    assert logs.delete_query_definition(queryDefinitionId=id)["success"]
    with pytest.raises(ClientError) as error:
        logs.delete_query_definition(queryDefinitionId=id)
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"queryString": "fields ("}, "MalformedQueryException"),
        ({"logGroupNames": ["also"]}, "InvalidParameterException"),
        ({"logGroupName": "/insights/nowhere"}, "ResourceNotFoundException"),
        ({"endTime": 0}, "InvalidParameterException"),
        ({"queryLanguage": "SQL"}, "NotImplementedException"),
    ],
)
def test_what_is_refused(server: Forecourt, groups: list[str], asked: dict[str, Any], code: str) -> None:
    given = {"logGroupName": groups[0], "startTime": 1, "endTime": 2, "queryString": "fields a", **asked}
    with pytest.raises(ClientError) as error:
        server.client("logs").start_query(**given)
    assert error.value.response["Error"]["Code"] == code


def test_a_query_under_way_can_be_stopped(server: Forecourt) -> None:
    """One that has a lot to do: an expression that goes astray on every event."""
    logs, group = server.client("logs"), f"/insights/{uuid.uuid4()}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(server.ask("/_forecourt/clock")["now"] * 1000)
    events = [{"timestamp": now, "message": "a" * 60 + str(n)} for n in range(1000)]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    asked = {"logGroupName": group, "startTime": now // 1000 - 60, "endTime": now // 1000 + 60}
    query = logs.start_query(queryString="filter @message like /(a+)+$/", **asked)["queryId"]
    assert logs.get_query_results(queryId=query)["status"] in ("Scheduled", "Running")
    assert logs.stop_query(queryId=query)["success"]
    deadline = time.monotonic() + 10
    while (status := logs.get_query_results(queryId=query)["status"]) != "Cancelled":
        assert status in ("Scheduled", "Running")
        assert time.monotonic() < deadline
        time.sleep(0.02)
