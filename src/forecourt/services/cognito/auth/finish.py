"""The end of a sign-in: triggers, tokens, and one transaction that makes it so.

The transaction marks the last session as used, remembers the step of a TOTP code and the counter of a passkey, keeps
the grant and a new device. Where any of it was used by another call meanwhile, nothing happens and nobody gets tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from forecourt.services.cognito import errors, refresh_tokens
from forecourt.services.cognito.auth.attempt import Attempt, Passed, Visit
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.issuer import Minted
from forecourt.services.cognito.model import AuthEvent, Device, Grant, Passkey, Pool, User
from forecourt.services.cognito.store import put_user, spend
from forecourt.services.cognito.tokens import SIGN_IN_SCOPE
from forecourt.services.cognito.triggers import user_attributes, with_metadata
from forecourt.services.cognito.users import sessions
from forecourt.store import Tx


class SignedIn(msgspec.Struct, frozen=True):
    minted: Minted
    refresh_token: str
    new_device: Device | None

    def result(self) -> dict[str, Any]:
        """AWS's AuthenticationResult."""
        result = authentication_result(self.minted, self.refresh_token)
        if self.new_device is not None:
            result["NewDeviceMetadata"] = {
                "DeviceKey": self.new_device.device_key,
                "DeviceGroupKey": self.new_device.group_key,
            }
        return result


async def sign_in(kit: Kit, visit: Visit, passed: Passed, scopes: Sequence[str] = (SIGN_IN_SCOPE,)) -> SignedIn:
    """Tokens for a client of the API."""
    user, attempt = passed.user, passed.attempt
    known = await kit.device_of(attempt)
    # A key for a device that the pool wants to track and does not know. What the client calls it otherwise is no claim.
    tracked = "DeviceConfiguration" in visit.pool.settings
    made = new_device(kit, visit, user) if tracked and known is None else None
    device = made or known
    await post_authentication(kit, visit, user, made is not None)
    now = kit.records.clock.now()
    grant = kit.issuer.new_grant(visit.client, user, auth_time=int(now), scopes=scopes)
    refresh_token = refresh_tokens.renew(kit.records, grant)
    grant.device_key = device.device_key if device else ""
    grant.event_id = attempt.event_id or grant.event_id
    grant.ip, grant.user_agent = visit.ip, visit.user_agent
    prepared = await kit.issuer.prepare(visit.occasion, visit.client, user, grant, _source(attempt))

    def commit(tx: Tx) -> AuthEvent | None:
        settle(tx, user, attempt, now)
        if made is not None:
            tx.put(made)
        sessions.begin(tx, visit.pool, grant)
        return kit.threat.record_success(tx, visit, user, attempt, grant.event_id)

    event, minted = await asyncio.gather(kit.records.store.write(commit), _signed(kit, prepared))
    kit.threat.succeeded(visit, user, event)
    return SignedIn(minted, refresh_token, made)


async def _signed(kit: Kit, prepared: Callable[[], Minted]) -> Minted:
    """Begun a turn after the change was handed to the store, so that the disk writes meanwhile."""
    await asyncio.sleep(0)
    return await kit.issuer.sign(prepared)


def settle(tx: Tx, user: User, attempt: Attempt, now: float) -> None:
    """What every proof of this attempt leaves behind. Raises where a proof was used already, or the user is no more."""
    if attempt.unspent:
        spend(tx, attempt.unspent, attempt.expires_at)
    current = tx.get(User, user.pool_id, user.key)
    if current is None or not current.enabled or current.password_hash != user.password_hash:
        raise errors.incorrect_credentials()
    if attempt.totp_step >= 0:
        if current.totp is None or attempt.totp_step <= current.totp.last_step:
            raise errors.used_software_token()
        current.totp.last_step = attempt.totp_step
        put_user(tx, current)
    if attempt.passkey_id:
        _count_passkey(tx, user, attempt)
    device = tx.get(Device, user.pool_id, user.key, attempt.device_key) if attempt.device_key else None
    if device is not None:
        device.authenticated_at = now
        tx.put(device)


def _count_passkey(tx: Tx, user: User, attempt: Attempt) -> None:
    """Web Authentication, 7.2, step 22: a counter that does not grow is a copied authenticator."""
    passkey = tx.get(Passkey, user.pool_id, user.key, attempt.passkey_id)
    if passkey is None or (passkey.sign_count and attempt.passkey_sign_count <= passkey.sign_count):
        raise errors.incorrect_credentials()
    passkey.sign_count = attempt.passkey_sign_count
    tx.put(passkey)


async def post_authentication(kit: Kit, visit: Visit, user: User, new_device: bool) -> None:
    if not kit.triggers.configured(visit.pool, "PostAuthentication"):
        return
    request = with_metadata(visit.occasion, {"userAttributes": user_attributes(user), "newDeviceUsed": new_device})
    source = "PostAuthentication_Authentication"
    await kit.triggers.fire(visit.occasion, "PostAuthentication", source, user.username, request, {})


def new_device(kit: Kit, visit: Visit, user: User) -> Device:
    now = kit.records.clock.now()
    return Device(
        pool_id=visit.pool.id,
        user_key=user.key,
        device_key=f"{visit.pool.region}_{kit.records.ids.uuid()}",
        group_key=device_group(visit.pool),
        name=visit.user_agent[:100] or "unknown",
        created_at=now,
        modified_at=now,
        authenticated_at=now,
        ip=visit.ip,
    )


def device_group(pool: Pool) -> str:
    """SRP's name for the devices of a pool."""
    return "-" + pool.short_name


def authentication_result(minted: Minted, refresh_token: str = "") -> dict[str, Any]:
    return {
        "AccessToken": minted.access,
        "ExpiresIn": minted.expires_in,
        "TokenType": "Bearer",
        **({"RefreshToken": refresh_token} if refresh_token else {}),
        **({"IdToken": minted.id} if minted.id else {}),
    }


def _source(attempt: Attempt) -> str:
    if attempt.new_password_set:
        return "TokenGeneration_NewPasswordChallenge"
    if "DEVICE" in attempt.passed:
        return "TokenGeneration_AuthenticateDevice"
    return "TokenGeneration_Authentication"


def still_valid(user: User, grant: Grant) -> bool:
    return user.enabled and grant.created_at >= user.tokens_valid_after
