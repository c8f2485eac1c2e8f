"""What a plan needs of the world, once per process. The composition root fills it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from forecourt.auth.authenticate import Authenticator
from forecourt.base.call import Authorizer, CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.headers import Headers
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink, RoleSessions, TokenVerifier
from forecourt.services.apigateway.authorizers.jwks import IssuerKeys
from forecourt.services.apigateway.plan.backends import Backends, Sender
from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse
from forecourt.services.apigateway.plan.meter import Meter
from forecourt.services.apigateway.plan.vpc_links import VpcLinks
from forecourt.services.apigateway.rest.quotas import Quotas

# One step, or all steps from here on: a step holds the next one and calls it, or does not. A step that waits for
# nothing itself is a plain function that returns what the next one does: so it costs nothing while that waits.
Handler = Callable[[MethodRequest], Awaitable[MethodResponse]]


class AwsHttp(Protocol):
    """An AWS service by its own protocol, as `context.principal` and without a signature."""

    async def http(
        self,
        context: CallContext,
        service: str,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Headers,
        body: bytes,
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body as the service's endpoint would answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    # The way to HTTP backends: the connections that all share, or an integration's own (`reach.py`)
    upstream: Sender
    backends: Backends
    links: VpcLinks
    caller: Caller
    clock: Clock
    ids: Ids
    logs: LogSink
    meter: Meter
    roles: RoleSessions
    # Of user pools; None where there are none
    tokens: TokenVerifier | None
    # Of issuers elsewhere
    issuer_keys: IssuerKeys
    # Who signed a request, and whether they may; None: AWS_IAM cannot be served
    authenticator: Authenticator | None
    authorizer: Authorizer | None
    # AWS's own endpoints, for the integrations that speak to them
    aws: AwsHttp | None
    quotas: Quotas
