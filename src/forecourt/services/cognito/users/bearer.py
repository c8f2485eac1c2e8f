"""Access tokens presented to the API: whose are they, and are they still good.

Verified by key; then the grant behind it must be there (a revoked one is not) and the user enabled.
"""

from __future__ import annotations

from typing import Any

import msgspec

from forecourt.services.cognito import errors, tokens
from forecourt.services.cognito.issuer import Issuer
from forecourt.services.cognito.model import Client, Grant, Pool, User
from forecourt.services.cognito.store import Records


class Bearer(msgspec.Struct, frozen=True):
    pool: Pool
    client: Client
    user: User
    claims: dict[str, Any]
    grant: Grant | None

    @property
    def session(self) -> str:
        """The id of the grant; empty where the client's tokens cannot be revoked."""
        return self.grant.id if self.grant else ""

    @property
    def scopes(self) -> list[str]:
        return str(self.claims.get("scope", "")).split()


class Bearers:
    def __init__(self, records: Records, issuer: Issuer) -> None:
        self._records = records
        self._issuer = issuer

    async def verify(self, token: str, use: str) -> tuple[Pool, dict[str, Any]]:
        """A token of `use` (`access`, `id`) that one of our pools signed. Raises `InvalidToken`."""
        claimed = tokens.peek(token)
        pool_id = str(claimed.get("iss", "")).rsplit("/", 1)[-1]
        pool = await self._records.find_pool(pool_id)
        if pool is None or claimed.get("iss") not in self._issuer.issuers(pool):
            raise tokens.InvalidToken("the issuer is not a pool of ours")
        keys = {key.kid: key for key in await self._records.keys(pool.id)}
        claims = tokens.verify(token, keys, self._records.clock.now())
        if claims.get("token_use") != use:
            raise tokens.InvalidToken(f"the token is not an {use} token")
        return pool, claims

    async def bearer(self, token: str, scope: str = tokens.SIGN_IN_SCOPE) -> Bearer:
        """Raises AWS's NotAuthorizedException with its several wordings."""
        try:
            pool, claims = await self.verify(token, "access")
        except tokens.InvalidToken as error:
            if "expired" in str(error):
                raise errors.NotAuthorizedException("Access Token has expired") from None
            raise errors.invalid_access_token() from None
        if scope and scope not in str(claims.get("scope", "")).split():
            raise errors.NotAuthorizedException("Access Token does not have required scopes")
        client = await self._records.find_client(str(claims["client_id"]))
        if client is None or client.pool_id != pool.id:
            raise errors.invalid_access_token()
        return await self._of_user(pool, client, claims)

    async def still_there(self, token: str) -> Bearer:
        """As `bearer`, for operations of which AWS's model knows no UserNotFoundException."""
        try:
            return await self.bearer(token)
        except errors.UserNotFoundException:
            raise errors.invalid_access_token() from None

    async def _of_user(self, pool: Pool, client: Client, claims: dict[str, Any]) -> Bearer:
        found = await self._records.store.find(User, "by_sub", pool.id, str(claims["sub"]), limit=1)
        if not found:
            raise errors.user_not_found()
        user = found[0]
        if not user.enabled:
            raise errors.NotAuthorizedException("User is disabled.")
        grant = None
        if origin := claims.get("origin_jti"):
            grant = await self._records.store.get(Grant, pool.id, user.key, origin)
            if grant is None:
                raise errors.revoked_access_token()
        elif claims["iat"] + 1 <= user.tokens_valid_after:
            raise errors.revoked_access_token()
        return Bearer(pool, client, user, claims, grant)
