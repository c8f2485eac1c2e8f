"""What a stack needs to know of the stacks inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cloudformation.model import Stack
from forecourt.services.cloudformation.run.runner import Runner
from forecourt.services.cloudformation.store import StackStore


class NestedStacks:
    def __init__(self, stacks: StackStore, runner: Runner) -> None:
        self._stacks = stacks
        self._runner = runner

    async def settled(self, stack_id: str) -> Mapping[str, Any]:
        """A stack's status, its reason and its outputs, once nothing is under way in it."""
        _, _, _, region, account, path = stack_id.split(":", 5)
        key = (account, region, path.split("/")[2])
        await self._runner.settled(key)
        stack = await self._stacks.store.get(Stack, *key)
        if stack is None:
            return {"status": "DELETE_COMPLETE", "reason": None, "outputs": {}}
        outputs = {output.key: output.value for output in stack.outputs}
        return {"status": stack.status, "reason": stack.status_reason, "outputs": outputs}
