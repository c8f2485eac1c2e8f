"""Tags of state machines and activities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.stepfunctions.api.configuration import tags_of
from forecourt.services.stepfunctions.arns import parse_activity, parse_machine
from forecourt.services.stepfunctions.errors import InvalidArn, ResourceNotFound
from forecourt.services.stepfunctions.model import Activity, StateMachine, Tags
from forecourt.store import Store, Tx

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]


class TagsApi:
    def __init__(self, store: Store) -> None:
        self._store = store

    @operation("TagResource")
    async def tag(self, context: CallContext, request: t.TagResourceInputTypeDef) -> Answer:
        arn = request["resourceArn"]
        account, region = await self._require(arn)

        def change(tx: Tx) -> None:
            existing = tx.get(Tags, account, region, arn)
            tags = tags_of(request["tags"], existing.tags if existing else None)  # type: ignore[arg-type]
            tx.put(Tags(account=account, region=region, resource=arn, tags=tags))

        await self._store.write(change)
        return {}

    @operation("UntagResource")
    async def untag(self, context: CallContext, request: t.UntagResourceInputTypeDef) -> Answer:
        arn = request["resourceArn"]
        account, region = await self._require(arn)

        def change(tx: Tx) -> None:
            existing = tx.get(Tags, account, region, arn)
            if existing is not None:
                existing.tags = {k: v for k, v in existing.tags.items() if k not in request["tagKeys"]}
                tx.put(existing)

        await self._store.write(change)
        return {}

    @operation("ListTagsForResource")
    async def list(self, context: CallContext, request: t.ListTagsForResourceInputTypeDef) -> Answer:
        arn = request["resourceArn"]
        account, region = await self._require(arn)
        found = await self._store.get(Tags, account, region, arn)
        return {"tags": [{"key": key, "value": value} for key, value in (found.tags if found else {}).items()]}

    async def _require(self, arn: str) -> tuple[str, str]:
        """(account, region) of the resource."""
        if ":activity:" in arn:
            key = parse_activity(arn)
            found: object = await self._store.get(Activity, *key)
        else:
            machine = parse_machine(arn)
            if machine.qualifier:
                raise InvalidArn(f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
            key = machine.key
            found = await self._store.get(StateMachine, *key)
        if found is None:
            raise ResourceNotFound(f"Resource not found: '{arn}'", resourceName=arn)
        return key[0], key[1]
