"""The public keys of OpenID Connect issuers elsewhere.

Fetched from the issuer's discovery document, kept for an hour, and fetched again when a token names a key that is not
among them (issuers rotate their keys), though not more often than every ten seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from forecourt.auth import jwt
from forecourt.base.clock import Clock
from forecourt.base.ports import TokenRejected

_KEYS_SECONDS = 3600.0
_REFETCH_SECONDS = 10.0
_MAX_DOCUMENT_BYTES = 1024 * 1024
_FETCH_SECONDS = 5.0
_REMEMBERED = 200

# Fetches a JSON document from a URL; raises `OSError` or `ValueError`.
Fetch = Callable[[str], Any]


class IssuerKeys:
    """The public keys of issuers elsewhere."""

    def __init__(self, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._known: dict[str, tuple[float, dict[str, jwt.PublicKey]]] = {}

    async def verify(self, token: jwt.Jwt, issuer: str) -> Mapping[str, Any]:
        """The claims. Raises `TokenRejected` where times or signature are wrong."""
        now = self._clock.now()
        if jwt.is_expired(token.claims, now):
            words = "Token expired: current date/time must be before the expiration date/time"
            raise TokenRejected(words, expired=True)
        if jwt.is_early(token.claims, now):
            raise TokenRejected("The ID Token provided is not valid yet.")
        key = await self.find(issuer, str(token.header.get("kid", "")))
        try:
            jwt.verify_signature(token, key)
        except jwt.JwtInvalid as error:
            raise TokenRejected(str(error)) from None
        return token.claims

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
    # Imported for the first foreign issuer: a start does not wait for it.
    from urllib.request import urlopen

    with urlopen(url, timeout=_FETCH_SECONDS) as answer:
        return msgspec.json.decode(answer.read(_MAX_DOCUMENT_BYTES))
