"""Tags of functions, event source mappings and code signing configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.base.errors import NotImplementedYet
from forecourt.services.functions.api.base import Api
from forecourt.services.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from forecourt.services.functions.model import CodeSigningConfig, EventSourceMapping, Function
from forecourt.services.functions.names import FunctionId
from forecourt.services.functions.store import not_found
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        ListTagsRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

_MAX_TAGS = 50

Change = Callable[[dict[str, str]], dict[str, str]]


class TagsApi(Api):
    @operation("ListTags")
    async def list_tags(self, context: CallContext, request: ListTagsRequestTypeDef) -> dict[str, Any]:
        tagged = _tagged(request["Resource"])
        found = await self._store.store.get(tagged.kind, *tagged.key)
        if found is None:
            raise tagged.missing()
        return {"Tags": found.tags}

    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: TagResourceRequestTypeDef) -> None:
        await self._change(request["Resource"], lambda tags: {**tags, **request["Tags"]})

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: UntagResourceRequestTypeDef) -> None:
        gone = set(request["TagKeys"])
        await self._change(
            request["Resource"], lambda tags: {key: value for key, value in tags.items() if key not in gone}
        )

    async def _change(self, arn: str, change: Change) -> None:
        tagged = _tagged(arn)

        def apply(tx: Tx) -> None:
            found = tx.get(tagged.kind, *tagged.key)
            if found is None:
                raise tagged.missing()
            found.tags = change(found.tags)
            if len(found.tags) > _MAX_TAGS:
                raise InvalidParameterValueException("Tag count exceeds the limit of 50.")
            tx.put(found)

        await self._store.write(apply)


class Tagged(NamedTuple):
    """What an ARN stands for, and what is said where it is not there."""

    kind: type[Function] | type[EventSourceMapping] | type[CodeSigningConfig]
    key: tuple[str, str, str]
    missing: Callable[[], ResourceNotFoundException]


def _tagged(text: str) -> Tagged:
    arn = Arn.parse(text)
    kind, _, name = arn.resource.partition(":")
    key = (arn.account, arn.region, name)
    if kind == "event-source-mapping":
        return Tagged(EventSourceMapping, key, _not_there)
    if kind == "code-signing-config":
        return Tagged(CodeSigningConfig, key, _not_there)
    if kind != "function":
        raise NotImplementedYet(f"Forecourt does not keep tags of a {kind}.")
    if ":" in name:
        raise InvalidParameterValueException(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return Tagged(Function, key, lambda: not_found(FunctionId(*key)))


def _not_there() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")
