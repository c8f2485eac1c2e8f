"""Stacks: create, update, delete, describe, list, protect."""

from __future__ import annotations

from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.errors import NotImplementedYet
from forecourt.base.ids import Ids
from forecourt.services.cloudformation.api.launch import Launch
from forecourt.services.cloudformation.api.paging import page
from forecourt.services.cloudformation.api.planned import differs
from forecourt.services.cloudformation.api.protection import policy_of
from forecourt.services.cloudformation.api.requests import (
    Prepared,
    Request,
    Requests,
    check_expansion,
    check_stack_name,
    refuse_unsupported,
    tags_of,
)
from forecourt.services.cloudformation.errors import (
    AlreadyExistsException,
    TokenAlreadyExistsException,
    ValidationError,
)
from forecourt.services.cloudformation.model import DELETED, Output, Stack, shown_parameters, stack_arn
from forecourt.services.cloudformation.resources.work import PARENT
from forecourt.services.cloudformation.store import StackStore


class StacksApi:
    def __init__(self, stacks: StackStore, requests: Requests, launch: Launch, clock: Clock, ids: Ids) -> None:
        self._stacks = stacks
        self._requests = requests
        self._launch = launch
        self._clock = clock
        self._ids = ids

    @operation("CreateStack")
    async def create_stack(self, context: CallContext, request: Request) -> dict[str, Any]:
        name = request["StackName"]
        check_stack_name(name)
        refuse_unsupported(request)
        token = request.get("ClientRequestToken")
        known = await self._stacks.find(context.account, context.region, name)
        if known is not None:
            if token is not None and known.last_token == f"create/{token}":
                return {"StackId": known.id}
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        if "OnFailure" in request and "DisableRollback" in request:
            raise ValidationError("Either DisableRollback or OnFailure can be specified, not both.")
        await self._requests.check_role(context, request.get("RoleARN"))
        text = await self._requests.template_text(context, request)
        await check_expansion(text, request)
        uuid = self._ids.uuid()
        stack_id = stack_arn(context.region, context.account, name, uuid)
        prepared = await self._requests.prepare(context, request, text, name, stack_id)
        stack = self.made(context, request, uuid, prepared)
        stack.last_token = f"create/{token}" if token is not None else None
        await self._inside(context, stack)
        stack.policy = await policy_of(self._requests, context, request, "StackPolicy")
        on_failure = request.get("OnFailure") or ("DO_NOTHING" if stack.disable_rollback else "ROLLBACK")
        await self._launch.create(context, stack, prepared, on_failure, request)
        return {"StackId": stack.id}

    async def _inside(self, context: CallContext, stack: Stack) -> None:
        """Notes whose part a nested stack is."""
        parent_id = context.conditions.get(PARENT)
        if parent_id is not None:
            parent = await self._stacks.require(context.account, context.region, parent_id)
            stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id

    def made(self, context: CallContext, request: Request, uuid: str, prepared: Prepared) -> Stack:
        return Stack(
            account=context.account,
            region=context.region,
            uuid=uuid,
            name=request["StackName"],
            created_at=self._clock.now(),
            status="CREATE_IN_PROGRESS",
            template=prepared.text,
            processed=prepared.processed,
            description=prepared.template.description,
            parameters=self._stacks.seal(prepared.parameters),
            tags=tags_of(request),
            capabilities=list(request.get("Capabilities") or ()),
            topics=list(request.get("NotificationARNs") or ()),
            role_arn=request.get("RoleARN"),
            timeout_minutes=request.get("TimeoutInMinutes"),
            disable_rollback=bool(request.get("DisableRollback")),
            termination_protection=bool(request.get("EnableTerminationProtection")),
            public_url=context.public_url,
        )

    @operation("UpdateStack")
    async def update_stack(self, context: CallContext, request: Request) -> dict[str, Any]:
        refuse_unsupported(request)
        stack = await self._stacks.find(context.account, context.region, request["StackName"])
        if stack is None or stack.status == DELETED:
            raise ValidationError(f"Stack [{request['StackName']}] does not exist")
        token = request.get("ClientRequestToken")
        if token is not None and stack.last_token is not None and stack.last_token.endswith(f"/{token}"):
            if not stack.last_token.startswith("update/"):
                raise TokenAlreadyExistsException(f"Token already exists {token}")
            return {"StackId": stack.id}
        require_updatable(stack)
        await self._requests.check_role(context, request.get("RoleARN"))
        text = await self._requests.template_text(context, request, stack)
        if not request.get("UsePreviousTemplate"):
            await check_expansion(text, request)
        prepared = await self._requests.prepare(context, request, text, stack.name, stack.id, stack)
        if not await differs(self._stacks, stack, prepared, request):
            raise ValidationError("No updates are to be performed.")
        policy = await policy_of(self._requests, context, request, "StackPolicy")
        stack.policy = policy if policy is not None else stack.policy
        stack.last_token = f"update/{token}" if token is not None else None
        during = await policy_of(self._requests, context, request, "StackPolicyDuringUpdate")
        await self._launch.update(context, stack, prepared, request, policy=during)
        return {"StackId": stack.id}

    @operation("DeleteStack")
    async def delete_stack(self, context: CallContext, request: Request) -> None:
        """Of a stack that is not there, nothing: AWS says the same as of one that is."""
        refuse_unsupported(request)
        stack = await self._stacks.find(context.account, context.region, request["StackName"])
        if stack is None or stack.status == DELETED:
            return
        if stack.termination_protection:
            raise ValidationError(f"Stack [{stack.id}] cannot be deleted while TerminationProtection is enabled")
        if request.get("RetainResources") and stack.status != "DELETE_FAILED":
            raise ValidationError(
                "Invalid operation on stack. RetainResources can only be specified when the stack is in the "
                "DELETE_FAILED state."
            )
        if request.get("DeletionMode", "STANDARD") != "STANDARD":
            raise NotImplementedYet("Forecourt does not force the deletion of a stack: use RetainResources.")
        if stack.status == "DELETE_IN_PROGRESS":
            return
        await self._requests.check_role(context, request.get("RoleARN"))
        await self._launch.delete(context, stack, request)

    @operation("DescribeStacks")
    async def describe_stacks(self, context: CallContext, request: Request) -> dict[str, Any]:
        name = request.get("StackName")
        if name is not None:
            stack = await self._stacks.require(context.account, context.region, name)
            return {"Stacks": [self.described(stack)]}
        found = await self._listed(context)
        alive = [stack for stack in found if stack.status != DELETED]
        shown, more = page(alive, request.get("NextToken"), lambda stack: stack.uuid)
        return {"Stacks": [self.described(stack) for stack in shown], **more}

    @operation("ListStacks")
    async def list_stacks(self, context: CallContext, request: Request) -> dict[str, Any]:
        wanted = set(request.get("StackStatusFilter") or ())
        found = await self._listed(context)
        chosen = [stack for stack in found if not wanted or stack.status in wanted]
        shown, more = page(chosen, request.get("NextToken"), lambda stack: stack.uuid)
        return {"StackSummaries": [_summary(stack) for stack in shown], **more}

    async def _listed(self, context: CallContext) -> list[Stack]:
        found = await self._stacks.store.list(Stack, context.account, context.region)
        return sorted(found, key=lambda stack: (-stack.created_at, stack.uuid))

    @operation("CancelUpdateStack")
    async def cancel_update_stack(self, context: CallContext, request: Request) -> None:
        stack = await self._stacks.require(context.account, context.region, request["StackName"])
        if stack.status != "UPDATE_IN_PROGRESS":
            raise ValidationError("CancelUpdateStack cannot be called from current stack status")
        await self._launch.cancel(stack)

    @operation("ContinueUpdateRollback")
    async def continue_update_rollback(self, context: CallContext, request: Request) -> dict[str, Any]:
        refuse_unsupported(request)
        stack = await self._stacks.require(context.account, context.region, request["StackName"])
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise ValidationError(
                f"Stack:{stack.id} is in {stack.status} state and can not continue its update rollback."
            )
        await self._requests.check_role(context, request.get("RoleARN"))
        await self._launch.continue_rollback(stack, request)
        return {}

    @operation("RollbackStack")
    async def rollback_stack(self, context: CallContext, request: Request) -> dict[str, Any]:
        raise NotImplementedYet("Forecourt does not roll back a stack that was left as it failed: delete or update it.")

    def described(self, stack: Stack) -> dict[str, Any]:
        found: dict[str, Any] = {
            "StackId": stack.id,
            "StackName": stack.name,
            "CreationTime": stack.created_at,
            "StackStatus": stack.status,
            "DisableRollback": stack.disable_rollback,
            "NotificationARNs": stack.topics,
            "RollbackConfiguration": {},
            "Capabilities": stack.capabilities,
            "Parameters": shown_parameters(self._stacks.parameters(stack.parameters)),
            "Outputs": [_output(output) for output in stack.outputs],
            "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
            "EnableTerminationProtection": stack.termination_protection,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
        return found | _present(
            Description=stack.description or None,
            StackStatusReason=stack.status_reason,
            LastUpdatedTime=stack.updated_at,
            DeletionTime=stack.deleted_at,
            ChangeSetId=stack.change_set_id,
            RoleARN=stack.role_arn,
            TimeoutInMinutes=stack.timeout_minutes,
            ParentId=stack.parent_id,
            RootId=stack.root_id,
        )


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _output(output: Output) -> dict[str, Any]:
    found = {"OutputKey": output.key, "OutputValue": output.value}
    return found | _present(Description=output.description, ExportName=output.export)


def _summary(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created_at,
        "StackStatus": stack.status,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }
    return found | _present(
        TemplateDescription=stack.description or None,
        LastUpdatedTime=stack.updated_at,
        DeletionTime=stack.deleted_at,
        StackStatusReason=stack.status_reason,
        ParentId=stack.parent_id,
        RootId=stack.root_id,
    )


# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html#cfn-console-view-stack-data-resources-status-codes
_UPDATABLE = frozenset(
    ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED")
)


def require_updatable(stack: Stack) -> None:
    """Raises `ValidationError`."""
    if stack.status not in _UPDATABLE:
        raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
