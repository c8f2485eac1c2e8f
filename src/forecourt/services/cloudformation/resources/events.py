"""AWS::Events::* and AWS::Scheduler::*: buses with their rules, connections, schedules."""

from __future__ import annotations

from typing import Any

from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, Simple, changed, refuse_unknown
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump


class Rule:
    _APART = frozenset(("Targets",))

    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("Name").settle(work, properties)
        refuse_unknown(work, "events", "PutRule", given, self._APART)
        found = await work.call("events", "PutRule", **shaped.parameters("events", "PutRule", given))
        async with work.undone(self, given["Name"], given):
            await self._aim(work, given["Name"], {}, given)
        return Made(_ref(given), {"Arn": found["RuleArn"], "RuleName": given["Name"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        given = {**new, "Name": physical_id.rpartition("|")[2]}
        own = {name: value for name, value in given.items() if name != "Tags"}
        if changed(old, new) - {"Targets", "Tags"}:
            await work.call("events", "PutRule", **shaped.parameters("events", "PutRule", own))
        await self._aim(work, given["Name"], old, new)
        await retag(work, "events", _arn(work, given), old.get("Tags"), new.get("Tags"))
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        where = {"Rule": physical_id.rpartition("|")[2], "EventBusName": properties.get("EventBusName")}
        ids = [target["Id"] for target in properties.get("Targets") or ()]
        if ids:
            await work.gone("events", "RemoveTargets", **where, Ids=ids)
        await work.gone("events", "DeleteRule", Name=where["Rule"], EventBusName=where["EventBusName"])

    async def _aim(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        where = {"Rule": name, "EventBusName": new.get("EventBusName")}
        before = {target["Id"]: target for target in old.get("Targets") or ()}
        after = {target["Id"]: target for target in new.get("Targets") or ()}
        gone = sorted(set(before) - set(after))
        if gone:
            await work.call("events", "RemoveTargets", **where, Ids=gone)
        wanted = [target for key, target in after.items() if before.get(key) != target]
        if wanted:
            params = shaped.parameters("events", "PutTargets", {"Targets": wanted})
            found = await work.call("events", "PutTargets", **where, **params)
            if found.get("FailedEntryCount"):
                raise ResourceFailed(f"Targets were not taken: {dump(found.get('FailedEntries'))}")


def _bus(properties: Properties) -> str:
    """A bus may be named by its ARN."""
    return str(properties.get("EventBusName") or "default").rpartition("/")[2]


def _ref(properties: Properties) -> str:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html"""
    bus = _bus(properties)
    return str(properties["Name"]) if bus == "default" else f"{bus}|{properties['Name']}"


def _arn(work: Work, properties: Properties) -> str:
    bus = _bus(properties)
    path = properties["Name"] if bus == "default" else f"{bus}/{properties['Name']}"
    return work.arn("events", f"rule/{path}")


class EventBus:
    async def create(self, work: Work, properties: Properties) -> Made:
        own = {name: value for name, value in properties.items() if name != "Policy"}
        refuse_unknown(work, "events", "CreateEventBus", own)
        found = await work.make("events", "CreateEventBus", **shaped.parameters("events", "CreateEventBus", own))
        await self._permit(work, properties["Name"], properties.get("Policy"))
        arn = found.get("EventBusArn") or work.arn("events", f"event-bus/{properties['Name']}")
        return Made(properties["Name"], {"Arn": arn, "Name": properties["Name"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if changed(old, new) - {"Policy", "Tags"}:
            own = {name: value for name, value in new.items() if name not in ("Policy", "Tags")}
            await work.call("events", "UpdateEventBus", **shaped.parameters("events", "UpdateEventBus", own))
        if old.get("Policy") != new.get("Policy"):
            await self._permit(work, physical_id, new.get("Policy"))
        await retag(work, "events", work.arn("events", f"event-bus/{physical_id}"), old.get("Tags"), new.get("Tags"))
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("events", "DeleteEventBus", Name=physical_id)

    async def _permit(self, work: Work, name: str, policy: Any) -> None:
        if policy:
            await work.call("events", "PutPermission", EventBusName=name, Policy=dump(policy))


class EventBusPolicy:
    async def create(self, work: Work, properties: Properties) -> Made:
        statement = properties.get("Statement")
        if statement:
            await work.call(
                "events",
                "PutPermission",
                EventBusName=_bus(properties),
                Policy=dump({"Version": "2012-10-17", "Statement": [{"Sid": properties["StatementId"], **statement}]}),
            )
        else:
            params = shaped.parameters("events", "PutPermission", properties)
            await work.call("events", "PutPermission", **params)
        return Made(f"{_bus(properties)}|{properties['StatementId']}", {})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return await self.create(work, new)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(
            "events", "RemovePermission", EventBusName=_bus(properties), StatementId=properties["StatementId"]
        )


TYPES: dict[str, Handler] = {
    "AWS::Events::Rule": Rule(),
    "AWS::Events::EventBus": EventBus(),
    "AWS::Events::EventBusPolicy": EventBusPolicy(),
    "AWS::Events::Connection": Simple(
        service="events",
        makes="CreateConnection",
        id=":Name",
        changes="UpdateConnection",
        deletes="DeleteConnection",
        reads="DescribeConnection",
        keys={"Name": "@"},
        attributes={"Arn": "ConnectionArn", "SecretArn": "SecretArn"},
        name=Name("Name"),
    ),
    "AWS::Events::ApiDestination": Simple(
        service="events",
        makes="CreateApiDestination",
        id=":Name",
        changes="UpdateApiDestination",
        deletes="DeleteApiDestination",
        reads="DescribeApiDestination",
        keys={"Name": "@"},
        attributes={"Arn": "ApiDestinationArn"},
        name=Name("Name"),
    ),
    "AWS::Scheduler::Schedule": Simple(
        service="scheduler",
        makes="CreateSchedule",
        id=":Name",
        changes="UpdateSchedule",
        deletes="DeleteSchedule",
        reads="GetSchedule",
        keys={"Name": "@", "GroupName": ":GroupName"},
        attributes={"Arn": "Arn"},
        name=Name("Name"),
    ),
    "AWS::Scheduler::ScheduleGroup": Simple(
        service="scheduler",
        makes="CreateScheduleGroup",
        id=":Name",
        deletes="DeleteScheduleGroup",
        reads="GetScheduleGroup",
        keys={"Name": "@"},
        attributes={"Arn": "Arn", "State": "State"},
        name=Name("Name"),
    ),
}
