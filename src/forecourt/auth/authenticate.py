"""From a request to a `Principal`.

Three kinds of credentials arrive. Those that Forecourt issued (a user's access key, a sealed session) are always
verified, on every address. Those that it does not know are, with `trust_unknown` (a loopback address without
`enforce_iam`), the root of the account that a 12-digit access key id names, else of account 000000000000; otherwise
they are refused. And some operations, so the model says, need none: their caller is anonymous.

A deleted access key or a tampered session does not become a stranger who is trusted: see `sessions.KeyIds`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from forecourt.auth import aws_chunked, post_policy, sigv2, sigv4
from forecourt.auth.errors import expired_token, failed, invalid_token, missing_token, unknown_key, wrong_scope
from forecourt.auth.sessions import TEMPORARY, Sessions, TokenInvalid
from forecourt.auth.sigv4 import Refused, Signature, SignedRequest
from forecourt.base.clock import Clock
from forecourt.base.principal import ANONYMOUS, DEFAULT_ACCOUNT, Principal, root

# Whether unknown credentials may be trusted in this request: asked only where there are such.
Trust = Callable[[], bool]


def anywhere() -> bool:
    return True


# The secret of credentials (None: trusted unseen) and whose they are.
Owner = tuple[str | None, Principal]


class CredentialSource(Protocol):
    """Long-term access keys. IAM supplies it."""

    def remembered(self, access_key_id: str) -> tuple[str, Principal] | None:
        """Of a key that was asked for before; None says nothing of it."""
        ...

    async def access_key(self, access_key_id: str) -> tuple[str, Principal] | None:
        """The secret and its owner; None for a key that is unknown or inactive."""
        ...

    def used(self, access_key_id: str, service: str, region: str) -> None:
        """A request that this key signed was verified. Called for each, so it must be quick."""
        ...


class Identity(NamedTuple):
    """Who called, for which region and service they signed, and the body without its `aws-chunked` framing."""

    principal: Principal
    region: str
    service: str
    body: bytes


class Authenticator:
    def __init__(self, *, source: CredentialSource, sessions: Sessions, clock: Clock, trust_unknown: bool) -> None:
        self._source = source
        self._sessions = sessions
        self._clock = clock
        self._trust_unknown = trust_unknown

    async def authenticate(
        self, request: SignedRequest, dialect: str, *, anonymous_allowed: bool = False, trust: Trust = anywhere
    ) -> Identity:
        """Raises `AuthenticationFailed` in the words of `dialect` (see `auth.errors`).

        `anonymous_allowed`: the operation needs no signature. One that is there all the same and is not right counts
        as none, as with AWS; but not with S3, where a policy decides what a caller without one may do.
        """
        signature = None
        try:
            signature = sigv4.read_signature(request)
            if signature is not None:
                owner = await self._owner(signature.access_key_id, signature.session_token, trust)
                return self._verified(signature, request, *owner)
            if (presigned := sigv2.read_presigned(request)) is not None:
                owner = await self._owner(presigned.access_key_id, presigned.session_token, trust)
                return self._verified_presigned(presigned, request, *owner)
            if not anonymous_allowed:
                raise missing_token()
        except Refused as refused:
            if not anonymous_allowed or dialect == "rest-xml":
                raise failed(refused, dialect) from None
        region, service = (signature.region, signature.service) if signature else ("", "")
        return Identity(ANONYMOUS, region, service, request.body)

    async def authenticate_for(self, service: str, request: SignedRequest, dialect: str) -> Principal:
        """Whoever signed for that service. Raises `AuthenticationFailed`."""
        identity = await self.authenticate(request, dialect)
        if identity.service != service:
            raise wrong_scope(identity.service, dialect)
        return identity.principal

    def recognize(self, service: str, request: SignedRequest) -> Principal | None:
        """Whoever signed for that service, where it is known without a look-up, and rightly; None says nothing: then
        `authenticate_for` does."""
        try:
            signature = sigv4.read_signature(request)
            if signature is None or signature.service != service:
                return None
            owner = self._remembered(signature.access_key_id, signature.session_token)
            return None if owner is None else self._verified(signature, request, *owner).principal
        except Refused:
            return None

    async def authenticate_form(self, claim: post_policy.Claim | None, trust: Trust) -> Principal:
        """Of an upload that a browser posts to S3; one without a policy is nobody's. Raises `AuthenticationFailed`."""
        if claim is None:
            return ANONYMOUS
        try:
            secret, principal = await self._owner(claim.access_key_id, claim.session_token, trust)
            if secret is not None:
                post_policy.verify(claim, secret)
        except Refused as refused:
            raise failed(refused, "rest-xml") from None
        return principal

    def _verified(
        self, signature: Signature, request: SignedRequest, secret: str | None, principal: Principal
    ) -> Identity:
        if signature.service == "iam" and _kept_from_iam(principal):
            raise invalid_token()
        if secret is not None:
            sigv4.verify(signature, request, secret, self._clock.machine_now())
            if not signature.session_token:
                self._source.used(signature.access_key_id, signature.service, signature.region)
        body = request.body
        if signature.content_sha256.startswith(sigv4.STREAMING):
            body = aws_chunked.decode(signature, secret, body).body
        return Identity(principal, signature.region, signature.service, body)

    def _verified_presigned(
        self, presigned: sigv2.Presigned, request: SignedRequest, secret: str | None, principal: Principal
    ) -> Identity:
        if secret is not None:
            sigv2.verify(presigned, request, secret, self._clock.machine_now())
        return Identity(principal, "", "s3", request.body)

    def _remembered(self, key: str, token: str) -> tuple[str, Principal] | None:
        return self._session(key, token) if key.startswith(TEMPORARY) else self._source.remembered(key)

    async def _owner(self, key: str, token: str, trust: Trust) -> Owner:
        temporary = key.startswith(TEMPORARY)
        found = self._remembered(key, token)
        if found is None and not temporary:
            found = await self._source.access_key(key)
        if found is not None:
            return found
        if not self._trust_unknown or self._sessions.key_ids.is_ours(key) or not trust():
            raise invalid_token() if temporary else unknown_key()
        account = key if len(key) == 12 and key.isascii() and key.isdigit() else DEFAULT_ACCOUNT
        return None, root(account, key)

    def _session(self, key: str, token: str) -> tuple[str, Principal] | None:
        try:
            secret, principal = self._sessions.open(key, token)
        except TokenInvalid:
            return None
        if principal.expires_at is not None and principal.expires_at <= self._clock.now():
            raise expired_token()
        return secret, principal


def _kept_from_iam(principal: Principal) -> bool:
    """A federated user, and a user's or the root's own session that no MFA code vouched for, would make itself lasting.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
    """
    if principal.kind == "federated-user":
        return True
    own = principal.kind in ("user", "root") and principal.expires_at is not None
    return own and principal.context.get("aws:MultiFactorAuthPresent") != "true"
