"""The one port through which everything calls a service, and how a service says what it answers.

    class UsersApi:
        @operation("AdminGetUser")
        async def admin_get_user(self, context: CallContext, request: AdminGetUserRequestTypeDef) -> ...: ...

`operations(UsersApi(...))` gives the table `{"AdminGetUser": handler}` that the composition root registers. A handler
gets parameters that are already validated against AWS's model and returns a plain dict shaped as the model's output
(without `ResponseMetadata`): timestamps are epoch seconds (`float`/`int`) or `datetime`, blobs are `bytes`. It raises
`ServiceError`s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from forecourt.base.principal import Principal

Handler = Callable[["CallContext", Any], Awaitable[Any]]
_F = TypeVar("_F", bound=Callable[..., Awaitable[Any]])


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call besides its parameters."""

    principal: Principal
    region: str
    request_id: str
    source_ip: str = "127.0.0.1"
    user_agent: str = ""
    # The public URL that the caller reached us by (`http://localhost:4566`), for URLs that we hand out.
    public_url: str = ""
    # Extra condition keys of this call: `aws:SourceArn`, `aws:SourceAccount`, `aws:ViaAWSService`, ...
    conditions: Mapping[str, str] = {}
    # The trace that the call is part of, as `X-Amzn-Trace-Id` has it
    trace_id: str = ""
    # The id by which the called service is to know this call, where the caller wants to know it, too
    call_id: str = ""

    @property
    def account(self) -> str:
        return self.principal.account


class Caller(Protocol):
    """Calls an operation of any AWS service: ours, the embedded backing services', or a remote endpoint's."""

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """`service` is botocore's name (`stepfunctions`, `dynamodb`), `operation` AWS's (`StartExecution`).

        Returns the modeled output. Raises `ServiceError`.
        """
        ...


class Demand(NamedTuple):
    """One permission that a call needs."""

    action: str
    resource: str
    conditions: Mapping[str, Any]


class Authorizer(Protocol):
    """The policy engine's seam: every call passes it once."""

    async def authorize(self, principal: Principal, action: str, resource: str, context: Mapping[str, Any]) -> None:
        """`action` as `service:Operation`, `resource` an ARN or `*`. Returns, or raises `AccessDenied`."""
        ...

    def remembers(self, principal: Principal, action: str, resource: str) -> bool:
        """Whether that was allowed before, and whatever the circumstances are. False says nothing."""
        ...


def operation(name: str) -> Callable[[_F], _F]:
    """Marks the method that answers AWS's operation `name`."""

    def mark(handler: _F) -> _F:
        handler.__aws_operation__ = name  # type: ignore[attr-defined]
        return handler

    return mark


def operations(*apis: object) -> dict[str, Handler]:
    """The marked methods of `apis` by operation name. Raises `ValueError` where two answer the same operation."""
    table: dict[str, Handler] = {}
    for api in apis:
        for attribute in dir(type(api)):
            name = getattr(getattr(type(api), attribute), "__aws_operation__", None)
            if name is None:
                continue
            if name in table:
                raise ValueError(f"two handlers answer {name}")
            table[name] = getattr(api, attribute)
    return table
