"""Tags of log groups, by name (the older operations) and by ARN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.logs import requests
from forecourt.services.logs.errors import TooManyTagsException
from forecourt.services.logs.model import LogGroup
from forecourt.services.logs.store import LogsStore
from forecourt.telemetry.log_store import GroupKey

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

_MOST_TAGS = 50


class TagsApi:
    def __init__(self, logs: LogsStore) -> None:
        self._logs = logs

    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: aws.TagResourceRequestTypeDef) -> None:
        await self._tag(requests.key_of_arn(request["resourceArn"]), request["tags"])

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: aws.UntagResourceRequestTypeDef) -> None:
        await self._untag(requests.key_of_arn(request["resourceArn"]), request["tagKeys"])

    @operation("ListTagsForResource")
    async def list_tags_for_resource(
        self, context: CallContext, request: aws.ListTagsForResourceRequestTypeDef
    ) -> dict[str, Any]:
        return {"tags": (await self._logs.group(requests.key_of_arn(request["resourceArn"]))).tags}

    @operation("TagLogGroup")
    async def tag_log_group(self, context: CallContext, request: aws.TagLogGroupRequestTypeDef) -> None:
        await self._tag(requests.group_key(context, request), request["tags"])

    @operation("UntagLogGroup")
    async def untag_log_group(self, context: CallContext, request: aws.UntagLogGroupRequestTypeDef) -> None:
        await self._untag(requests.group_key(context, request), request["tags"])

    @operation("ListTagsLogGroup")
    async def list_tags_log_group(
        self, context: CallContext, request: aws.ListTagsLogGroupRequestTypeDef
    ) -> dict[str, Any]:
        return {"tags": (await self._logs.group(requests.group_key(context, request))).tags}

    async def _tag(self, key: GroupKey, tags: Mapping[str, str]) -> None:
        def change(group: LogGroup) -> None:
            group.tags = {**group.tags, **tags}
            if len(group.tags) > _MOST_TAGS:
                raise TooManyTagsException("Too many tags", resourceName=group.arn)

        await self._logs.change_group(key, change)

    async def _untag(self, key: GroupKey, names: Iterable[str]) -> None:
        def change(group: LogGroup) -> None:
            group.tags = {name: value for name, value in group.tags.items() if name not in set(names)}

        await self._logs.change_group(key, change)
