"""What keeps a stack from being deleted, and its resources from being changed."""

from __future__ import annotations

from typing import Any

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.cloudformation.api.requests import Request, Requests
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.store import StackStore

_MOST_CHARACTERS = 16_384


class ProtectionApi:
    def __init__(self, stacks: StackStore, requests: Requests) -> None:
        self._stacks = stacks
        self._requests = requests

    @operation("UpdateTerminationProtection")
    async def update_termination_protection(self, context: CallContext, request: Request) -> dict[str, Any]:
        stack = await self._stacks.require(context.account, context.region, request["StackName"])
        if stack.parent_id is not None:
            raise ValidationError("Termination protection cannot be updated on a nested stack: update its root")
        stack.termination_protection = request["EnableTerminationProtection"]
        await self._stacks.store.write(lambda tx: tx.put(stack))
        return {"StackId": stack.id}

    @operation("SetStackPolicy")
    async def set_stack_policy(self, context: CallContext, request: Request) -> None:
        stack = await self._stacks.require(context.account, context.region, request["StackName"])
        if ("StackPolicyBody" in request) == ("StackPolicyURL" in request):
            raise ValidationError("You must specify either StackPolicyBody or StackPolicyURL, but not both")
        stack.policy = await policy_of(self._requests, context, request, "StackPolicy")
        await self._stacks.store.write(lambda tx: tx.put(stack))

    @operation("GetStackPolicy")
    async def get_stack_policy(self, context: CallContext, request: Request) -> dict[str, Any]:
        stack = await self._stacks.require(context.account, context.region, request["StackName"])
        return {"StackPolicyBody": stack.policy} if stack.policy is not None else {}


async def policy_of(requests: Requests, context: CallContext, request: Request, name: str) -> str | None:
    """A stack policy, from `{name}Body` or `{name}URL`. Raises `ValidationError`."""
    body, url = request.get(f"{name}Body"), request.get(f"{name}URL")
    if body is None and url is not None:
        body = await requests.fetched(context, url)
    return _checked(body) if body is not None else None


def _checked(text: str) -> str:
    """Raises `ValidationError`."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        raise ValidationError("Error validating stack policy: Invalid stack policy") from None
    if not isinstance(found, dict) or "Statement" not in found or len(text) > _MOST_CHARACTERS:
        raise ValidationError("Error validating stack policy: Invalid stack policy")
    return text
