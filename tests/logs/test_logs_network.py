"""CloudWatch Logs with boto3, over the network."""

from __future__ import annotations

import time
import uuid

import pytest
from botocore.exceptions import ClientError

from forecourt.testing import Forecourt


@pytest.fixture
def group() -> str:
    return f"/test/{uuid.uuid4()}"


def test_a_log_is_written_read_and_filtered(server: Forecourt, group: str) -> None:
    logs = server.client("logs")
    logs.create_log_group(logGroupName=group, tags={"team": "a"})
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + n, "message": f'{{"n": {n}, "text": "汉 {n}"}}'} for n in range(10)]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    got = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True)["events"]
    assert [{k: e[k] for k in ("timestamp", "message")} for e in got] == events
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, filterPattern="{ $.n >= 7 }", PaginationConfig={"PageSize": 2}
    )
    assert [e["message"] for page in pages for e in page["events"]] == [e["message"] for e in events[7:]]
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["storedBytes"] > 0
    assert logs.list_tags_for_resource(resourceArn=described["logGroupArn"])["tags"] == {"team": "a"}
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (now, now + 9)


def test_errors_are_boto3s_own(server: Forecourt, group: str) -> None:
    logs = server.client("logs")
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as missing:
        logs.get_log_events(logGroupName=group, logStreamName="s")
    assert missing.value.response["Error"]["Message"] == "The specified log group does not exist."
    logs.create_log_group(logGroupName=group)
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.filter_log_events(logGroupName=group, filterPattern="{ bad")
    with pytest.raises(ClientError) as not_there:
        logs.describe_export_tasks()
    assert not_there.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_groups_are_paged_by_boto3(server: Forecourt, group: str) -> None:
    logs = server.client("logs")
    names = [f"{group}/{n}" for n in range(7)]
    for name in names:
        logs.create_log_group(logGroupName=name)
    pages = list(
        logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group, PaginationConfig={"PageSize": 3})
    )
    assert [len(page["logGroups"]) for page in pages] == [3, 3, 1]
    assert [g["logGroupName"] for page in pages for g in page["logGroups"]] == names
