"""AWS::DynamoDB::Table."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.errors import NotTried, ResourceFailed
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, changed, refuse_unknown
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump

_S = "dynamodb"
_POLL_SECONDS = 0.05
# Each has calls of its own.
_APART = frozenset(
    ("TimeToLiveSpecification", "PointInTimeRecoverySpecification", "KinesisStreamSpecification", "ResourcePolicy",
     "Tags", "StreamSpecification", "SSESpecification", "ContributorInsightsSpecification")
)  # fmt: skip
_FIXED = frozenset(("KeySchema", "LocalSecondaryIndexes"))
_SIMPLE = frozenset(("DeletionProtectionEnabled", "TableClass"))
_CAPACITY = frozenset(("BillingMode", "ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput"))


class Table:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("TableName", 255).settle(work, properties)
        refuse_unknown(work, _S, "CreateTable", given, _APART)
        name = given["TableName"]
        own = {key: value for key, value in given.items() if key not in _APART or key == "Tags"}
        params = {**shaped.parameters(_S, "CreateTable", own), **_renamed(given)}
        await work.make(_S, "CreateTable", **params)
        async with work.undone(self, name, given):
            await _active(work, name)
            await self._apart(work, name, {}, given)
        return await self._made(work, name)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        different = changed(old, new)
        if different & _FIXED:
            # AWS replaces the table; under the name that it has, there cannot be another.
            if "TableName" in new:
                raise NotTried(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
                    f"{physical_id} and update the stack again."
                )
            return await self.create(work, {key: value for key, value in new.items() if key != "TableName"})
        own: dict[str, Any] = {key: new[key] for key in _SIMPLE if key in different and key in new}
        if different & _CAPACITY:
            own |= {key: new[key] for key in _CAPACITY if key in new}
        wanted = shaped.parameters(_S, "UpdateTable", own)
        if different & {"StreamSpecification", "SSESpecification"}:
            wanted |= _renamed({key: value for key, value in new.items() if key in different})
            if "StreamSpecification" in different and "StreamSpecification" not in new:
                wanted["StreamSpecification"] = {"StreamEnabled": False}
        if wanted:
            await self._change(work, physical_id, **wanted)
        if "GlobalSecondaryIndexes" in different:
            await self._reindex(work, physical_id, old, new)
        await self._apart(work, physical_id, old, new)
        await retag(work, _S, work.arn(_S, f"table/{physical_id}"), old.get("Tags"), new.get("Tags"))
        return await self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "DeleteTable", TableName=physical_id)

    async def _change(self, work: Work, name: str, **params: Any) -> None:
        await work.call(_S, "UpdateTable", TableName=name, **params)
        await _active(work, name)

    async def _reindex(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        """An index is made, changed or deleted by a call of its own."""
        before, after = _indexes(old), _indexes(new)
        attributes = shaped.parameters(_S, "UpdateTable", {"AttributeDefinitions": new["AttributeDefinitions"]})
        for index in sorted(set(before) - set(after)):
            await self._change(work, name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": index}}])
        for index, wanted in after.items():
            had = before.get(index)
            if had == wanted:
                continue
            if had is not None and changed(had, wanted) - _CAPACITY:
                await self._change(work, name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": index}}])
                had = None
            verb = "Create" if had is None else "Update"
            own = wanted if had is None else {key: wanted[key] for key in ("IndexName", *_CAPACITY) if key in wanted}
            updates = {"GlobalSecondaryIndexUpdates": [{verb: own}]}
            await self._change(work, name, **attributes, **shaped.parameters(_S, "UpdateTable", updates))

    async def _apart(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        different = changed(old, new)
        if "ContributorInsightsSpecification" in different and (new.get("ContributorInsightsSpecification") or {}).get(
            "Enabled"
        ):
            raise ResourceFailed("Forecourt has no contributor insights of tables")
        if "TimeToLiveSpecification" in different:
            wanted = new.get("TimeToLiveSpecification") or {**old["TimeToLiveSpecification"], "Enabled": False}
            params = shaped.parameters(_S, "UpdateTimeToLive", {"TimeToLiveSpecification": wanted})
            await work.call(_S, "UpdateTimeToLive", TableName=name, **params)
        if "PointInTimeRecoverySpecification" in different:
            wanted = new.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
            params = shaped.parameters(
                _S,
                "UpdateContinuousBackups",
                {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False, **wanted}},
            )
            await work.call(_S, "UpdateContinuousBackups", TableName=name, **params)
        if "ResourcePolicy" in different:
            arn = work.arn(_S, f"table/{name}")
            policy = new.get("ResourcePolicy")
            if policy:
                await work.call(_S, "PutResourcePolicy", ResourceArn=arn, Policy=dump(policy["PolicyDocument"]))
            else:
                await work.gone(_S, "DeleteResourcePolicy", ResourceArn=arn)
        if "KinesisStreamSpecification" in different:
            await self._kinesis(work, name, old.get("KinesisStreamSpecification"), new)

    async def _kinesis(self, work: Work, name: str, had: Mapping[str, Any] | None, new: Properties) -> None:
        if had:
            await work.gone(_S, "DisableKinesisStreamingDestination", TableName=name, StreamArn=had["StreamArn"])
        wanted = new.get("KinesisStreamSpecification")
        if wanted:
            await work.call(_S, "EnableKinesisStreamingDestination", TableName=name, StreamArn=wanted["StreamArn"])

    async def _made(self, work: Work, name: str) -> Made:
        table = (await work.call(_S, "DescribeTable", TableName=name))["Table"]
        found = {"Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn")}
        return Made(name, {key: value for key, value in found.items() if value is not None})


def _indexes(properties: Properties) -> dict[str, Mapping[str, Any]]:
    return {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes") or ()}


def _renamed(properties: Properties) -> dict[str, Any]:
    """What the calls spell otherwise."""
    found: dict[str, Any] = {}
    stream, sse = properties.get("StreamSpecification"), properties.get("SSESpecification")
    if stream:
        if set(stream) - {"StreamViewType"}:
            raise ResourceFailed("Forecourt supports StreamViewType only of a StreamSpecification")
        found["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream["StreamViewType"]}
    if sse:
        spelt = {("Enabled" if key == "SSEEnabled" else key): value for key, value in sse.items()}
        found |= shaped.parameters(_S, "UpdateTable", {"SSESpecification": spelt})
    return found


async def _active(work: Work, name: str) -> None:
    while True:
        table = (await work.call(_S, "DescribeTable", TableName=name))["Table"]
        if table.get("TableStatus", "ACTIVE") == "ACTIVE":
            return
        await asyncio.sleep(_POLL_SECONDS)


TYPES: dict[str, Handler] = {"AWS::DynamoDB::Table": Table()}
