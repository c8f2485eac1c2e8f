"""Web identity tokens: whose they are, and what they claim once that is verified.

Issuers of this process (user pools, identity pools) are asked directly. Any other issuer must be known to the account
as an OpenID Connect provider (see `auth.issuer_keys`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.auth import jwt
from forecourt.auth.issuer_keys import Fetch, IssuerKeys, fetch_json
from forecourt.base.clock import Clock
from forecourt.base.ports import TokenRejected, TokenVerifier
from forecourt.services.iam.model import OidcProvider
from forecourt.store import Store

COGNITO_IDENTITY = "cognito-identity.amazonaws.com"


class WebIdentity(NamedTuple):
    """`provider` is what a trust policy calls it: a domain, or the ARN of an OIDC provider. `prefix` is that of its
    condition keys (`{prefix}:sub`)."""

    provider: str
    prefix: str
    claims: Mapping[str, Any]
    audience: str

    @property
    def subject(self) -> str:
        return str(self.claims.get("sub", ""))

    def conditions(self) -> dict[str, Any]:
        found: dict[str, Any] = {f"{self.prefix}:aud": self.audience}
        for name in ("sub", "amr", "email", "azp", "oaud"):
            value = self.claims.get(name)
            if isinstance(value, str):
                found[f"{self.prefix}:{name}"] = value
            elif isinstance(value, list):
                found[f"{self.prefix}:{name}"] = tuple(str(item) for item in value)
        return found

    @property
    def source_identity(self) -> str:
        return str(self.claims.get("https://aws.amazon.com/source_identity") or "")

    def tags(self) -> tuple[dict[str, str], list[str]]:
        """Session tags and transitive keys that the issuer put into the token."""
        given = self.claims.get("https://aws.amazon.com/tags")
        if not isinstance(given, Mapping):
            return {}, []
        tags = given.get("principal_tags") or {}
        keys = given.get("transitive_tag_keys") or []
        return {name: str((value or [""])[0]) for name, value in tags.items()}, [str(key) for key in keys]


class WebIdentities:
    def __init__(
        self, store: Store, verifiers: Sequence[TokenVerifier], clock: Clock, fetch: Fetch | None = None
    ) -> None:
        self._store = store
        self._verifiers = verifiers
        self._clock = clock
        self._keys = IssuerKeys(clock, fetch or fetch_json)

    async def identify(self, token: str, account: str) -> WebIdentity:
        """Raises `TokenRejected`. `account` is the role's: its providers count."""
        try:
            found = jwt.read(token)
        except jwt.JwtInvalid as error:
            raise TokenRejected(str(error)) from None
        issuer = str(found.claims.get("iss", ""))
        own = next((verifier for verifier in self._verifiers if verifier.owns(issuer)), None)
        claims = await own.verify(token, issuer) if own is not None else None
        url = re.sub(r"^https?://", "", issuer).rstrip("/")
        audience = next(iter(jwt.audiences(found.claims)), "")
        if claims is not None and url == COGNITO_IDENTITY:
            return WebIdentity(COGNITO_IDENTITY, COGNITO_IDENTITY, claims, audience)
        provider = await self._store.get(OidcProvider, account, url)
        if provider is None:
            raise TokenRejected(f"No OpenIDConnect provider found in your account for {issuer}")
        if claims is None:
            claims = await self._keys.verify(found, issuer)
        audience = next((found for found in jwt.audiences(claims) if found in provider.client_ids), "")
        if not audience:
            raise TokenRejected("Incorrect token audience")
        return WebIdentity(provider.arn, url, claims, audience)
