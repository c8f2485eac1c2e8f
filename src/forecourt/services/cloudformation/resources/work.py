"""What a resource's row is given to work with, and what it gives back."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids

Properties = Mapping[str, Any]

_SUFFIX_LETTERS = 12


class Made(msgspec.Struct, frozen=True):
    """`physical_id` is what `Ref` gives, `attributes` what `Fn::GetAtt` does: None after a change that leaves them."""

    physical_id: str
    attributes: dict[str, Any] | None = None


class Signals(Protocol):
    """Addresses that somebody outside answers to: custom resources, wait conditions."""

    def url(self, public_url: str, request: str) -> str: ...

    async def wait(self, request: str, count: int, seconds: float) -> list[dict[str, Any]]:
        """At least `count` of what was put there, or what there is when the time is over."""
        ...

    async def forget(self, request: str) -> None: ...

    def request_of(self, url: str) -> str | None:
        """What an address of ours is for."""
        ...


# Of a call that makes a nested stack: whose part it is
PARENT = "cloudformation:ParentStackId"


class Nested(Protocol):
    async def settled(self, stack_id: str) -> Mapping[str, Any]:
        """A stack's status, its reason and its outputs, once nothing is under way in it."""
        ...


class Ports(msgspec.Struct, frozen=True):
    """What is the same for every resource of every stack."""

    caller: Caller
    clock: Clock
    ids: Ids
    signals: Signals
    nested: Nested


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One step at one resource. `token` is the same when the step is taken again after a crash."""

    ports: Ports
    context: CallContext
    stack_id: str
    stack_name: str
    logical_id: str
    type: str
    token: str
    role_arn: str | None = None
    topics: tuple[str, ...] = ()
    # The step was begun before a crash, and whether it came to anything is not known
    again: bool = False

    @property
    def account(self) -> str:
        return self.context.account

    @property
    def region(self) -> str:
        return self.context.region

    async def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """Members that are None are left out. Raises `ServiceError`."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self.ports.caller.call(self.context, service, operation, given)

    async def make(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """A call that makes: what the same step made before a crash need not be made, and its answer is empty."""
        try:
            return await self.call(service, operation, **params)
        except ServiceError as error:
            if not self.again or not is_taken(error):
                raise
            return {}

    @contextlib.asynccontextmanager
    async def undone(self, handler: Handler, physical_id: str, properties: Properties) -> AsyncIterator[None]:
        """Where the rest of a creation fails, what is there already goes: the record has no physical id yet by which a
        rollback would find it."""
        try:
            yield
        except Exception:
            await handler.delete(self, physical_id, properties)
            raise

    async def gone(self, service: str, operation: str, /, **params: Any) -> None:
        """A call that deletes: what is not there any more need not be deleted."""
        try:
            await self.call(service, operation, **params)
        except ServiceError as error:
            if not is_missing(error):
                raise

    def name(self, longest: int, *, token: str = "", lower: bool = False, joint: str = "-") -> str:
        """A name as CloudFormation makes them up: `{stack}-{resource}-{12 letters}`, cut to what the type allows."""
        suffix = re.sub("[^A-Z0-9]", "", (token or self.token).upper())[:_SUFFIX_LETTERS]
        room = longest - len(suffix) - 2
        stack, resource = self.stack_name, self.logical_id
        if len(stack) + len(resource) > room:
            stack = stack[: max(room // 2, room - len(resource))]
            resource = resource[: room - len(stack)]
        found = joint.join([stack.replace("-", joint), resource, suffix])
        return found.lower() if lower else found

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


_MISSING = re.compile(r"NotFound|NoSuch|DoesNotExist|NonExistent|NotExist")
_TAKEN = re.compile(r"AlreadyExist|AlreadyOwned|Conflict|EntityAlreadyExists|InUse|NameExists|Duplicate")


def is_missing(error: ServiceError) -> bool:
    return error.status == 404 or bool(_MISSING.search(error.code)) or "does not exist" in error.message


def is_taken(error: ServiceError) -> bool:
    return error.status == 409 or bool(_TAKEN.search(error.code))


class Handler(Protocol):
    """A resource type: what its creation, change and deletion are. Each raises `ServiceError` or `ResourceFailed`."""

    async def create(self, work: Work, properties: Properties) -> Made: ...

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        """Called where no property changed that replaces the resource. Another `physical_id` is a replacement, too."""
        ...

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        """Of what is not there any more, nothing."""
        ...


class Waits:
    """A handler whose steps may wait for somebody outside, and may be interrupted then."""
