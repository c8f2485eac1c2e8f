"""SOFTWARE_TOKEN_MFA and MFA_SETUP: codes from an authenticator app (RFC 6238)."""

from __future__ import annotations

import msgspec

from forecourt.services.cognito import errors, totp
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Visit
from forecourt.services.cognito.auth.kit import Kit, required
from forecourt.services.cognito.model import MfaPreference, Totp, User
from forecourt.store import Tx

TRIES = 5
SEED_PURPOSE = "cognito.totp-seed"
_WRONG = "Invalid code received for user"


def ask(kit: Kit, visit: Visit, attempt: Attempt, user: User) -> Challenge:
    device = user.totp.device_name if user.totp else ""
    named = {"FRIENDLY_DEVICE_NAME": device} if device else {}
    return kit.challenge(visit, attempt, "SOFTWARE_TOKEN_MFA", {"USER_ID_FOR_SRP": user.username, **named})


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[Attempt, User]:
    given = required(visit.parameters, "SOFTWARE_TOKEN_MFA_CODE")
    user = await kit.known_user(attempt)
    if user.totp is None:
        raise errors.SoftwareTokenMFANotFoundException("Software Token MFA is not enabled for the user.")
    kit.threat.check_lockout(visit.pool, user.key)
    await kit.records.count_attempt(attempt.id, attempt.expires_at, TRIES)
    seed = kit.records.sealer.open(user.totp.sealed, SEED_PURPOSE)
    step = totp.matching_step(seed, given, kit.records.clock.now())
    if step is None:
        await kit.threat.failed(visit, user.key, user)
        raise errors.CodeMismatchException(_WRONG)
    if step <= user.totp.last_step:
        raise errors.used_software_token()
    return msgspec.structs.replace(attempt, passed=[*attempt.passed, "SOFTWARE_TOKEN_MFA"], totp_step=step), user


async def answer_setup(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[Attempt, User]:
    """The session comes from VerifySoftwareToken, which saw the app's first code."""
    user = await kit.known_user(attempt)
    if not attempt.seed_verified:
        raise errors.NotAuthorizedException("Invalid session for the user, software token is not verified.")
    user = await store_seed(kit, user, attempt.seed, attempt.seed_name, attempt.totp_step)
    return msgspec.structs.replace(attempt, passed=[*attempt.passed, "MFA_SETUP"], seed=b"", totp_step=-1), user


async def store_seed(kit: Kit, user: User, seed: bytes, name: str, step: int) -> User:
    """The app is the user's from now on. In the challenge it is turned on at once; else SetUserMFAPreference does."""
    token = Totp(sealed=kit.records.sealer.seal(seed, SEED_PURPOSE), last_step=step, device_name=name)

    def put(tx: Tx, current: User) -> None:
        current.totp = token
        enabled = [*current.mfa.enabled, "SOFTWARE_TOKEN_MFA"]
        current.mfa = MfaPreference(list(dict.fromkeys(enabled)), current.mfa.preferred or "SOFTWARE_TOKEN_MFA")

    return (await kit.records.change_user(user, put))[0]


def verify_first_code(kit: Kit, seed: bytes, given: str) -> int:
    """The step of the app's first code. Raises where it is wrong."""
    step = totp.matching_step(seed, given, kit.records.clock.now())
    if step is None:
        raise errors.EnableSoftwareTokenMFAException("Code mismatch")
    return step
