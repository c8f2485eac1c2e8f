"""Takes a pool's events to where SetLogDeliveryConfiguration says: those of threat protection (`userAuthEvents`) to a
log group, a Firehose stream, or a bucket (an object per event); messages that could not be delivered
(`userNotification`) to a log group.

As the delivery service of AWS, in the background: a destination that does not take an event costs a line in our own
log and no sign-in. https://docs.aws.amazon.com/cognito/latest/developerguide/exporting-quotas-and-usage.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink
from forecourt.base.principal import service
from forecourt.services.cognito.model import AuthEvent, Pool, User
from forecourt.services.cognito.store import Records

_log = logging.getLogger("forecourt.cognito.threat")


class Delivery:
    def __init__(self, records: Records, logs: LogSink | None, caller: Caller, ids: Ids) -> None:
        self._records = records
        self._logs = logs
        self._caller = caller
        self._ids = ids
        self._sending: set[asyncio.Future[None]] = set()

    def deliver(self, pool: Pool, user: User, event: AuthEvent) -> None:
        for configuration in pool.log_configurations:
            if configuration.get("EventSource") != "userAuthEvents":
                continue
            entry = msgspec.json.encode(log_entry(pool, user, event))
            self._to_log_group(pool, event.created_at, configuration, entry)
            for operation in (_firehose(configuration, entry), _bucket(pool, event, configuration, entry)):
                if operation is not None:
                    self._send(pool, *operation)

    async def not_delivered(self, pool_id: str, details: str) -> None:
        """A message to a user, after the last try."""
        pool, now = await self._records.find_pool(pool_id), self._records.clock.now()
        for configuration in pool.log_configurations if pool else ():
            if pool and configuration.get("EventSource") == "userNotification":
                entry = _entry(pool, now, "USER_NOTIFICATION", "ERROR", {"details": details})
                self._to_log_group(pool, now, configuration, msgspec.json.encode(entry))

    def _to_log_group(self, pool: Pool, moment: float, configuration: Mapping[str, Any], entry: bytes) -> None:
        group = configuration.get("CloudWatchLogsConfiguration", {}).get("LogGroupArn", "")
        if group and self._logs:
            name = group.split(":log-group:")[-1].removesuffix(":*")
            self._logs.write(pool.account, pool.region, name, pool.id, int(moment * 1000), entry.decode())

    def _send(self, pool: Pool, name: str, operation: str, params: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._call(pool, name, operation, params))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _call(self, pool: Pool, name: str, operation: str, params: dict[str, Any]) -> None:
        context = CallContext(
            principal=service("delivery.logs.amazonaws.com", pool.account),
            region=pool.region,
            request_id=self._ids.uuid(),
            conditions={"aws:SourceArn": pool.arn, "aws:SourceAccount": pool.account},
        )
        try:
            await self._caller.call(context, name, operation, params)
        except ServiceError as error:
            _log.warning("events of %s were not delivered to %s: %s", pool.id, name, error.code)


def _firehose(configuration: Mapping[str, Any], entry: bytes) -> tuple[str, str, dict[str, Any]] | None:
    stream = configuration.get("FirehoseConfiguration", {}).get("StreamArn", "").rpartition("/")[2]
    record = {"Data": entry + b"\n"}
    return ("firehose", "PutRecord", {"DeliveryStreamName": stream, "Record": record}) if stream else None


def _bucket(
    pool: Pool, event: AuthEvent, configuration: Mapping[str, Any], entry: bytes
) -> tuple[str, str, dict[str, Any]] | None:
    bucket, _, prefix = configuration.get("S3Configuration", {}).get("BucketArn", "").rpartition(":")[2].partition("/")
    if not bucket:
        return None
    hour = datetime.fromtimestamp(event.created_at, UTC).strftime("%Y/%m/%d/%H")
    key = f"AWSLogs/{pool.account}/CognitoUserPools/{pool.region}/{pool.id}/{hour}/{event.event_id}.json"
    key = f"{prefix.rstrip('/')}/{key}" if prefix else key
    return "s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": entry + b"\n"}


def log_entry(pool: Pool, user: User, event: AuthEvent) -> dict[str, Any]:
    message = {
        "version": "1",
        "eventId": event.event_id,
        "eventType": event.type,
        "userName": user.username,
        "userSub": user.sub,
        "eventResponse": event.response,
        "riskLevel": event.risk_level,
        "riskDecision": event.risk_decision,
        "deviceName": event.device_name,
        "ipAddress": event.ip,
    }
    return _entry(pool, event.created_at, "USER_ACTIVITY", "INFO", message)


def _entry(pool: Pool, moment: float, source: str, level: str, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventTimestamp": str(int(moment * 1000)),
        "eventSource": source,
        "logLevel": level,
        "message": message,
        "logSourceId": {"userPoolId": pool.id},
    }
