"""Change sets: what a template would do to a stack, worked out first, carried out later or not at all."""

from __future__ import annotations

import json
from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.errors import NotImplementedYet
from forecourt.base.ids import Ids
from forecourt.services.cloudformation.api.launch import Launch
from forecourt.services.cloudformation.api.paging import page
from forecourt.services.cloudformation.api.planned import changes, differs
from forecourt.services.cloudformation.api.requests import (
    Prepared,
    Request,
    Requests,
    check_stack_name,
    refuse_unsupported,
    tags_of,
)
from forecourt.services.cloudformation.api.stacks import require_updatable
from forecourt.services.cloudformation.errors import (
    AlreadyExistsException,
    ChangeSetNotFoundException,
    InvalidChangeSetStatusException,
    TransformFailed,
    ValidationError,
)
from forecourt.services.cloudformation.model import DELETED, ChangeSet, Stack, shown_parameters
from forecourt.services.cloudformation.run.journal import stack_event
from forecourt.services.cloudformation.store import StackStore, change_set_named, note
from forecourt.services.cloudformation.template import sections
from forecourt.store import Tx

_REVIEW = "REVIEW_IN_PROGRESS"
_NOTHING = "The submitted information didn't contain changes. Submit different information to create a change set."


class ChangeSetsApi:
    def __init__(self, stacks: StackStore, requests: Requests, launch: Launch, clock: Clock, ids: Ids) -> None:
        self._stacks = stacks
        self._requests = requests
        self._launch = launch
        self._clock = clock
        self._ids = ids

    @operation("CreateChangeSet")
    async def create_change_set(self, context: CallContext, request: Request) -> dict[str, Any]:
        kind = request.get("ChangeSetType", "UPDATE")
        if kind == "IMPORT":
            raise NotImplementedYet("Forecourt does not import resources into stacks.")
        refuse_unsupported(request)
        if kind == "UPDATE" and request.get("OnStackFailure") == "DELETE":
            raise ValidationError("OnStackFailure can be DELETE only for a ChangeSetType of CREATE.")
        stack = await self._stack_for(context, request, kind)
        known = await self._stacks.store.get(ChangeSet, *stack.key, request["ChangeSetName"])
        if known is not None:
            if request.get("ClientToken") is not None and known.token == request["ClientToken"]:
                return {"Id": known.id, "StackId": stack.id}
            raise AlreadyExistsException(f"ChangeSet {known.name} cannot be created, it already exists.")
        await self._requests.check_role(context, request.get("RoleARN"))
        text = await self._requests.template_text(context, request, stack)
        found = self._made(stack, request, kind, text)
        await self._plan(context, stack, request, text, found)
        await self._keep(stack, found)
        return {"Id": found.id, "StackId": stack.id}

    async def _stack_for(self, context: CallContext, request: Request, kind: str) -> Stack:
        """The stack that is to change, or one that is only reviewed yet. Raises `ValidationError`."""
        name = request["StackName"]
        stack = await self._stacks.find(context.account, context.region, name)
        if stack is not None and stack.status == DELETED:
            stack = None
        if kind == "UPDATE":
            if stack is None:
                raise ValidationError(f"Stack [{name}] does not exist")
            require_updatable(stack)
            return stack
        if stack is None:
            check_stack_name(name)
            return Stack(
                account=context.account,
                region=context.region,
                uuid=self._ids.uuid(),
                name=name,
                created_at=self._clock.now(),
                status=_REVIEW,
                status_reason="User Initiated",
                public_url=context.public_url,
            )
        if stack.status != _REVIEW:
            raise ValidationError(
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        return stack

    def _made(self, stack: Stack, request: Request, kind: str, text: str) -> ChangeSet:
        account, region, uuid = stack.key
        return ChangeSet(
            account=account,
            region=region,
            stack=uuid,
            name=request["ChangeSetName"],
            uuid=self._ids.uuid(),
            created_at=self._clock.now(),
            type=kind,
            status="CREATE_COMPLETE",
            execution_status="AVAILABLE",
            stack_name=stack.name,
            stack_id=stack.id,
            description=request.get("Description"),
            template=text,
            tags=tags_of(request) if "Tags" in request else stack.tags,
            capabilities=list(request.get("Capabilities") or ()),
            topics=list(request.get("NotificationARNs") or stack.topics),
            role_arn=request.get("RoleARN") or stack.role_arn,
            token=request.get("ClientToken"),
            on_failure=request.get("OnStackFailure"),
        )

    async def _plan(self, context: CallContext, stack: Stack, request: Request, text: str, found: ChangeSet) -> None:
        previous = stack if found.type == "UPDATE" else None
        try:
            prepared = await self._requests.prepare(context, request, text, stack.name, stack.id, previous)
        except TransformFailed as failure:
            found.status, found.execution_status, found.status_reason = "FAILED", "UNAVAILABLE", failure.message
            return
        found.processed, found.parameters = prepared.processed, self._stacks.seal(prepared.parameters)
        found.changes = await changes(self._stacks, stack, prepared, request)
        if not found.changes and found.type == "UPDATE" and not await differs(self._stacks, stack, prepared, request):
            found.status, found.execution_status, found.status_reason = "FAILED", "UNAVAILABLE", _NOTHING

    async def _keep(self, stack: Stack, found: ChangeSet) -> None:
        event = stack_event(stack, self._clock, self._ids, None)

        def change(tx: Tx) -> None:
            if tx.get(Stack, *stack.key) is None:
                tx.insert(stack)
                note(tx, stack.key, [event])
            tx.put(found)

        await self._stacks.store.write(change)

    @operation("DescribeChangeSet")
    async def describe_change_set(self, context: CallContext, request: Request) -> dict[str, Any]:
        found = await self._require(context, request)
        shown, more = page(
            found.changes, request.get("NextToken"), lambda change: str(change["ResourceChange"]["LogicalResourceId"])
        )
        described = {
            **_summary(found),
            "ChangeSetName": found.name,
            "ChangeSetId": found.id,
            "Parameters": shown_parameters(self._stacks.parameters(found.parameters)),
            "NotificationARNs": found.topics,
            "RollbackConfiguration": {},
            "Capabilities": found.capabilities,
            "Tags": [{"Key": key, "Value": value} for key, value in found.tags.items()],
            "Changes": shown,
            **more,
        }
        return described | ({"OnStackFailure": found.on_failure} if found.on_failure else {})

    @operation("ListChangeSets")
    async def list_change_sets(self, context: CallContext, request: Request) -> dict[str, Any]:
        stack = await self._stacks.require(context.account, context.region, request["StackName"])
        found = await self._stacks.change_sets(stack)
        shown, more = page(found, request.get("NextToken"), lambda one: one.name)
        return {"Summaries": [_summary(one) for one in shown], **more}

    @operation("DeleteChangeSet")
    async def delete_change_set(self, context: CallContext, request: Request) -> None:
        try:
            found = await self._require(context, request)
        except ChangeSetNotFoundException:
            return
        if found.execution_status == "EXECUTE_IN_PROGRESS":
            raise InvalidChangeSetStatusException(
                f"ChangeSet [{found.id}] cannot be deleted in its current execution status of "
                f"[{found.execution_status}]"
            )
        await self._stacks.store.write(
            lambda tx: tx.delete(ChangeSet, found.account, found.region, found.stack, found.name)
        )

    @operation("ExecuteChangeSet")
    async def execute_change_set(self, context: CallContext, request: Request) -> dict[str, Any]:
        found = await self._require(context, request)
        if found.execution_status != "AVAILABLE":
            state = found.status if found.status == "FAILED" else found.execution_status
            raise InvalidChangeSetStatusException(
                f"ChangeSet [{found.id}] cannot be executed in its current status of [{state}]"
            )
        stack = await self._stacks.store.get(Stack, found.account, found.region, found.stack)
        assert stack is not None
        if found.type == "UPDATE":
            require_updatable(stack)
        await self._others_obsolete(stack, found)
        await self._execute(context, stack, found, request)
        return {}

    async def _execute(self, context: CallContext, stack: Stack, found: ChangeSet, request: Request) -> None:
        prepared = Prepared(
            found.template,
            found.processed,
            sections.read(json.loads(found.processed)),
            self._stacks.parameters(found.parameters),
        )
        tags = [{"Key": key, "Value": value} for key, value in found.tags.items()]
        wanted: dict[str, Any] = {
            "Capabilities": found.capabilities,
            "NotificationARNs": found.topics,
            "RoleARN": found.role_arn,
            "Tags": tags,
            "DisableRollback": request.get("DisableRollback") or found.on_failure == "DO_NOTHING",
            "ClientRequestToken": request.get("ClientRequestToken"),
            "RetainExceptOnCreate": request.get("RetainExceptOnCreate"),
        }
        if found.type == "UPDATE":
            await self._launch.update(context, stack, prepared, wanted, change_set=found)
            return
        stack.template, stack.processed, stack.parameters = found.template, found.processed, found.parameters
        stack.description = prepared.template.description
        stack.tags, stack.capabilities, stack.topics = found.tags, found.capabilities, found.topics
        stack.role_arn, stack.change_set_id = found.role_arn, found.id
        stack.disable_rollback = bool(wanted["DisableRollback"])
        on_failure = "DO_NOTHING" if wanted["DisableRollback"] else found.on_failure or "ROLLBACK"
        await self._launch.create(context, stack, prepared, on_failure, wanted, change_set=found)

    async def _others_obsolete(self, stack: Stack, chosen: ChangeSet) -> None:
        """AWS deletes them, since they no longer tell what would change."""
        others = [one.name for one in await self._stacks.change_sets(stack) if one.name != chosen.name]
        chosen.execution_status = "EXECUTE_IN_PROGRESS"

        def change(tx: Tx) -> None:
            for name in others:
                tx.delete(ChangeSet, *stack.key, name)
            tx.put(chosen)

        await self._stacks.store.write(change)

    async def _require(self, context: CallContext, request: Request) -> ChangeSet:
        """Raises `ChangeSetNotFoundException`."""
        name, stack_name = request["ChangeSetName"], request.get("StackName")
        if stack_name is not None:
            stack = await self._stacks.find(context.account, context.region, stack_name)
            if stack is None:
                raise ValidationError(f"Stack [{stack_name}] does not exist")
            candidates = await self._stacks.change_sets(stack)
        elif name.startswith("arn:"):
            candidates = await self._stacks.store.list(ChangeSet, context.account, context.region)
        else:
            raise ValidationError("StackName must be specified if ChangeSetName is not specified as an ARN.")
        return change_set_named(name, candidates)


def _summary(found: ChangeSet) -> dict[str, Any]:
    described: dict[str, Any] = {
        "StackId": found.stack_id,
        "StackName": found.stack_name,
        "ChangeSetId": found.id,
        "ChangeSetName": found.name,
        "ExecutionStatus": found.execution_status,
        "Status": found.status,
        "CreationTime": found.created_at,
        "IncludeNestedStacks": False,
        "ImportExistingResources": False,
    }
    optional = {"StatusReason": found.status_reason, "Description": found.description}
    return described | {name: value for name, value in optional.items() if value is not None}
