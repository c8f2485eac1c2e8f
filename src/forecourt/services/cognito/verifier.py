"""The token port of authorizers and identity pools: tokens verified by key, in memory, without a call to anybody."""

from __future__ import annotations

import re
from typing import Any

from forecourt.base.ports import TokenRejected
from forecourt.services.cognito import tokens
from forecourt.services.cognito.issuer import Issuer
from forecourt.services.cognito.model import Pool
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.users.bearer import Bearers

_AMAZON = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com/([\w-]+_[0-9A-Za-z]+)")


class PoolTokenVerifier:
    """Implements `base.ports.TokenVerifier`."""

    def __init__(self, bearers: Bearers, records: Records, issuer: Issuer) -> None:
        self._bearers = bearers
        self._records = records
        self._issuer = issuer

    def owns(self, issuer: str) -> bool:
        """Whether an issuer's URL is of the form of our pools'; whether there is such a pool shows `verify`."""
        own = issuer.startswith(self._issuer.public_url + "/") and "_" in issuer.rsplit("/", 1)[-1]
        return own or _AMAZON.fullmatch(issuer) is not None

    async def verify(self, token: str, issuer: str) -> dict[str, Any]:
        """The claims of an ID or access token. Raises `TokenRejected`."""
        claims = await self.verify_pool_token(token)
        pool = await self.pool_of_issuer(issuer)
        if pool is None or str(claims["iss"]).rsplit("/", 1)[-1] != pool.id:
            raise TokenRejected("Invalid login token. Issuer doesn't match providerName")
        return claims

    async def verify_pool_token(
        self, token: str, *, use: str | None = None, pool_arns: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """For a COGNITO_USER_POOLS authorizer: a token of one of these pools (of any of ours where none is named).

        `use` is `id`, `access`, or None for either. Raises `TokenRejected`.
        """
        try:
            wanted = use or str(tokens.peek(token).get("token_use"))
            if wanted not in ("id", "access"):
                raise tokens.InvalidToken("the token is neither an ID nor an access token")
            pool, claims = await self._bearers.verify(token, wanted)
        except tokens.InvalidToken as error:
            expired = "expired" in str(error)
            raise TokenRejected(
                "Invalid login token. Token expired" if expired else f"Invalid login token. {error}", expired=expired
            ) from None
        if pool_arns and pool.arn not in pool_arns:
            raise TokenRejected("Invalid login token. The token is of another user pool")
        return claims

    async def pool_of_issuer(self, issuer: str) -> Pool | None:
        """Our pool that `issuer` names, in either form of the URL."""
        pool = await self._records.find_pool(issuer.rstrip("/").rsplit("/", 1)[-1])
        return pool if pool is not None and issuer.rstrip("/") in self._issuer.issuers(pool) else None
