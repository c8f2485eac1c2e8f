"""Refresh tokens: new access and ID tokens, and with rotation a new refresh token (RFC 6749, 6; RFC 9700, 2.2.2).

With rotation a token is good once; the one before stays good for the grace period (0 to 60 s), for a client whose
answer was lost. Any other reuse means that somebody has a copy: the whole grant is revoked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cognito import errors, refresh_tokens, sealed
from forecourt.services.cognito.auth.attempt import Visit
from forecourt.services.cognito.auth.finish import authentication_result, still_valid
from forecourt.services.cognito.auth.kit import Kit, names_of, required
from forecourt.services.cognito.issuer import Minted
from forecourt.services.cognito.model import Device, Grant, OldRefreshToken, User
from forecourt.services.cognito.store import token_hash
from forecourt.services.cognito.users import sessions
from forecourt.store import Tx

_REMEMBERED = 10
REVOKED = "Refresh Token has been revoked"
REUSED = "Refresh token has been reused, all tokens of this sign-in are revoked."


async def by_flow(kit: Kit, visit: Visit) -> dict[str, Any]:
    """REFRESH_TOKEN_AUTH: never rotates; a client that rotates has to call GetTokensFromRefreshToken."""
    if rotation(visit.client.settings) is not None:
        raise errors.UnsupportedOperationException(
            "Refresh token rotation is enabled for this client, use GetTokensFromRefreshToken."
        )
    grant, user = await find(kit, visit, required(visit.parameters, "REFRESH_TOKEN"))
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), *names_of(user), *_given(visit))
    await _check_device(kit, visit, grant, visit.parameters.get("DEVICE_KEY", ""))
    minted = await kit.issuer.mint(visit.occasion, visit.client, user, grant, "TokenGeneration_RefreshTokens")
    await _note_use(kit, visit, grant)
    return authentication_result(minted)


async def exchange(kit: Kit, visit: Visit, refresh_token: str, device_key: str) -> tuple[Minted, str, Grant]:
    """New tokens, and a new refresh token (or none) according to the client's settings."""
    grant, user = await find(kit, visit, refresh_token)
    await _check_device(kit, visit, grant, device_key)
    minted = await kit.issuer.mint(visit.occasion, visit.client, user, grant, "TokenGeneration_RefreshTokens")
    grace = rotation(visit.client.settings)
    if grace is None:
        await _note_use(kit, visit, grant)
        return minted, "", grant
    return minted, await _rotate(kit, visit, grant, refresh_token, grace), grant


async def find(kit: Kit, visit: Visit, refresh_token: str) -> tuple[Grant, User]:
    """The grant of a refresh token that is good for this client, and its user."""
    try:
        grant = await refresh_tokens.grant_of(kit.records, refresh_token)
    except sealed.BrokenToken:
        raise errors.invalid_refresh_token() from None
    if grant is None:
        raise errors.NotAuthorizedException(REVOKED)
    if (grant.pool_id, grant.client_id) != (visit.pool.id, visit.client.id):
        raise errors.invalid_refresh_token()
    now = kit.records.clock.now()
    if grant.expires_at <= now:
        raise errors.NotAuthorizedException("Refresh Token has expired")
    if _reused(grant, refresh_token, now):
        await kit.records.store.write(lambda tx: tx.delete(Grant, grant.pool_id, grant.user_key, grant.id))
        raise errors.RefreshTokenReuseException(REUSED)
    user = await kit.records.user_by_key(grant.pool_id, grant.user_key)
    if user is None:
        raise errors.user_not_found()
    if not user.enabled:
        raise errors.NotAuthorizedException("User is disabled.")
    if not still_valid(user, grant):
        raise errors.NotAuthorizedException(REVOKED)
    return grant, user


def rotation(client_settings: Mapping[str, Any]) -> int | None:
    """The grace period in seconds, or None where the client does not rotate."""
    setting = client_settings.get("RefreshTokenRotation", {})
    return int(setting.get("RetryGracePeriodSeconds", 0)) if setting.get("Feature") == "ENABLED" else None


async def _note_use(kit: Kit, visit: Visit, grant: Grant) -> None:
    """Only for a pool that asks: else a refresh writes nothing."""
    if not sessions.tracked(visit.pool):
        return

    def note(tx: Tx) -> None:
        current = tx.get(Grant, grant.pool_id, grant.user_key, grant.id)
        if current is None:
            raise errors.NotAuthorizedException(REVOKED)
        tx.put(_used(kit, visit, current))

    await kit.records.store.write(note)


def _used(kit: Kit, visit: Visit, grant: Grant) -> Grant:
    grant.used_at, grant.ip, grant.user_agent = kit.records.clock.now(), visit.ip, visit.user_agent
    return grant


async def _rotate(kit: Kit, visit: Visit, grant: Grant, used: str, grace: int) -> str:
    now = kit.records.clock.now()

    def rotate(tx: Tx) -> str:
        """The successor, or nothing where the token was used."""
        current = tx.get(Grant, grant.pool_id, grant.user_key, grant.id)
        if current is None:
            raise errors.NotAuthorizedException(REVOKED)
        if _reused(current, used, now):
            tx.delete(Grant, grant.pool_id, grant.user_key, grant.id)
            return ""
        still_good = [old for old in current.old if old.until > now]
        current.old = [*still_good, OldRefreshToken(current.refresh_hash, now + grace)][-_REMEMBERED:]
        successor = refresh_tokens.renew(kit.records, current)
        tx.put(_used(kit, visit, current))
        return successor

    successor = await kit.records.store.write(rotate)
    if not successor:
        raise errors.RefreshTokenReuseException(REUSED)
    return successor


def _reused(grant: Grant, refresh_token: str, now: float) -> bool:
    """Neither the token that is good nor one in its grace period: it was rotated away."""
    hashed = token_hash(refresh_token)
    return hashed != grant.refresh_hash and not any(old.hash == hashed and old.until > now for old in grant.old)


async def _check_device(kit: Kit, visit: Visit, grant: Grant, device_key: str) -> None:
    """A token that was given to a device is good on that device, once it is confirmed.

    https://repost.aws/knowledge-center/cognito-invalid-refresh-token-error
    """
    if not grant.device_key or "DeviceConfiguration" not in visit.pool.settings:
        return
    device = await kit.records.store.get(Device, grant.pool_id, grant.user_key, grant.device_key)
    if device_key != grant.device_key or device is None or not device.confirmed:
        raise errors.invalid_refresh_token()


def _given(visit: Visit) -> list[str]:
    return [name for name in (visit.parameters.get("USERNAME"),) if name]
