"""The execution environments of one revision of one version of a function: those idle, and who waits for one."""

from __future__ import annotations

import asyncio
from collections import deque

from forecourt.services.functions.runtime.environment import Environment
from forecourt.services.functions.runtime.spec import FunctionSpec


class Pool:
    """The environments of one revision of one version."""

    def __init__(self, spec: FunctionSpec, task: str, opt: str) -> None:
        self.spec = spec
        # Names of the unpacked code and layers that this pool holds
        self.task = task
        self.opt = opt
        self.idle: list[Environment] = []
        self.waiting: deque[asyncio.Future[Environment]] = deque()
        self.starting = 0
        self.size = 0
        # Environments to keep warm (provisioned concurrency)
        self.provisioned = 0
        self.retired = False

    @property
    def short_of(self) -> int:
        """How many more environments should be started."""
        wanted = max(len(self.waiting), self.provisioned - (self.size - self.starting))
        return wanted - self.starting

    def hand_over(self, environment: Environment) -> bool:
        """Gives it to who has waited longest."""
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(environment)
                return True
        return False
