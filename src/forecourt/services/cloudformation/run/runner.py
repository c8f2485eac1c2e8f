"""Keeps operations going: one task for each stack that has something under way, from the request to the end."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.base.ports import RoleSessions
from forecourt.base.principal import ANONYMOUS
from forecourt.services.cloudformation.model import DONE, Operation, Stack, StackKey
from forecourt.services.cloudformation.resources.work import Ports
from forecourt.services.cloudformation.run.attempt import Attempts
from forecourt.services.cloudformation.run.deployment import Deployment
from forecourt.services.cloudformation.run.journal import Journal
from forecourt.services.cloudformation.run.phases import run
from forecourt.services.cloudformation.store import StackStore

_log = logging.getLogger("forecourt.cloudformation")
PRINCIPAL = "cloudformation.amazonaws.com"
_PATIENCE_SECONDS = 3.0


class Runner:
    """`ports` is set by the composition, since nested stacks come back to us."""

    def __init__(self, stacks: StackStore, roles: RoleSessions) -> None:
        self._stacks = stacks
        self._roles = roles
        self.ports: Ports
        self._running: dict[StackKey, asyncio.Task[None]] = {}
        self._deployments: dict[StackKey, Deployment] = {}

    async def start(self) -> None:
        """Goes on with what was under way when the process ended."""
        for operation in await self._stacks.store.list(Operation):
            if operation.phase != DONE:
                self.begin((operation.account, operation.region, operation.stack))

    async def stop(self) -> None:
        """What is under way stays so, and goes on at the next start."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._running.clear()

    def begin(self, key: StackKey) -> None:
        """The operation was committed."""
        task = asyncio.get_running_loop().create_task(self._run(key))
        self._running[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def cancel(self, key: StackKey) -> None:
        """No further step forward is taken."""
        deployment = self._deployments.get(key)
        if deployment is not None:
            deployment.cancel()

    async def interrupt(self, key: StackKey) -> None:
        """Whatever is under way in the stack goes no further: it is about to be deleted. A step gets some time to end,
        so that what it makes is known."""
        task, deployment = self._running.get(key), self._deployments.get(key)
        if task is None:
            return
        if deployment is not None:
            deployment.abandon()
            await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
        task.cancel()
        await asyncio.wait([task])

    async def settled(self, key: StackKey, seconds: float | None = None) -> None:
        """Returns once nothing is under way in the stack, or after so many seconds."""
        task = self._running.get(key)
        if task is not None:
            await asyncio.wait([task], timeout=seconds)

    def _ended(self, key: StackKey, task: asyncio.Task[None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled() and task.exception() is not None:
            _log.error("an operation of the stack %s stopped", "/".join(key), exc_info=task.exception())

    async def _run(self, key: StackKey) -> None:
        operation, stack = await self._stacks.operation(key), await self._stacks.store.get(Stack, *key)
        if operation is None or stack is None:
            return
        context = await self._context(stack, operation)
        journal = Journal(self._stacks, self.ports.caller, self.ports.clock, self.ports.ids, context, operation)
        records = await self._stacks.records(stack)
        attempts = Attempts(self.ports, context, stack, operation)
        deployment = Deployment(self._stacks, journal, attempts, stack, operation, records, self.ports.clock)
        self._deployments[key] = deployment
        try:
            await run(deployment)
        finally:
            del self._deployments[key]

    async def _context(self, stack: Stack, operation: Operation) -> CallContext:
        """Who the calls are made as: the stack's role, or whoever asked."""
        context = CallContext(
            principal=operation.principal,
            region=stack.region,
            request_id=self.ports.ids.uuid(),
            user_agent=PRINCIPAL,
            public_url=stack.public_url,
            conditions={"aws:CalledVia": PRINCIPAL},
        )
        if operation.role_arn is None:
            return context
        conditions = {"aws:SourceArn": stack.id, "aws:SourceAccount": stack.account}
        try:
            principal = await self._roles.principal(operation.role_arn, "AWSCloudFormation", PRINCIPAL, conditions)
        except ServiceError as error:
            _log.warning("the stack %s cannot act as its role: %s", stack.name, error)
            # Every step fails with a denial that says so.
            principal = msgspec.structs.replace(ANONYMOUS, account=stack.account)
        return msgspec.structs.replace(context, principal=principal)
