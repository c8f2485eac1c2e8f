"""Sign-ins as sessions: listed, and ended: all of a user's, one refresh token's, or a single one.

A session's id is the grant's, which is a UUID, in the form that AWS's model asks for: 25 digits to the base of 36.
"""

from __future__ import annotations

import string
import uuid
from typing import Any

from forecourt.services.cognito import errors, refresh_tokens, sealed
from forecourt.services.cognito.model import BrowserSession, Client, Grant, User
from forecourt.services.cognito.store import Records
from forecourt.store import Tx

_PREFIX, _DIGITS, _LENGTH = "tkn", string.digits + string.ascii_lowercase, 25


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
    try:
        grant = await refresh_tokens.grant_of(records, refresh_token)
    except sealed.BrokenToken:
        return
    if grant is None:
        return
    if (grant.pool_id, grant.client_id) != (client.pool_id, client.id):
        raise errors.UnauthorizedException("The token was not issued to this client.")
    await records.store.write(lambda tx: tx.delete(Grant, grant.pool_id, grant.user_key, grant.id))


async def listed(records: Records, user: User, current: str = "") -> list[dict[str, Any]]:
    """AWS's SessionDescriptionType of each sign-in, the latest first."""
    grants = await records.store.list(Grant, user.pool_id, user.key, limit=125)
    grants.sort(key=lambda grant: -grant.used_at)
    return [
        {
            "SessionId": session_id(grant),
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


async def revoke_session(records: Records, user: User, session: str) -> None:
    grant_id = _grant_id(session)
    if not await records.store.write(lambda tx: tx.delete(Grant, user.pool_id, user.key, grant_id)):
        raise errors.ResourceNotFoundException("Session does not exist.")


def session_id(grant: Grant) -> str:
    number, digits = uuid.UUID(grant.id).int, ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return _PREFIX + digits


def _grant_id(session: str) -> str:
    """Empty where no session can be called so."""
    number = int(session.removeprefix(_PREFIX), 36)
    return str(uuid.UUID(int=number)) if number < 1 << 128 else ""
