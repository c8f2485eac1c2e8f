"""Small ports that services use and the composition root fills. The consumer owns the interface."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from forecourt.base.asgi import Receive, Scope, Send


class LogSink(Protocol):
    """Where a function's output, access logs and execution logs go: CloudWatch Logs. Never blocks, never raises."""

    def write(self, account: str, region: str, group: str, stream: str, timestamp_ms: int, message: str) -> None: ...


class MetricSink(Protocol):
    """Where CloudWatch's metrics are counted. In memory; costs about a microsecond."""

    def record(
        self,
        account: str,
        region: str,
        namespace: str,
        name: str,
        dimensions: tuple[tuple[str, str], ...],
        value: float,
    ) -> None: ...


class ApiInvoker(Protocol):
    """Answers an invocation of a deployed API (REST, HTTP). The edge found `api_id`; `raw_path` starts with the stage,
    except on an HTTP API's `$default` stage. None: it is answered, or will be, by `base.asgi.Direct`."""

    def invoke(
        self, api_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None] | None: ...


class Credentials(Protocol):
    """What a role's session is handed: to a Lambda environment, or to a caller of AssumeRole."""

    @property
    def access_key_id(self) -> str: ...

    @property
    def secret_access_key(self) -> str: ...

    @property
    def session_token(self) -> str: ...

    @property
    def expires_at(self) -> float:
        """Epoch seconds."""
        ...


class RoleSessions(Protocol):
    """Issues credentials of a role to one of our services that acts as it."""

    async def assume(
        self,
        role_arn: str,
        session_name: str,
        service_principal: str,
        conditions: Mapping[str, str],
        duration_seconds: int = 3600,
    ) -> Credentials:
        """Raises `AccessDenied` where the role's trust policy does not let `service_principal` in."""
        ...

    async def principal(
        self, role_arn: str, session_name: str, service_principal: str, conditions: Mapping[str, str]
    ) -> Any:
        """The `Principal` of such a session, for calls that stay inside the process."""
        ...


class TokenRejected(Exception):
    """A web identity token is not its issuer's, was altered, or has expired. The message is AWS's."""

    def __init__(self, message: str, *, expired: bool = False, unreachable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.expired = expired
        self.unreachable = unreachable


class TokenVerifier(Protocol):
    """Verifies the tokens of issuers that live in this process: user pools, identity pools."""

    def owns(self, issuer: str) -> bool: ...

    async def verify(self, token: str, issuer: str) -> Mapping[str, Any]:
        """The claims. Raises `TokenRejected` where signature, issuer or time is wrong."""
        ...


class WebIdentitySessions(Protocol):
    """Issues credentials of a role to an identity that a provider vouches for. IAM supplies it."""

    async def assume_with_web_identity(
        self,
        role_arn: str,
        session_name: str,
        provider: str,
        conditions: Mapping[str, Any],
        tags: Mapping[str, str],
        duration_seconds: int,
        session_policies: tuple[str, ...] = (),
    ) -> Credentials:
        """Raises `AccessDenied` where the role's trust policy does not let `provider`'s identity in."""
        ...
