"""Web identity tokens: whose they are, and what they claim once that is verified.

Issuers of this process (user pools, identity pools) are asked directly. Any other issuer must be known to the account
as an OpenID Connect provider; its keys are fetched from its discovery document, kept for a while, and fetched again
when a token names a key that is not among them.
"""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from forecourt.auth import jwt
from forecourt.base.clock import Clock
from forecourt.base.ports import TokenRejected, TokenVerifier
from forecourt.services.iam.model import OidcProvider
from forecourt.store import Store

COGNITO_IDENTITY = "cognito-identity.amazonaws.com"

_KEYS_SECONDS = 3600.0
_REFETCH_SECONDS = 10.0
_MAX_DOCUMENT_BYTES = 1024 * 1024
_FETCH_SECONDS = 5.0
_REMEMBERED = 200

# Fetches a JSON document from a URL; raises `OSError` or `ValueError`.
Fetch = Callable[[str], Any]


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
            claims = await self._verify_foreign(found, issuer)
        if not set(jwt.audiences(claims)) & set(provider.client_ids):
            raise TokenRejected("Incorrect token audience")
        return WebIdentity(provider.arn, url, claims, audience)

    async def _verify_foreign(self, token: jwt.Jwt, issuer: str) -> Mapping[str, Any]:
        now = self._clock.now()
        if jwt.is_expired(token.claims, now):
            raise TokenRejected(
                "Token expired: current date/time must be before the expiration date/time", expired=True
            )
        if jwt.is_early(token.claims, now):
            raise TokenRejected("The ID Token provided is not valid yet.")
        key = await self._keys.find(issuer, str(token.header.get("kid", "")))
        try:
            jwt.verify_signature(token, key)
        except jwt.JwtInvalid as error:
            raise TokenRejected(str(error)) from None
        return token.claims


class IssuerKeys:
    """The public keys of issuers elsewhere."""

    def __init__(self, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._known: dict[str, tuple[float, dict[str, jwt.PublicKey]]] = {}

    async def find(self, issuer: str, kid: str) -> jwt.PublicKey:
        """Raises `TokenRejected`."""
        fetched_at, keys = self._known.get(issuer, (0.0, {}))
        age = self._clock.now() - fetched_at
        if age > _KEYS_SECONDS or (kid not in keys and age > _REFETCH_SECONDS):
            keys = await self._load(issuer)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[issuer] = (self._clock.now(), keys)
        if kid not in keys:
            raise TokenRejected("Couldn't retrieve verification key from your identity provider, please reference "
                                "AssumeRoleWithWebIdentity documentation for requirements")  # fmt: skip
        return keys[kid]

    async def _load(self, issuer: str) -> dict[str, jwt.PublicKey]:
        try:
            discovery = await asyncio.to_thread(self._fetch, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if discovery["issuer"] != issuer:
                raise ValueError("the discovery document names another issuer")
            document = await asyncio.to_thread(self._fetch, discovery["jwks_uri"])
            return {str(key.get("kid", "")): jwt.public_key(key) for key in document["keys"] if _signs(key)}
        except (OSError, ValueError, KeyError, TypeError, jwt.JwtInvalid) as error:
            raise TokenRejected(
                f"Couldn't retrieve verification key from your identity provider ({error})", unreachable=True
            ) from None


def _signs(key: Mapping[str, Any]) -> bool:
    return key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC")


def fetch_json(url: str) -> Any:
    if not url.startswith(("https://", "http://")):
        raise ValueError("not a web address")
    with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:
        return msgspec.json.decode(answer.read(_MAX_DOCUMENT_BYTES))
