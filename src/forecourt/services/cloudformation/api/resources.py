"""A stack's resources and events."""

from __future__ import annotations

from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cloudformation.api.paging import page
from forecourt.services.cloudformation.api.requests import Request
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.model import Event, Record, Stack
from forecourt.services.cloudformation.store import StackStore

_NOT_CHECKED = {"StackResourceDriftStatus": "NOT_CHECKED"}


class ResourcesApi:
    def __init__(self, stacks: StackStore) -> None:
        self._stacks = stacks

    @operation("DescribeStackEvents")
    async def describe_stack_events(self, context: CallContext, request: Request) -> dict[str, Any]:
        stack = await self._stacks.find(context.account, context.region, request["StackName"])
        if stack is None:
            raise ValidationError(f"Stack [{request['StackName']}] does not exist")
        events = await self._stacks.events(stack)
        shown, more = page(events, request.get("NextToken"), lambda event: event.id)
        return {"StackEvents": [_event(stack, event) for event in shown], **more}

    @operation("DescribeStackResource")
    async def describe_stack_resource(self, context: CallContext, request: Request) -> dict[str, Any]:
        stack = await self._require(context, request["StackName"])
        name = request["LogicalResourceId"]
        record = await self._stacks.store.get(Record, *stack.key, name)
        if record is None:
            raise ValidationError(f"Resource {name} does not exist for stack {stack.name}")
        found = _described(record) | {
            "StackName": stack.name,
            "StackId": stack.id,
            "LastUpdatedTimestamp": record.updated_at,
            "Metadata": record.metadata or "{}",
        }
        return {"StackResourceDetail": found}

    @operation("DescribeStackResources")
    async def describe_stack_resources(self, context: CallContext, request: Request) -> dict[str, Any]:
        """Of a stack, or of the stack that a physical id belongs to."""
        name, physical_id = request.get("StackName"), request.get("PhysicalResourceId")
        if (name is None) == (physical_id is None):
            raise ValidationError("Either StackName or PhysicalResourceId must be specified, but not both")
        stack = await (self._require(context, name) if name is not None else self._owner(context, str(physical_id)))
        wanted = request.get("LogicalResourceId")
        records = (await self._stacks.records(stack)).values()
        shown = [record for record in records if wanted is None or record.logical_id == wanted]
        place = {"StackName": stack.name, "StackId": stack.id}
        return {"StackResources": [{**place, **_described(record), "Timestamp": record.updated_at} for record in shown]}

    @operation("ListStackResources")
    async def list_stack_resources(self, context: CallContext, request: Request) -> dict[str, Any]:
        stack = await self._require(context, request["StackName"])
        records = list((await self._stacks.records(stack)).values())
        shown, more = page(records, request.get("NextToken"), lambda record: record.logical_id)
        summaries = [{**_described(record), "LastUpdatedTimestamp": record.updated_at} for record in shown]
        return {"StackResourceSummaries": summaries, **more}

    async def _require(self, context: CallContext, name: str) -> Stack:
        return await self._stacks.require(context.account, context.region, name)

    async def _owner(self, context: CallContext, physical_id: str) -> Stack:
        for record in await self._stacks.store.list(Record, context.account, context.region):
            if record.physical_id == physical_id and record.exists:
                found = await self._stacks.store.get(Stack, context.account, context.region, record.stack)
                if found is not None:
                    return found
        raise ValidationError(f"Stack for {physical_id} does not exist")


def _described(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {
        "LogicalResourceId": record.logical_id,
        "ResourceType": record.type,
        "ResourceStatus": record.status,
        "DriftInformation": _NOT_CHECKED,
    }
    optional = {"PhysicalResourceId": record.physical_id, "ResourceStatusReason": record.status_reason}
    return found | {name: value for name, value in optional.items() if value is not None}


def _event(stack: Stack, event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "StackId": stack.id,
        "EventId": event.id,
        "StackName": stack.name,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.type,
        "Timestamp": event.at,
        "ResourceStatus": event.status,
    }
    optional = {
        "ResourceStatusReason": event.reason,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
    }
    return found | {name: value for name, value in optional.items() if value is not None}
