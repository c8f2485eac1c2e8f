"""Tags of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.base.errors import NotImplementedYet
from forecourt.services.functions.api.base import Api
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
)
from forecourt.services.functions.names import FunctionId
from forecourt.services.functions.store import require
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        ListTagsRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagResourceRequestTypeDef,
    )


_MAX_TAGS = 50


class TagsApi(Api):
    @operation("ListTags")
    async def list_tags(self, context: CallContext, request: ListTagsRequestTypeDef) -> dict[str, Any]:
        return {"Tags": (await self._store.function(_tagged(context, request["Resource"]))).tags}

    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: TagResourceRequestTypeDef) -> None:
        def change(tags: dict[str, str]) -> dict[str, str]:
            return {**tags, **request["Tags"]}

        await self._change(context, request["Resource"], change)

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: UntagResourceRequestTypeDef) -> None:
        def change(tags: dict[str, str]) -> dict[str, str]:
            return {key: value for key, value in tags.items() if key not in request["TagKeys"]}

        await self._change(context, request["Resource"], change)

    async def _change(self, context: CallContext, arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        id = _tagged(context, arn)

        def apply(tx: Tx) -> None:
            function = require(tx, id)
            function.tags = change(function.tags)
            if len(function.tags) > _MAX_TAGS:
                raise InvalidParameterValueException("Tag count exceeds the limit of 50.")
            tx.put(function)

        await self._store.write(apply)


def _tagged(context: CallContext, text: str) -> FunctionId:
    arn = Arn.parse(text)
    kind, _, name = arn.resource.partition(":")
    if kind != "function":
        raise NotImplementedYet(f"Forecourt does not keep tags of a {kind}.")
    if ":" in name:
        raise InvalidParameterValueException(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return FunctionId(arn.account, arn.region, name)
