"""Log groups and streams: create, describe, retain, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.services.logs import requests
from forecourt.services.logs.errors import InvalidParameterException, ValidationException
from forecourt.services.logs.filters import Filters
from forecourt.services.logs.model import LogGroup, LogStream
from forecourt.services.logs.store import LogsStore
from forecourt.store import position
from forecourt.telemetry.log_store import GroupKey, LogStore

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

_PAGE = 50


class GroupsApi:
    def __init__(self, logs: LogsStore, events: LogStore, filters: Filters, clock: Clock) -> None:
        self._logs = logs
        self._events = events
        self._filters = filters
        self._clock = clock

    @operation("CreateLogGroup")
    async def create_log_group(self, context: CallContext, request: aws.CreateLogGroupRequestTypeDef) -> None:
        group = LogGroup(
            account=context.account,
            region=context.region,
            name=request["logGroupName"],
            created_ms=self._clock.now_ms(),
            kms_key_id=request.get("kmsKeyId"),
            log_group_class=request.get("logGroupClass", "STANDARD"),
            deletion_protection=request.get("deletionProtectionEnabled", False),
            tags=dict(request.get("tags", {})),
        )
        await self._logs.create_group(group)

    @operation("DeleteLogGroup")
    async def delete_log_group(self, context: CallContext, request: aws.DeleteLogGroupRequestTypeDef) -> None:
        group = await self._logs.group(_named(context, request["logGroupName"]))
        if group.deletion_protection:
            raise ValidationException("The log group is protected from deletion. Disable deletion protection first.")
        await self._events.delete_group(group.key)
        await self._logs.delete_group(group.key)
        await self._filters.refresh(group.key)

    @operation("PutLogGroupDeletionProtection")
    async def put_log_group_deletion_protection(
        self, context: CallContext, request: aws.PutLogGroupDeletionProtectionRequestTypeDef
    ) -> None:
        key = requests.group_key(context, request)
        enabled = request["deletionProtectionEnabled"]
        await self._logs.change_group(key, lambda group: setattr(group, "deletion_protection", enabled))

    @operation("DescribeLogGroups")
    async def describe_log_groups(
        self, context: CallContext, request: aws.DescribeLogGroupsRequestTypeDef
    ) -> dict[str, Any]:
        groups = await self._selected(context, request)
        after, limit = requests.page_after(request.get("nextToken")), request.get("limit", _PAGE)
        rest = [group for group in groups if after is None or position(group) > after]
        await self._events.flush()
        page: dict[str, Any] = {"logGroups": [await self._described(group) for group in rest[:limit]]}
        if len(rest) > limit:
            page["nextToken"] = requests.page_token(position(rest[limit - 1]))
        return page

    @operation("PutRetentionPolicy")
    async def put_retention_policy(self, context: CallContext, request: aws.PutRetentionPolicyRequestTypeDef) -> None:
        days = request["retentionInDays"]
        if days not in requests.RETENTION_DAYS:
            allowed = ", ".join(map(str, requests.RETENTION_DAYS))
            raise InvalidParameterException(
                f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{allowed}]"
            )
        await self._retain(_named(context, request["logGroupName"]), days)

    @operation("DeleteRetentionPolicy")
    async def delete_retention_policy(
        self, context: CallContext, request: aws.DeleteRetentionPolicyRequestTypeDef
    ) -> None:
        await self._retain(_named(context, request["logGroupName"]), None)

    @operation("CreateLogStream")
    async def create_log_stream(self, context: CallContext, request: aws.CreateLogStreamRequestTypeDef) -> None:
        stream = LogStream(
            account=context.account,
            region=context.region,
            group=request["logGroupName"],
            name=request["logStreamName"],
            created_ms=self._clock.now_ms(),
        )
        await self._logs.create_stream(stream)

    @operation("DeleteLogStream")
    async def delete_log_stream(self, context: CallContext, request: aws.DeleteLogStreamRequestTypeDef) -> None:
        stream = await self._logs.stream(_named(context, request["logGroupName"]), request["logStreamName"])
        await self._events.delete_stream(stream.group_key, stream.name)
        await self._logs.delete_stream(stream)

    @operation("DescribeLogStreams")
    async def describe_log_streams(
        self, context: CallContext, request: aws.DescribeLogStreamsRequestTypeDef
    ) -> dict[str, Any]:
        key = requests.group_key(context, request)
        by_time, prefix = request.get("orderBy") == "LastEventTime", request.get("logStreamNamePrefix")
        if by_time and prefix:
            raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
        await self._logs.group(key)
        await self._events.flush()
        limit = request.get("limit", _PAGE)
        after, back = requests.page_after(request.get("nextToken")), request.get("descending", False)
        if by_time:
            found = await self._logs.store.find(
                LogStream, "by_last_event", *key, after=after, limit=limit + 1, reverse=back
            )
        else:
            found = await self._by_name(key, prefix or "", after, limit + 1, back)
        page: dict[str, Any] = {"logStreams": [_stream(stream) for stream in found[:limit]]}
        if len(found) > limit:
            page["nextToken"] = requests.page_token(position(found[limit - 1], "by_last_event" if by_time else None))
        return page

    async def _by_name(
        self, key: GroupKey, prefix: str, after: tuple[str, ...] | None, limit: int, back: bool
    ) -> list[LogStream]:
        return await self._logs.store.list(LogStream, *key, starts_with=prefix, after=after, limit=limit, reverse=back)

    async def _selected(self, context: CallContext, request: aws.DescribeLogGroupsRequestTypeDef) -> list[LogGroup]:
        prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
        if prefix and pattern:
            raise InvalidParameterException(
                "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
            )
        await self._events.flush()
        groups = await self._logs.store.list(LogGroup, context.account, context.region, starts_with=prefix or "")
        if pattern:
            groups = [group for group in groups if pattern.lower() in group.name.lower()]
        if wanted_class := request.get("logGroupClass"):
            groups = [group for group in groups if group.log_group_class == wanted_class]
        if identifiers := request.get("logGroupIdentifiers"):
            groups = [group for group in groups if {group.name, group.arn, f"{group.arn}:*"} & set(identifiers)]
        return groups

    async def _retain(self, key: GroupKey, days: int | None) -> None:
        await self._logs.change_group(key, lambda group: setattr(group, "retention_days", days))

    async def _described(self, group: LogGroup) -> dict[str, Any]:
        described: dict[str, Any] = {
            "logGroupName": group.name,
            "creationTime": group.created_ms,
            "metricFilterCount": self._filters.metric_filters(group.key),
            "arn": f"{group.arn}:*",
            "storedBytes": await self._events.size(group.key),
            "logGroupClass": group.log_group_class,
            "logGroupArn": group.arn,
            "deletionProtectionEnabled": group.deletion_protection,
        }
        optional = {"retentionInDays": group.retention_days, "kmsKeyId": group.kms_key_id}
        return described | {name: value for name, value in optional.items() if value is not None}


def _named(context: CallContext, name: str) -> GroupKey:
    return context.account, context.region, name


def _stream(stream: LogStream) -> dict[str, Any]:
    described: dict[str, Any] = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": stream.arn,
        # AWS stopped counting bytes by stream in 2019, and stopped asking for tokens in 2023.
        "storedBytes": 0,
        "uploadSequenceToken": f"{stream.last_ingestion_ms or stream.created_ms:056}",
    }
    times = {
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": stream.last_ingestion_ms,
    }
    return described | {name: value for name, value in times.items() if value is not None}
