"""Ending sign-ins: all of a user's, one refresh token's, or one session's."""

from __future__ import annotations

from typing import Any

from forecourt.services.cognito import errors
from forecourt.services.cognito.model import BrowserSession, Client, Grant, User
from forecourt.services.cognito.store import Records, token_hash
from forecourt.store import Tx


def end_all(tx: Tx, user: User, now: float) -> None:
    """Within the transaction; `user` is the stored one and is put by the caller."""
    user.tokens_valid_after = now
    tx.delete_all(Grant, user.pool_id, user.key)
    for session in tx.find(BrowserSession, "by_user", user.pool_id, user.key):
        tx.delete(BrowserSession, user.pool_id, session.hash)


async def sign_out_everywhere(records: Records, user: User) -> None:
    await records.change_user(user, lambda tx, current: end_all(tx, current, records.clock.now()))


async def revoke(records: Records, client: Client, refresh_token: str) -> None:
    """A refresh token and everything that came of it (RFC 7009). One that is unknown is as good as revoked."""
    found = await records.store.find(Grant, "by_refresh", token_hash(refresh_token), limit=1)
    if not found:
        return
    grant = found[0]
    if (grant.pool_id, grant.client_id) != (client.pool_id, client.id):
        raise errors.UnauthorizedException("The token was not issued to this client.")
    await records.store.write(lambda tx: tx.delete(Grant, grant.pool_id, grant.user_key, grant.id))


async def listed(records: Records, user: User, current: str = "") -> list[dict[str, Any]]:
    """AWS's SessionDescriptionType of each sign-in, the latest first."""
    grants = await records.store.list(Grant, user.pool_id, user.key, limit=125)
    grants.sort(key=lambda grant: -grant.used_at)
    return [
        {
            "SessionId": grant.session_id,
            "SessionType": "TOKEN",
            "ClientId": grant.client_id,
            "CreateDate": grant.created_at,
            "LastActiveDate": grant.used_at,
            "DeviceType": grant.user_agent[:1024],
            "LastIPAddress": grant.ip,
            "IsCurrentSession": grant.id == current,
        }
        for grant in grants
    ]


async def revoke_session(records: Records, user: User, session_id: str) -> None:
    grants = await records.store.list(Grant, user.pool_id, user.key, limit=1000)
    found = next((grant for grant in grants if grant.session_id == session_id), None)
    if found is None:
        raise errors.ResourceNotFoundException("Session does not exist.")
    await records.store.write(lambda tx: tx.delete(Grant, user.pool_id, user.key, found.id))
