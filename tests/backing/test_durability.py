"""What was acknowledged is there after a crash, exactly as it was answered; and after a clean stop."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from forecourt.services.backing import Backing
from forecourt.services.backing.journal import STREAM, Snapshot

from .conftest import Bench, caller
from .test_embedded import TABLE, queue, received


async def populate(backing: Backing) -> dict[str, Any]:
    """Something of everything, tied together."""
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    for number in range(20):
        item = {"id": {"S": str(number)}, "n": {"N": str(number * number)}}
        await backing.call(caller(), "dynamodb", "PutItem", {"TableName": "pets", "Item": item})
    location = {"LocationConstraint": "eu-west-1"}
    await backing.call(caller(), "s3", "CreateBucket", {"Bucket": "photos", "CreateBucketConfiguration": location})
    await backing.call(caller(), "s3", "PutObject", {"Bucket": "photos", "Key": "small", "Body": b"\x00\xff"})
    await backing.call(caller(), "s3", "PutObject", {"Bucket": "photos", "Key": "large", "Body": b"x" * 1_000_000})
    topic = await backing.call(caller(), "sns", "CreateTopic", {"Name": "news"})
    url = await queue(backing)
    endpoint = "arn:aws:sqs:eu-west-1:000000000000:q"
    subscription = {"TopicArn": topic["TopicArn"], "Protocol": "sqs", "Endpoint": endpoint}
    await backing.call(caller(), "sns", "Subscribe", subscription)
    await backing.call(caller(), "sns", "Publish", {"TopicArn": topic["TopicArn"], "Message": "hello"})
    await backing.call(caller(), "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "second"})
    key = await backing.call(caller(), "kms", "CreateKey", {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})
    await backing.call(caller(), "secretsmanager", "CreateSecret", {"Name": "s", "SecretString": "v"})
    await backing.call(caller(), "ssm", "PutParameter", {"Name": "/p", "Value": "v", "Type": "String"})
    rule = {"Name": "r", "EventPattern": '{"source": ["pets"]}'}
    await backing.call(caller(), "events", "PutRule", rule)
    await backing.call(caller(), "kinesis", "CreateStream", {"StreamName": "k", "ShardCount": 1})
    return {"url": url, "key": key["KeyMetadata"]["KeyId"], "topic": topic["TopicArn"]}


async def everything(backing: Backing, names: dict[str, Any]) -> list[Any]:
    return [
        await backing.call(caller(), service, operation, params)
        for service, operation, params in (
            ("dynamodb", "DescribeTable", {"TableName": "pets"}),
            ("dynamodb", "Scan", {"TableName": "pets"}),
            ("s3", "ListObjectsV2", {"Bucket": "photos"}),
            ("s3", "GetObject", {"Bucket": "photos", "Key": "small"}),
            ("s3", "GetObject", {"Bucket": "photos", "Key": "large"}),
            ("sns", "ListSubscriptions", {}),
            ("sqs", "GetQueueAttributes", {"QueueUrl": names["url"], "AttributeNames": ["All"]}),
            ("kms", "GetPublicKey", {"KeyId": names["key"]}),
            ("secretsmanager", "GetSecretValue", {"SecretId": "s"}),
            ("ssm", "GetParameter", {"Name": "/p"}),
            ("events", "ListRules", {}),
            ("kinesis", "DescribeStream", {"StreamName": "k"}),
        )
    ]


async def test_after_a_crash_everything_is_as_it_was(bench: Bench) -> None:
    names = await populate(bench.open())
    before = await everything(bench.backing, names)
    backing = await bench.crash()
    assert await everything(backing, names) == before


async def test_after_a_stop_everything_is_as_it_was_and_the_journal_is_empty(bench: Bench) -> None:
    names = await populate(bench.open())
    before = await everything(bench.backing, names)
    await bench.backing.stop()
    assert bench.store is not None
    assert await bench.store.read_log(STREAM) == []
    backing = await bench.crash()
    assert await everything(backing, names) == before
    # The subscription's queue is still the queue.
    await backing.call(caller(), "sns", "Publish", {"TopicArn": names["topic"], "Message": "after"})
    params = {"QueueUrl": names["url"], "MaxNumberOfMessages": 10}
    messages = (await backing.call(caller(), "sqs", "ReceiveMessage", params))["Messages"]
    assert len(messages) == 3


async def test_a_received_message_stays_received_and_a_deleted_one_deleted(bench: Bench) -> None:
    url = await queue(bench.open())
    for text in ("first", "second", "third"):
        await bench.backing.call(caller(), "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": text})
    got = await bench.backing.call(caller(), "sqs", "ReceiveMessage", {"QueueUrl": url})
    handle = got["Messages"][0]["ReceiptHandle"]
    assert await received(bench.backing, url) == ["second"]
    backing = await bench.crash()
    await backing.call(caller(), "sqs", "DeleteMessage", {"QueueUrl": url, "ReceiptHandle": handle})
    assert await received(backing, url) == ["third"]
    bench.clock.advance(31)
    backing = await bench.crash()
    assert sorted(await received(backing, url) + await received(backing, url)) == ["second", "third"]


async def test_a_message_that_went_to_the_dead_letter_queue_is_there(bench: Bench) -> None:
    dead = await queue(bench.open(), "dead")
    redrive = '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead", "maxReceiveCount": "1"}'
    url = await queue(bench.backing, "live", RedrivePolicy=redrive, VisibilityTimeout="0")
    await bench.backing.call(caller(), "sqs", "SendMessage", {"QueueUrl": url, "MessageBody": "poison"})
    assert await received(bench.backing, url) == ["poison"]
    assert await received(bench.backing, url) == []
    backing = await bench.crash()
    assert await received(backing, dead) == ["poison"]


async def test_polling_an_empty_queue_leaves_nothing_in_the_journal(bench: Bench) -> None:
    url = await queue(bench.open())
    for _ in range(5):
        assert await received(bench.backing, url) == []
    assert bench.store is not None
    assert len(await bench.store.read_log(STREAM)) == 1


async def test_reads_and_refused_writes_leave_nothing_in_the_journal(bench: Bench) -> None:
    backing = bench.open()
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    await backing.call(caller(), "dynamodb", "Scan", {"TableName": "pets"})
    with pytest.raises(Exception, match="ResourceInUse"):
        await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
    assert bench.store is not None
    assert len(await bench.store.read_log(STREAM)) == 1


async def test_secrets_are_not_in_the_files(bench: Bench) -> None:
    await bench.open().call(
        caller(), "secretsmanager", "CreateSecret", {"Name": "s", "SecretString": "hunter-2-hunter"}
    )
    await bench.backing.stop()
    files = [path for path in bench.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"hunter-2-hunter" in path.read_bytes()]


async def test_a_long_journal_becomes_a_snapshot_while_writes_go_on(bench: Bench) -> None:
    backing = bench.open()
    backing._max_entries = 30
    await backing.call(caller(), "dynamodb", "CreateTable", TABLE)

    async def put(number: int) -> None:
        await backing.call(caller(), "dynamodb", "PutItem", {"TableName": "pets", "Item": {"id": {"S": str(number)}}})

    for start in range(0, 200, 20):
        await asyncio.gather(*(put(number) for number in range(start, start + 20)))
    assert bench.store is not None
    assert await bench.store.get(Snapshot, "moto") is not None
    assert len(await bench.store.read_log(STREAM)) < 200
    backing = await bench.crash()
    assert (await backing.call(caller(), "dynamodb", "Scan", {"TableName": "pets"}))["Count"] == 200


async def test_a_caller_who_leaves_early_does_not_tear_a_hole(bench: Bench) -> None:
    backing = bench.open()
    leaving = asyncio.create_task(backing.call(caller(), "dynamodb", "CreateTable", TABLE))
    while not backing._turn.locked():
        await asyncio.sleep(0)
    leaving.cancel()
    await backing.call(caller(), "dynamodb", "PutItem", {"TableName": "pets", "Item": {"id": {"S": "1"}}})
    backing = await bench.crash()
    assert (await backing.call(caller(), "dynamodb", "Scan", {"TableName": "pets"}))["Count"] == 1


async def test_reset_forgets_for_good(bench: Bench) -> None:
    names = await populate(bench.open())
    assert bench.store is not None
    await bench.store.reset()
    await bench.backing.reset()
    await queue(bench.backing, "new")
    backing = await bench.crash()
    urls = await backing.call(caller(), "sqs", "ListQueues", {})
    assert urls["QueueUrls"] == ["http://localhost:4566/000000000000/new"]
    assert names["url"] not in urls["QueueUrls"]


WRITER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from backing.conftest import Bench, caller
    from backing.test_embedded import TABLE

    async def main():
        backing = Bench(Path(sys.argv[1])).open()
        backing._max_entries = 60
        if not (await backing.call(caller(), "dynamodb", "ListTables", {{}}))["TableNames"]:
            await backing.call(caller(), "dynamodb", "CreateTable", TABLE)
        async def write(worker):
            for number in range(10_000):
                key = f"{{sys.argv[2]}}-{{worker}}-{{number}}"
                await backing.call(
                    caller(), "dynamodb", "PutItem", {{"TableName": "pets", "Item": {{"id": {{"S": key}}}}}}
                )
                print(key, flush=True)
        await asyncio.gather(*(write(worker) for worker in range(4)))

    asyncio.run(main())
""").format(tests=str(Path(__file__).parents[1]))


async def test_a_process_killed_while_it_writes_loses_nothing_that_it_acknowledged(bench: Bench) -> None:
    acknowledged: set[str] = set()
    rng = random.Random(7)
    for round_number in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(bench.folder), str(round_number)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(rng.randrange(20, 200)):
            acknowledged.add(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
    bench.open()
    scanned = await bench.backing.call(caller(), "dynamodb", "Scan", {"TableName": "pets"})
    assert acknowledged - {""} <= {item["id"]["S"] for item in scanned["Items"]}
    assert len(acknowledged) > 60
