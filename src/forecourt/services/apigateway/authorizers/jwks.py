"""An OpenID Connect issuer's keys: found by discovery, kept for two hours, looked for again when a key is not known.

Whoever needs keys that are being fetched waits for that one fetch; after it nobody asks again for a minute, or for five
seconds where it failed.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from forecourt.base.clock import Clock
from forecourt.services.apigateway.plan.backends import Sender
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.upstream import InvalidRequest, Origin, Request, UpstreamError

_KEYS_KEPT_SECONDS = 7200.0
_ASK_AGAIN_SECONDS = 60.0
_ASK_AGAIN_AFTER_FAILURE_SECONDS = 5.0
_MOST_ISSUERS = 1_000
# What AWS says of an issuer that does not answer, too late, or with what is not asked for
_DISCOVERY_FAILED = "OIDC discovery endpoint communication error"
_KEYS_FAILED = "JWKS communication error"


class KeyUnavailable(Exception):
    """The message is for the client."""


class _Unanswered(Exception):
    pass


class Keys:
    """An issuer's keys by their id."""

    def __init__(self, issuer: str, upstream: Sender, clock: Clock, quotas: Quotas) -> None:
        self._issuer = issuer.rstrip("/")
        self._upstream = upstream
        self._clock = clock
        self._timeout = quotas.issuer_timeout_ms / 1000
        self._most_bytes = quotas.issuer_response_bytes
        self._keys: dict[str, rsa.RSAPublicKey] = {}
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        # Why the last fetch failed; keys that are known stay good
        self._failure = ""

    async def find(self, key_id: str) -> rsa.RSAPublicKey:
        """Raises `KeyUnavailable`."""
        now = self._clock.now()
        waited = now - self._asked_at
        pause = _ASK_AGAIN_AFTER_FAILURE_SECONDS if self._failure else _ASK_AGAIN_SECONDS
        if waited > _KEYS_KEPT_SECONDS or (key_id not in self._keys and waited > pause):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None and key_id not in self._keys:
            # A client that goes away must not end what others wait for.
            await asyncio.shield(self._asking)
        key = self._keys.get(key_id)
        if key is None:
            raise KeyUnavailable(self._failure or "the key that signed the token is not known")
        return key

    async def are_told_of(self) -> bool:
        """Whether the issuer says where its keys are."""
        try:
            return isinstance(await self._discover(), str)
        except (_Unanswered, LookupError, TypeError):
            return False

    async def _discover(self) -> Any:
        return (await self._get(f"{self._issuer}/.well-known/openid-configuration"))["jwks_uri"]

    async def _ask(self) -> None:
        failure = _DISCOVERY_FAILED
        try:
            address = str(await self._discover())
            failure = _KEYS_FAILED
            found = await self._get(address)
            self._keys = {str(key.get("kid", "")): public for key in found["keys"] if (public := _public(key))}
            self._failure = ""
        except (_Unanswered, LookupError, TypeError, AttributeError):
            self._failure = failure
        finally:
            self._asking = None

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout):
                origin, parts = Origin.parse(url), urlsplit(url)
                headers = [(b"host", origin.authority.encode()), (b"accept", b"application/json")]
                target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
                response = await self._upstream.send(origin, Request(b"GET", target.encode(), headers), self._timeout)
                content = await response.read(self._most_bytes)
            if response.status != 200:
                raise _Unanswered
            return cast("dict[str, Any]", msgspec.json.decode(content))
        except (UpstreamError, InvalidRequest, TimeoutError, ValueError, RecursionError) as error:
            raise _Unanswered from error


class IssuerKeys:
    """The keys of all issuers that authorizers trust: shared by them, and by the plans that follow one another."""

    def __init__(self, upstream: Sender, clock: Clock, quotas: Quotas) -> None:
        self._upstream = upstream
        self._clock = clock
        self._quotas = quotas
        self._keys: OrderedDict[str, Keys] = OrderedDict()

    def of(self, issuer: str) -> Keys:
        keys = self._keys.get(issuer)
        if keys is None:
            keys = self._keys[issuer] = Keys(issuer, self._upstream, self._clock, self._quotas)
            if len(self._keys) > _MOST_ISSUERS:
                # Whoever uses it still has it.
                self._keys.popitem(last=False)
        return keys

    def reset(self) -> None:
        self._keys.clear()


def _public(key: Mapping[str, Any]) -> rsa.RSAPublicKey | None:
    """None for keys of other kinds and for what is no key at all: the others are still good."""
    if key.get("kty") != "RSA" or key.get("use", "sig") != "sig":
        return None
    try:
        return rsa.RSAPublicNumbers(_integer(key["e"]), _integer(key["n"])).public_key()
    except (ValueError, TypeError, LookupError):
        return None


def _integer(text: str) -> int:
    return int.from_bytes(decoded(text))


def decoded(text: str) -> bytes:
    """Base64url without its padding. Raises `ValueError`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
