"""EventBridge's schedules: in which minutes an expression is due, and rules that fire as the clock goes."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.functions.harness import ROLE, zipped
from tests.functions.test_event_sources import messages, until

from forecourt.app import ClockOffset
from forecourt.base.clock import Clock
from forecourt.services.backing.timetable import NotASchedule, due
from forecourt.store import open_store
from forecourt.testing import Forecourt

# The expression, the minutes (UTC) from the first one on in which it is due, and one in which it is not
CASES = [
    ("cron(0 10 * * ? *)", "2026-11-21T10:00", "2026-11-21T10:01"),
    ("cron(15 12 ? * MON-FRI *)", "2026-11-20T12:15", "2026-11-21T12:15"),
    ("cron(0/15 * ? * SAT,SUN *)", "2026-11-21T03:45", "2026-11-21T03:46"),
    ("cron(0 8 1 * ? *)", "2026-12-01T08:00", "2026-12-02T08:00"),
    ("cron(0 8 L * ? *)", "2028-02-29T08:00", "2028-02-28T08:00"),
    ("cron(0 8 LW * ? *)", "2026-10-30T08:00", "2026-10-31T08:00"),
    ("cron(0 8 15W * ? *)", "2026-11-16T08:00", "2026-11-15T08:00"),
    ("cron(0 8 1W * ? *)", "2026-08-03T08:00", "2026-08-01T08:00"),
    ("cron(0 8 ? * 2#1 *)", "2026-11-02T08:00", "2026-11-09T08:00"),
    ("cron(0 8 ? * 6L *)", "2026-11-27T08:00", "2026-11-20T08:00"),
    ("cron(0 8 ? JAN,NOV TUE 2026-2027)", "2026-11-24T08:00", "2028-11-21T08:00"),
    ("cron(5,10 0-3/2 * * ? *)", "2026-11-21T02:10", "2026-11-21T01:10"),
    ("at(2026-11-22T07:30:00)", "2026-11-22T07:30", "2026-11-22T07:31"),
]


def minute(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() // 60)


@pytest.mark.parametrize(("expression", "when", "when_not"), CASES, ids=[case[0] for case in CASES])
def test_when_it_is_due(expression: str, when: str, when_not: str) -> None:
    is_due = due(expression)
    assert is_due(minute(when), 0)
    assert not is_due(minute(when_not), 0)


def test_rates_are_counted_from_their_beginning() -> None:
    assert [m for m in range(12) if due("rate(5 minutes)")(m, 1)] == [6, 11]
    assert [m for m in range(130) if due("rate(1 hour)")(m, 7)] == [67, 127]


def test_a_zone_has_its_own_hours() -> None:
    is_due = due("cron(0 9 * * ? *)", ZoneInfo("Europe/Berlin"))
    assert is_due(minute("2026-11-21T08:00"), 0)
    assert is_due(minute("2026-07-01T07:00"), 0)


@pytest.mark.parametrize(
    "expression", ["", "rate(0 minutes)", "rate(5 weeks)", "cron(0 10 * *)", "cron(60 1 * * ? *)", "cron(a b c d e f)"]
)
def test_what_is_no_schedule(expression: str) -> None:
    with pytest.raises(NotASchedule):
        due(expression)


def told(server: Forecourt, queue: str) -> list[dict[str, Any]]:
    """And deleted: the clock is moved, so that they would come again."""
    sqs = server.client("sqs")
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ())
    for message in found:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in found]


def test_a_rule_fires_as_time_passes_also_after_a_restart(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path) as server:
        events, sqs, functions = server.client("events"), server.client("sqs"), server.client("lambda")
        queue = sqs.create_queue(QueueName="ticks")["QueueUrl"]
        rule = events.put_rule(Name="often", ScheduleExpression="rate(2 minutes)")["RuleArn"]
        target = {"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:ticks"}
        events.put_targets(Rule="often", Targets=[target])
        code = {"ZipFile": zipped({"app.py": "def handler(event, context): print('TICK', event['detail-type'])"})}
        function = functions.create_function(
            FunctionName="tick", Runtime="python3.11", Role=ROLE, Handler="app.handler", Code=code, Timeout=20
        )["FunctionArn"]
        events.put_targets(Rule="often", Targets=[{"Id": "f", "Arn": function}])
        server.advance_clock(4 * 60)
        until(lambda: len([m for m in messages(server, "tick") if m.startswith("TICK Scheduled Event")]) == 2, 60)
        found = told(server, queue)
        assert [one["resources"] for one in found] == [[rule], [rule]]
        assert [(one["source"], one["detail"], one["region"]) for one in found] == [("aws.events", {}, "us-east-1")] * 2
        # Somebody else's event is not the schedule's.
        events.put_events(Entries=[{"Source": "me", "DetailType": "mine", "Detail": "{}"}])
        assert told(server, queue) == []
        server.restart()
        server.advance_clock(2 * 60)
        assert until(lambda: told(server, queue), 60)
        server.client("events").disable_rule(Name="often")
        server.advance_clock(10 * 60)
        assert told(server, queue) == []


def test_a_schedule_calls_its_target_in_its_zone_and_goes_when_it_is_done() -> None:
    """With a server of its own: the clock is moved."""
    with Forecourt() as server:
        scheduler, sqs = server.client("scheduler"), server.client("sqs")
        queue = sqs.create_queue(QueueName="due")["QueueUrl"]
        window = {"Mode": "OFF"}
        to_queue = {"Arn": "arn:aws:sqs:us-east-1:000000000000:due", "RoleArn": ROLE}
        now = datetime.fromtimestamp(server.ask("/_forecourt/clock")["now"], UTC)
        at = (now + timedelta(minutes=3)).astimezone(ZoneInfo("Asia/Tokyo"))
        scheduler.create_schedule(
            Name="once",
            ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M}:00)",
            ScheduleExpressionTimezone="Asia/Tokyo",
            FlexibleTimeWindow=window,
            ActionAfterCompletion="DELETE",
            Target={**to_queue, "Input": '{"of": "<aws.scheduler.schedule-arn>"}'},
        )
        any_operation = "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"
        message = json.dumps({"QueueUrl": queue, "MessageBody": '{"of": "anything"}'})
        often = {
            "Name": "often",
            "ScheduleExpression": "rate(2 minutes)",
            "FlexibleTimeWindow": window,
            "Target": {"Arn": any_operation, "RoleArn": ROLE, "Input": message},
        }
        scheduler.create_schedule(**often)
        # A target that can't be called does not keep the others.
        for name, arn in (("a-nowhere", "arn:aws:nowhere:us-east-1:000000000000:x"), ("a-nobody", "somebody")):
            scheduler.create_schedule(**{**often, "Name": name, "Target": {"Arn": arn, "RoleArn": ROLE, "Input": "{}"}})
        server.advance_clock(4 * 60)
        seen: list[str] = []
        until(lambda: seen.extend(one["of"] for one in told(server, queue)) or len(seen) == 3, 60)
        once = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/once"
        assert sorted(seen) == ["anything", "anything", once]
        names = [one["Name"] for one in scheduler.list_schedules()["Schedules"]]
        assert sorted(names) == ["a-nobody", "a-nowhere", "often"]
        scheduler.update_schedule(**often, State="DISABLED")
        server.advance_clock(10 * 60)
        scheduler.update_schedule(**often, State="ENABLED")
        scheduler.delete_schedule(Name="often")
        server.advance_clock(10 * 60)
        assert told(server, queue) == []


def test_what_a_schedule_cannot_call_goes_to_its_dead_letter_queue() -> None:
    with Forecourt() as server:
        scheduler, sqs = server.client("scheduler"), server.client("sqs")
        queue = sqs.create_queue(QueueName="lost")["QueueUrl"]
        missing = "arn:aws:lambda:us-east-1:000000000000:function:missing"
        schedule = scheduler.create_schedule(
            Name="vain",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": missing,
                "RoleArn": ROLE,
                "Input": '{"pet": "Rex"}',
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:lost"},
            },
        )["ScheduleArn"]
        server.advance_clock(60)
        found: list[Any] = []
        asked = {"QueueUrl": queue, "MessageAttributeNames": ["All"]}
        until(lambda: found.extend(sqs.receive_message(**asked).get("Messages", ())) or found, 60)
        said = {name: value["StringValue"] for name, value in found[0]["MessageAttributes"].items()}
        assert (said["SCHEDULE_ARN"], said["TARGET_ARN"], said["RETRY_ATTEMPTS"]) == (schedule, missing, "0")
        assert said["ERROR_CODE"] == "ResourceNotFoundException"
        assert said["SCHEDULED_TIME"].endswith(":00Z")
        assert json.loads(found[0]["Body"]) == {"pet": "Rex"}


def let_pass(data: Path, seconds: float) -> None:
    """Time passes while no process runs."""

    async def move() -> None:
        store = open_store(data, Clock())
        moved = await store.get(ClockOffset, "clock")
        before = moved.seconds if moved is not None else 0.0
        await store.write(lambda tx: tx.put(ClockOffset(name="clock", seconds=before + seconds)))
        await store.close()

    asyncio.run(move())


def test_what_fell_due_while_nothing_ran_is_made_up_for(tmp_path: Path) -> None:
    """As long as it is not older than the target's MaximumEventAgeInSeconds."""
    with Forecourt(data=tmp_path) as server:
        scheduler, sqs = server.client("scheduler"), server.client("sqs")
        queue = sqs.create_queue(QueueName="late")["QueueUrl"]
        for name, age in (("patient", 86_400), ("hasty", 25 * 60)):
            scheduler.create_schedule(
                Name=name,
                ScheduleExpression="rate(10 minutes)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={
                    "Arn": "arn:aws:sqs:us-east-1:000000000000:late",
                    "RoleArn": ROLE,
                    "Input": f'{{"of": "{name}", "at": "<aws.scheduler.scheduled-time>"}}',
                    "RetryPolicy": {"MaximumEventAgeInSeconds": age},
                },
            )
        server.advance_clock(11 * 60)
        seen: list[tuple[str, str]] = []

        def until_seen(number: int) -> None:
            until(lambda: seen.extend((one["of"], one["at"]) for one in told(server, queue)) or len(seen) >= number, 60)

        until_seen(2)
        server.stop()
        let_pass(tmp_path, 3600)
        server.start()
        until_seen(2 + 6 + 3)
        assert (len(seen), len(set(seen))) == (11, 11)
        assert [name for name, _ in seen].count("hasty") == 1 + 3
        # None of it comes again.
        server.restart()
        server.advance_clock(10 * 60)
        until_seen(13)
        assert len(seen) == 13
