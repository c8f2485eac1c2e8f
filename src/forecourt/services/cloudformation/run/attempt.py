"""Tries something with a resource's row, and says in words for an event what went wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from forecourt.base.call import CallContext
from forecourt.base.errors import AccessDenied, ServiceError
from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.model import Operation, Record, Stack
from forecourt.services.cloudformation.resources.registry import find_handler
from forecourt.services.cloudformation.resources.work import Handler, Ports, Waits, Work, is_missing, is_taken

_log = logging.getLogger("forecourt.cloudformation")
_R = TypeVar("_R")
Step = Callable[[Handler, Work], Awaitable[_R]]

_NOUNS = {"CREATE": "creation", "UPDATE": "update", "DELETE": "deletion"}


class Attempts:
    """Of one operation on one stack. `context` is whom the calls are made as."""

    def __init__(self, ports: Ports, context: CallContext, stack: Stack, operation: Operation) -> None:
        self._ports = ports
        self._context = context
        self._stack = stack
        self._operation = operation
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Nobody need wait any longer for somebody outside."""
        self._stopped.set()

    def resume(self) -> None:
        """Another phase begins."""
        self._stopped = asyncio.Event()

    async def run(self, record: Record, step: Step[_R], *, again: bool) -> _R:
        """`again`: the step may have been taken before a crash. Raises `ResourceFailed`."""
        work = self._work(record, again)
        try:
            handler = find_handler(record.type)
            if handler is None:
                raise ResourceFailed(f"Resource type {record.type} is not supported by Forecourt")
            if isinstance(handler, Waits):
                return await self._unless_stopped(step(handler, work), record)
            return await step(handler, work)
        except ResourceFailed:
            raise
        except ServiceError as error:
            raise ResourceFailed(_told(error, work.token)) from error
        except Exception as error:
            _log.exception("a step at %s of the stack %s failed", record.logical_id, self._stack.name)
            raise ResourceFailed("Internal Failure: Forecourt's log has the reason.") from error

    async def _unless_stopped(self, step: Awaitable[_R], record: Record) -> _R:
        """Raises `ResourceFailed` as soon as there is no need to wait."""
        task, stop = asyncio.ensure_future(step), asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            stop.cancel()
            task.cancel()
        raise ResourceFailed(f"Resource {_NOUNS[record.status.partition('_')[0]]} cancelled")

    def _work(self, record: Record, again: bool) -> Work:
        return Work(
            ports=self._ports,
            context=self._context,
            stack_id=self._stack.id,
            stack_name=self._stack.name,
            logical_id=record.logical_id,
            type=record.type,
            token=_token(self._operation.token, record.logical_id),
            role_arn=self._operation.role_arn,
            topics=tuple(self._stack.topics),
            again=again,
        )


def _token(operation: str, logical_id: str) -> str:
    """Letters and digits that are this step's, whenever it is taken."""
    digest = hashlib.sha256(f"{operation}/{logical_id}".encode()).digest()
    return base64.b32encode(digest).decode().rstrip("=")[:32]


def _told(error: ServiceError, token: str) -> str:
    """https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html"""
    code = "GeneralServiceException"
    if isinstance(error, AccessDenied) or error.status == 403:
        code = "AccessDenied"
    elif is_taken(error):
        code = "AlreadyExists"
    elif is_missing(error):
        code = "NotFound"
    elif error.status == 400:
        code = "InvalidRequest"
    told = error.message or error.code
    return f'Resource handler returned message: "{told}" (RequestToken: {token}, HandlerErrorCode: {code})'
