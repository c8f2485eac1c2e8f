"""The OpenID tokens of identity pools, which STS takes for AssumeRoleWithWebIdentity (the classic flow).

RS512, issued by `https://cognito-identity.amazonaws.com` for the pool (`aud`) to the identity (`sub`); `amr` says how
it signed in, which is what trust policies ask for.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from forecourt.auth import jwt
from forecourt.base.clock import Clock
from forecourt.base.ports import TokenRejected
from forecourt.services.cognito.identity.model import IdentityPool, SigningKey
from forecourt.store import Store
from forecourt.store.sealing import Sealer

PROVIDER = "cognito-identity.amazonaws.com"
ISSUER = f"https://{PROVIDER}"
_POOL_ARN = f"{ISSUER}/identity-pool-arn"
_TAGS = "https://aws.amazon.com/tags"
_PURPOSE = "cognito-identity.SigningKey"


class OpenIdTokens:
    """Issues and verifies (`base.ports.TokenVerifier`)."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._key: tuple[str, rsa.RSAPrivateKey] | None = None
        self._making = asyncio.Lock()

    def forget(self) -> None:
        self._key = None

    def owns(self, issuer: str) -> bool:
        return issuer == ISSUER

    async def issue(
        self, pool: IdentityPool, identity_id: str, amr: list[str], tags: Mapping[str, str], seconds: int
    ) -> str:
        now = int(self._clock.now())
        claims: dict[str, Any] = {
            "sub": identity_id,
            "aud": pool.id,
            "amr": amr,
            "iss": ISSUER,
            _POOL_ARN: pool.arn,
            "exp": now + seconds,
            "iat": now,
        }
        if tags:
            claims[_TAGS] = {"principal_tags": {key: [value] for key, value in tags.items()}}
        kid, key = await self._signing_key()
        header = msgspec.json.encode({"kid": kid, "typ": "JWS", "alg": "RS512"})
        signed = f"{jwt.encoded(header)}.{jwt.encoded(msgspec.json.encode(claims))}"
        return f"{signed}.{jwt.encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA512()))}"

    async def verify(self, token: str, issuer: str) -> Mapping[str, Any]:
        kid, key = await self._signing_key()
        try:
            found = jwt.read(token)
            if found.header.get("kid") != kid or found.claims.get("iss") != ISSUER:
                raise jwt.JwtInvalid("Couldn't verify the signature of the token.")
            jwt.verify_signature(found, key.public_key())
        except jwt.JwtInvalid as error:
            raise TokenRejected(str(error)) from None
        if jwt.is_expired(found.claims, self._clock.now()):
            raise TokenRejected("Token expired: the token must be used before its expiration", expired=True)
        return found.claims

    async def _signing_key(self) -> tuple[str, rsa.RSAPrivateKey]:
        async with self._making:
            if self._key is None:
                self._key = await self._load() or await self._make()
            return self._key

    async def _load(self) -> tuple[str, rsa.RSAPrivateKey] | None:
        kept = await self._store.list(SigningKey, limit=1)
        if not kept:
            return None
        der = self._sealer.open(kept[0].sealed, _PURPOSE)
        key = serialization.load_der_private_key(der, None)
        return (kept[0].kid, key) if isinstance(key, rsa.RSAPrivateKey) else None

    async def _make(self) -> tuple[str, rsa.RSAPrivateKey]:
        key = await asyncio.to_thread(rsa.generate_private_key, 65537, 2048)
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        kid = hashlib.sha256(der).hexdigest()[:16]
        kept = SigningKey(kid=kid, sealed=self._sealer.seal(der, _PURPOSE), created_at=self._clock.now())
        await self._store.write(lambda tx: tx.put(kept))
        return kid, key
