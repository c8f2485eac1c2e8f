"""Records as functions see them, and what a function says about them. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Record = dict[str, Any]


def sqs_record(message: Mapping[str, Any], arn: str, region: str) -> Record:
    attributes = message.get("MessageAttributes") or {}
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shown


def kinesis_record(record: Mapping[str, Any], arn: str, region: str, shard: str, role: str) -> Record:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": _epoch(record.get("ApproximateArrivalTimestamp")),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": region,
        "eventSourceARN": arn,
    }


def dynamodb_record(record: Mapping[str, Any], arn: str, region: str, shard: str, role: str) -> Record:
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = _epoch(change.get("ApproximateCreationDateTime"))
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": _jsonable(change),
        "eventSourceARN": arn,
    }


def _epoch(value: Any) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value or 0)


def _jsonable(value: Any) -> Any:
    """Binary attributes travel as base64."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: _jsonable(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set):
        return [_jsonable(member) for member in value]
    return value


def filterable(record: Record) -> Record:
    """What filter patterns see: a body or data that is JSON as JSON."""
    if record.get("eventSource") == "aws:sqs":
        return {**record, "body": _parsed(record["body"])}
    if record.get("eventSource") == "aws:kinesis":
        data = base64.b64decode(record["kinesis"]["data"])
        return {**record, "data": _parsed(data.decode("utf-8", "replace"))}
    return record


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def failed_items(payload: bytes, known: Sequence[str]) -> list[str] | None:
    """The identifiers that a partial batch response names, in the batch's order; None: the whole batch failed.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    try:
        response = json.loads(payload)
    except ValueError:
        return None
    failures = [] if response is None else response.get("batchItemFailures") if isinstance(response, dict) else None
    if response in (None, {}) or (failures is None and isinstance(response, dict)):
        return []
    if not isinstance(failures, list):
        return None
    named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures]
    if any(not name or name not in known for name in named):
        return None
    return [identifier for identifier in known if identifier in named]
