"""Begins operations: a stack and what is to be done with it are committed together, then the runner takes it up."""

from __future__ import annotations

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.cloudformation.api.requests import Prepared, Request, tags_of
from forecourt.services.cloudformation.errors import AlreadyExistsException, ValidationError
from forecourt.services.cloudformation.model import DONE, ChangeSet, Operation, Stack
from forecourt.services.cloudformation.run.journal import notify, stack_event
from forecourt.services.cloudformation.run.runner import Runner
from forecourt.services.cloudformation.store import StackStore, note
from forecourt.store import AlreadyExists, Tx

# An answer waits so long for the end: a client's waiter asks at once, and then not again for half a minute.
_PATIENCE_SECONDS = 2.0


class Launch:
    def __init__(self, stacks: StackStore, runner: Runner, caller: Caller, clock: Clock, ids: Ids) -> None:
        self._stacks = stacks
        self._runner = runner
        self._caller = caller
        self._clock = clock
        self._ids = ids

    async def create(
        self,
        context: CallContext,
        stack: Stack,
        prepared: Prepared,
        on_failure: str,
        request: Request,
        change_set: ChangeSet | None = None,
    ) -> None:
        """Raises `AlreadyExistsException`."""
        operation = self._operation(context, stack, "create", request)
        operation.on_failure = on_failure
        operation.processed, operation.parameters = prepared.processed, stack.parameters
        operation.change_set = change_set.name if change_set is not None else None
        if stack.timeout_minutes is not None:
            operation.deadline = self._clock.now() + 60 * stack.timeout_minutes
        stack.status, stack.status_reason = "CREATE_IN_PROGRESS", "User Initiated"
        try:
            await self._begin(context, stack, operation)
        except AlreadyExists:
            raise AlreadyExistsException(f"Stack [{stack.name}] already exists") from None

    async def update(
        self,
        context: CallContext,
        stack: Stack,
        prepared: Prepared,
        request: Request,
        policy: str | None = None,
        change_set: ChangeSet | None = None,
    ) -> None:
        former = msgspec.structs.replace(stack)
        operation = self._operation(context, stack, "update", request)
        operation.old_stack = former
        operation.before = [record for record in (await self._stacks.records(stack)).values() if record.exists]
        operation.on_failure = "DO_NOTHING" if request.get("DisableRollback") else "ROLLBACK"
        operation.policy = policy if policy is not None else stack.policy
        stack.template, stack.processed = prepared.text, prepared.processed
        stack.description = prepared.template.description
        stack.parameters = self._stacks.seal(prepared.parameters)
        stack.capabilities = list(request.get("Capabilities") or ())
        stack.tags = tags_of(request) if "Tags" in request else stack.tags
        stack.topics = list(request["NotificationARNs"]) if "NotificationARNs" in request else stack.topics
        stack.role_arn = request.get("RoleARN") or stack.role_arn
        stack.disable_rollback = bool(request.get("DisableRollback"))
        stack.updated_at = self._clock.now()
        stack.change_set_id = change_set.id if change_set is not None else None
        operation.processed, operation.parameters = stack.processed, stack.parameters
        operation.tags, operation.role_arn = stack.tags, stack.role_arn
        operation.change_set = change_set.name if change_set is not None else None
        stack.status, stack.status_reason = "UPDATE_IN_PROGRESS", "User Initiated"
        await self._begin(context, stack, operation)

    async def delete(self, context: CallContext, stack: Stack, request: Request) -> None:
        operation = self._operation(context, stack, "delete", request)
        operation.phase = "delete"
        operation.parameters = stack.parameters
        operation.retain = list(request.get("RetainResources") or ())
        stack.role_arn = operation.role_arn
        stack.status, stack.status_reason = "DELETE_IN_PROGRESS", "User Initiated"
        await self._runner.interrupt(stack.key)
        await self._begin(context, stack, operation)

    async def cancel(self, stack: Stack) -> None:
        def change(tx: Tx) -> None:
            operation = tx.get(Operation, *stack.key)
            if operation is not None:
                operation.cancelled = True
                tx.put(operation)

        await self._stacks.store.write(change)
        self._runner.cancel(stack.key)

    async def continue_rollback(self, stack: Stack, request: Request) -> None:
        operation = await self._stacks.operation(stack.key)
        assert operation is not None
        operation.retain, operation.phase = list(request.get("ResourcesToSkip") or ()), "rollback"
        operation.role_arn = request.get("RoleARN") or operation.role_arn
        operation.client_token = request.get("ClientRequestToken")
        stack.status, stack.status_reason = "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"
        event = stack_event(stack, self._clock, self._ids, operation.client_token)

        def change(tx: Tx) -> None:
            tx.put(stack)
            tx.put(operation)
            note(tx, stack.key, [event])

        await self._stacks.store.write(change)
        self._runner.begin(stack.key)

    def _operation(self, context: CallContext, stack: Stack, kind: str, request: Request) -> Operation:
        account, region, uuid = stack.key
        return Operation(
            account=account,
            region=region,
            stack=uuid,
            kind=kind,
            phase="forward",
            principal=context.principal,
            token=self._ids.uuid(),
            client_token=request.get("ClientRequestToken"),
            role_arn=request.get("RoleARN") or stack.role_arn,
            tags=stack.tags,
            retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        )

    async def _begin(self, context: CallContext, stack: Stack, operation: Operation) -> None:
        """Raises `AlreadyExists` where the name is taken by now, `ValidationError` where something else came first."""
        event = stack_event(stack, self._clock, self._ids, operation.client_token)

        def change(tx: Tx) -> None:
            known = tx.get(Operation, *stack.key)
            if known is not None:
                if known.phase != DONE and operation.kind != "delete":
                    raise ValidationError(f"Stack:{stack.id} is in {_status(tx, stack)} state and can not be updated.")
                # What an operation that failed left behind
                operation.leftovers = known.leftovers
            tx.put(stack)
            tx.put(operation)
            note(tx, stack.key, [event])

        await self._stacks.store.write(change)
        await notify(self._caller, context, stack, event)
        self._runner.begin(stack.key)
        await self._runner.settled(stack.key, _PATIENCE_SECONDS)


def _status(tx: Tx, stack: Stack) -> str:
    """As another operation has left it."""
    known = tx.get(Stack, *stack.key)
    return (known or stack).status
