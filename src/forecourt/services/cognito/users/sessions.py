"""Sign-ins as sessions: listed, bounded, and ended: all of a user's, one refresh token's, or a single one.

A token session is a grant with a refresh token; an SSO session is a browser that is signed in, from which token
sessions may come. A session's id is its UUID in the form that AWS's model asks for: a prefix for the kind, and 25
digits to the base of 36. Only a pool that tracks sessions is told of them, and bounds how many a user may have.
https://docs.aws.amazon.com/cognito/latest/developerguide/managing-user-sessions.html
"""

from __future__ import annotations

import string
import uuid
from collections.abc import Mapping
from typing import Any

from forecourt.services.cognito import errors, refresh_tokens, sealed
from forecourt.services.cognito.model import BrowserSession, Client, Grant, Pool, User
from forecourt.services.cognito.store import Records
from forecourt.store import Tx

DEFAULT_MOST = 20
DEFAULT_MINUTES = 60
LONGEST_MINUTES = 129_600
_MOST_LISTED = 125
_TOKEN, _SSO = "tkn", "sso"
_DIGITS, _LENGTH = string.digits + string.ascii_lowercase, 25


# What the settings say ------------------------------------------------------------------------------------------------


def tracked(pool: Pool) -> bool:
    return pool.session_configuration.get("UserSessionTracking") == "ENABLED"


def reuse_seconds(pool: Pool, client: Client) -> int:
    """How long after a sign-in the client takes it from the browser. Where nothing is tracked, what is configured for
    clients sleeps."""
    configured = client.session_configuration.get("SSOSession", {}).get("MaxValidityMinutes", DEFAULT_MINUTES)
    return 60 * int(configured if tracked(pool) else DEFAULT_MINUTES)


def browser_seconds(pool: Pool) -> int:
    """How long a browser is signed in: where clients differ, as long as any of them might take it."""
    return 60 * (LONGEST_MINUTES if tracked(pool) else DEFAULT_MINUTES)


# Beginning and ending -------------------------------------------------------------------------------------------------


def begin(tx: Tx, pool: Pool, grant: Grant) -> None:
    """Keeps a new grant; where the user has as many token sessions as he may, the one used longest ago makes room."""
    if tracked(pool):
        others = tx.list(Grant, pool.id, grant.user_key)
        held = [other for other in others if other.refresh_hash and other.expires_at > grant.created_at]
        held.sort(key=lambda other: other.used_at)
        most = int(pool.session_configuration["TokenSession"]["MaxPerUser"])
        for other in held[: max(0, len(held) + 1 - most)]:
            tx.delete(Grant, pool.id, other.user_key, other.id)
    tx.insert(grant)


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


# One by one -----------------------------------------------------------------------------------------------------------


async def listed(records: Records, pool: Pool, user: User, current: str = "") -> list[dict[str, Any]]:
    """AWS's SessionDescriptionType of each, the latest first. `current` is the grant of the caller's token."""
    _require_tracking(pool)
    now = records.clock.now()
    grants = await records.store.list(Grant, user.pool_id, user.key)
    browsers = await records.store.find(BrowserSession, "by_user", user.pool_id, user.key)
    shown = [_shown_grant(g, current) for g in grants if g.refresh_hash and g.expires_at > now]
    shown += [_shown_browser(b) for b in browsers if b.expires_at > now]
    return sorted(shown, key=lambda session: -session["LastActiveDate"])[:_MOST_LISTED]


async def revoke_one(
    records: Records, pool: Pool, user: User, request: Mapping[str, Any], current: str | None = None
) -> None:
    """`current` is the grant of the user's own token, which he keeps; None where an administrator asks."""
    _require_tracking(pool)
    kind, identifier = _parse(request["SessionId"])
    if kind == _TOKEN and identifier == current:
        raise errors.InvalidParameterException("The session of the access token itself cannot be revoked.")
    end = _end_grant if kind == _TOKEN else _end_browser
    linked = request.get("RevokeAssociatedSessions") == "LINKED"
    if not await records.store.write(lambda tx: end(tx, user, identifier, linked)):
        raise errors.ResourceNotFoundException("Session does not exist.")


def _end_grant(tx: Tx, user: User, identifier: str, linked: bool) -> bool:
    grant = tx.get(Grant, user.pool_id, user.key, identifier)
    if grant is None:
        return False
    tx.delete(Grant, user.pool_id, user.key, identifier)
    if linked:
        _end_browser(tx, user, grant.browser_session, False)
    return True


def _end_browser(tx: Tx, user: User, identifier: str, linked: bool) -> bool:
    found = [b for b in tx.find(BrowserSession, "by_user", user.pool_id, user.key) if b.id == identifier]
    for browser in found:
        tx.delete(BrowserSession, user.pool_id, browser.hash)
    if linked:
        for grant in tx.list(Grant, user.pool_id, user.key):
            if grant.browser_session == identifier:
                tx.delete(Grant, user.pool_id, user.key, grant.id)
    return bool(found)


def _require_tracking(pool: Pool) -> None:
    if not tracked(pool):
        raise errors.OperationNotEnabledException("Session tracking is not enabled for this user pool.")


def _shown_grant(grant: Grant, current: str) -> dict[str, Any]:
    return {
        "SessionId": _name(_TOKEN, grant.id),
        "SessionType": "TOKEN",
        "ClientId": grant.client_id,
        "CreateDate": grant.created_at,
        "LastActiveDate": grant.used_at,
        "DeviceType": grant.user_agent[:1024] or "unknown",
        "LastIPAddress": grant.ip,
        **({"OriginSessionId": _name(_SSO, grant.browser_session)} if grant.browser_session else {}),
        "IsCurrentSession": grant.id == current,
    }


def _shown_browser(browser: BrowserSession) -> dict[str, Any]:
    return {
        "SessionId": _name(_SSO, browser.id),
        "SessionType": "SSO",
        "ClientId": browser.client_id,
        "CreateDate": float(browser.auth_time),
        "LastActiveDate": browser.used_at,
        "DeviceType": browser.user_agent[:1024] or "unknown",
        "LastIPAddress": browser.ip,
        "IsCurrentSession": False,
    }


def _name(kind: str, identifier: str) -> str:
    number, digits = uuid.UUID(identifier).int, ""
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return kind + digits


def _parse(session: str) -> tuple[str, str]:
    """The kind, and the UUID; no UUID where no session can be called so."""
    number = int(session[3:], 36)
    return session[:3], str(uuid.UUID(int=number)) if number < 1 << 128 else ""
