"""DEVICE_SRP_AUTH and DEVICE_PASSWORD_VERIFIER: a device that was confirmed proves its own secret, by SRP again.

The device's group key takes the place of the pool's name, and the device's key that of the user's id. Some clients do
not send the session along with DEVICE_SRP_AUTH; for them the attempt that was asked for the device's proof waits, for
the life of a session, and is taken once.
"""

from __future__ import annotations

import msgspec

from forecourt.services.cognito import errors
from forecourt.services.cognito.auth import srp
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Visit
from forecourt.services.cognito.auth.kit import Kit, names_of, required
from forecourt.services.cognito.model import Device, User
from forecourt.services.cognito.srp import Verifier
from forecourt.services.cognito.store import spend

_MOST_WAITING = 10_000


def ask(kit: Kit, visit: Visit, attempt: Attempt) -> Challenge:
    asked = kit.challenge(visit, attempt, "DEVICE_SRP_AUTH", {"DEVICE_KEY": attempt.device_key})
    waiting = kit.device_attempts
    if len(waiting) >= _MOST_WAITING:
        waiting.pop(next(iter(waiting)))
    waiting[_waits_as(asked.attempt)] = asked.attempt
    return asked


def waiting_attempt(kit: Kit, visit: Visit, user: User | None) -> Attempt:
    """The attempt of a client that sent no session."""
    device_key = required(visit.parameters, "DEVICE_KEY")
    found = kit.device_attempts.pop((visit.pool.id, visit.client.id, user.key if user else "", device_key), None)
    if found is None or found.expires_at <= kit.records.clock.now():
        raise errors.invalid_session()
    return msgspec.structs.replace(found, unspent=found.id)


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> Challenge:
    """DEVICE_SRP_AUTH."""
    kit.device_attempts.pop(_waits_as(attempt), None)
    client_public = srp.public_value(required(visit.parameters, "SRP_A"))
    user, device = await _device(kit, visit, attempt)
    asked = kit.challenge(visit, attempt, "DEVICE_PASSWORD_VERIFIER", {})
    verifier = kit.passwords.open_verifier(device.srp_verifier)
    block, server_public = await kit.passwords.turns.take(
        srp.seal_round, kit, asked.attempt, verifier, client_public, device.device_key, device.group_key
    )
    parameters = {
        "SALT": verifier.salt.hex(),
        "SECRET_BLOCK": block,
        "SRP_B": f"{server_public:x}",
        "USERNAME": user.username,
        "DEVICE_KEY": device.device_key,
    }
    return Challenge("DEVICE_PASSWORD_VERIFIER", asked.attempt, parameters)


async def answer_verifier(kit: Kit, visit: Visit) -> tuple[Attempt, User]:
    """DEVICE_PASSWORD_VERIFIER."""
    round_, block = srp.open_round(kit, required(visit.parameters, "PASSWORD_CLAIM_SECRET_BLOCK"))
    attempt = round_.attempt
    await srp.check_round(kit, visit, attempt, "DEVICE_PASSWORD_VERIFIER")
    user, device = await _device(kit, visit, attempt)
    username = visit.parameters.get("USERNAME", user.username)
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), username, *names_of(user))
    verifier: Verifier = kit.passwords.open_verifier(device.srp_verifier)
    if not await kit.passwords.turns.take(srp.proof_holds, visit, round_, block, verifier):
        await kit.records.store.write(lambda tx: spend(tx, attempt.id, attempt.expires_at))
        await kit.threat.failed(visit, user.key, user)
        raise errors.incorrect_credentials()
    return msgspec.structs.replace(attempt, passed=[*attempt.passed, "DEVICE"], unspent=attempt.id), user


async def _device(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[User, Device]:
    user = await kit.known_user(attempt)
    device = await kit.device_of(attempt)
    given = visit.parameters.get("DEVICE_KEY", attempt.device_key)
    if device is None or not device.srp_verifier or given != device.device_key:
        raise errors.ResourceNotFoundException("Device does not exist.")
    return user, device


def _waits_as(attempt: Attempt) -> tuple[str, ...]:
    return (attempt.pool_id, attempt.client_id, attempt.user_key, attempt.device_key)
