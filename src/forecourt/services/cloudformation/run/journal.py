"""Commits what is known of a stack and its resources, each change with its event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.services.cloudformation.model import Event, Operation, Record, Stack
from forecourt.services.cloudformation.store import StackStore, note
from forecourt.store import Tx

_log = logging.getLogger("forecourt.cloudformation")
STACK_TYPE = "AWS::CloudFormation::Stack"

Change = Callable[[Tx], None]


class Journal:
    """Of one operation. `context` is whom a notification is sent as."""

    def __init__(
        self, stacks: StackStore, caller: Caller, clock: Clock, ids: Ids, context: CallContext, operation: Operation
    ) -> None:
        self._stacks = stacks
        self._caller = caller
        self._clock = clock
        self._ids = ids
        self._context = context
        self._operation = operation

    async def resource(
        self, stack: Stack, record: Record, *, shown: str | None = None, also: Sequence[Change] = ()
    ) -> None:
        """`record` as it is now. `shown` are its properties, for the event."""
        record.updated_at = self._clock.now()
        event = Event(
            id=f"{record.logical_id}-{self._ids.uuid()}",
            at=record.updated_at,
            logical_id=record.logical_id,
            physical_id=record.physical_id or "",
            type=record.type,
            status=record.status,
            reason=record.status_reason,
            properties=shown,
            token=self._operation.client_token,
        )
        await self._commit(stack, event, (lambda tx: tx.put(record), *also))

    async def aside(self, stack: Stack, record: Record, *, also: Sequence[Change] = ()) -> None:
        """An event of a resource that is no part of the stack any more: its record is not kept."""
        event = Event(
            id=f"{record.logical_id}-{self._ids.uuid()}",
            at=self._clock.now(),
            logical_id=record.logical_id,
            physical_id=record.physical_id or "",
            type=record.type,
            status=record.status,
            reason=record.status_reason,
            token=self._operation.client_token,
        )
        await self._commit(stack, event, also)

    async def stack(self, stack: Stack, *, also: Sequence[Change] = ()) -> None:
        """`stack` as it is now."""
        await self._commit(
            stack,
            stack_event(stack, self._clock, self._ids, self._operation.client_token),
            (lambda tx: tx.put(stack), *also),
        )

    async def _commit(self, stack: Stack, event: Event, changes: Sequence[Change]) -> None:
        def run(tx: Tx) -> None:
            for change in changes:
                change(tx)
            note(tx, stack.key, [event])

        await self._stacks.store.write(run)
        await notify(self._caller, self._context, stack, event)


def stack_event(stack: Stack, clock: Clock, ids: Ids, token: str | None) -> Event:
    return Event(
        id=ids.uuid(),
        at=clock.now(),
        logical_id=stack.name,
        physical_id=stack.id,
        type=STACK_TYPE,
        status=stack.status,
        reason=stack.status_reason,
        token=token,
    )


async def notify(caller: Caller, context: CallContext, stack: Stack, event: Event) -> None:
    """To the stack's topics, in the form of https://repost.aws/knowledge-center/cloudformation-rollback-email."""
    if not stack.topics:
        return
    members = {
        "StackId": stack.id,
        "Timestamp": msgspec.json.encode(event.at).decode(),
        "EventId": event.id,
        "LogicalResourceId": event.logical_id,
        "Namespace": stack.account,
        "PhysicalResourceId": event.physical_id,
        "ResourceProperties": event.properties or "null",
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason or "",
        "ResourceType": event.type,
        "StackName": stack.name,
        "ClientRequestToken": event.token or "null",
    }
    text = "".join(f"{name}='{value}'\n" for name, value in members.items())
    for topic in stack.topics:
        try:
            await caller.call(
                context,
                "sns",
                "Publish",
                {"TopicArn": topic, "Subject": "AWS CloudFormation Notification", "Message": text},
            )
        except ServiceError as error:
            _log.warning("the topic %s was not told of a stack's event: %s", topic, error)
