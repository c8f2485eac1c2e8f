"""The flow: which strategy starts which AuthFlow, which one judges which challenge, and what follows.

Sessions are sealed, expire, are bound to pool and client, and work once. A wrong answer to a code may be tried again
with the same session, a few times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from forecourt.services.cognito import errors, sealed
from forecourt.services.cognito.auth import (
    choice,
    custom,
    device,
    mfa_setup,
    new_password,
    one_time_code,
    password,
    srp,
    steps,
    totp,
)
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Outcome, Passed, Visit
from forecourt.services.cognito.auth.kit import PURPOSE, Kit, names_of, required
from forecourt.services.cognito.credentials import allowed_flows
from forecourt.services.cognito.model import User
from forecourt.services.cognito.store import spend

Judged = Challenge | Passed | tuple[Attempt, User]
_Start = Callable[[Kit, Visit], Awaitable[Judged]]
_Answer = Callable[[Kit, Visit, Attempt], Awaitable[Judged]]

# AuthFlow -> what the client has to allow, how the refusal is worded, what starts it.
_FLOWS: dict[str, tuple[str, str, _Start]] = {
    "USER_PASSWORD_AUTH": (
        "ALLOW_USER_PASSWORD_AUTH",
        "USER_PASSWORD_AUTH flow not enabled for this client",
        password.start,
    ),
    "ADMIN_USER_PASSWORD_AUTH": (
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "Auth flow not enabled for this client",
        password.start,
    ),
    "USER_SRP_AUTH": ("ALLOW_USER_SRP_AUTH", "USER_SRP_AUTH is not enabled for the client.", srp.start),
    "CUSTOM_AUTH": ("ALLOW_CUSTOM_AUTH", "CUSTOM_AUTH is not enabled for the client.", custom.start),
    "USER_AUTH": ("ALLOW_USER_AUTH", "USER_AUTH flow not enabled for this client", choice.start),
}
# Flows that only some doors have; the others any.
_DOORS = {"ADMIN_USER_PASSWORD_AUTH": ("admin", "browser"), "USER_PASSWORD_AUTH": ("client", "browser")}
# These carry their attempt in SECRET_BLOCK and need no session.
_BY_BLOCK: dict[str, Callable[[Kit, Visit], Awaitable[tuple[Attempt, User]]]] = {
    "PASSWORD_VERIFIER": srp.answer,
    "DEVICE_PASSWORD_VERIFIER": device.answer_verifier,
}


async def _sms_mfa(kit: Kit, visit: Visit, attempt: Attempt) -> Judged:
    return await one_time_code.answer(kit, visit, attempt, "SMS_MFA")


async def _email_otp(kit: Kit, visit: Visit, attempt: Attempt) -> Judged:
    return await one_time_code.answer(kit, visit, attempt, "EMAIL_OTP")


async def _sms_otp(kit: Kit, visit: Visit, attempt: Attempt) -> Judged:
    return await one_time_code.answer(kit, visit, attempt, "SMS_OTP")


async def _select_mfa(kit: Kit, visit: Visit, attempt: Attempt) -> Judged:
    chosen = required(visit.parameters, "ANSWER")
    user = await kit.known_user(attempt)
    offered = steps.second_factor(visit.pool, user)
    if chosen not in offered.choices:
        raise errors.InvalidParameterException("Invalid MFA type selected.")
    return await ask_second_factor(kit, visit, attempt, user, chosen)


async def _web_authn(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[Attempt, User]:
    # Its library is imported for the first passkey: a start does not wait for it.
    from forecourt.services.cognito.auth import passkey

    return await passkey.answer(kit, visit, attempt)


_ANSWERS: dict[str, _Answer] = {
    "SMS_MFA": _sms_mfa,
    "EMAIL_OTP": _email_otp,
    "SMS_OTP": _sms_otp,
    "SOFTWARE_TOKEN_MFA": totp.answer,
    "SELECT_MFA_TYPE": _select_mfa,
    "MFA_SETUP": mfa_setup.answer,
    "NEW_PASSWORD_REQUIRED": new_password.answer,
    "CUSTOM_CHALLENGE": custom.answer,
    "SELECT_CHALLENGE": choice.answer,
    "PASSWORD": choice.answer_password,
    "PASSWORD_SRP": choice.answer_srp,
    "WEB_AUTHN": _web_authn,
    "DEVICE_SRP_AUTH": device.answer,
}


async def initiate(kit: Kit, visit: Visit) -> Outcome:
    """Raises `ServiceError`s. REFRESH_TOKEN_AUTH is no attempt to sign in: see `refresh.py`."""
    if visit.flow not in _FLOWS or visit.door not in _DOORS.get(visit.flow, (visit.door,)):
        raise errors.InvalidParameterException("Initiate Auth method not supported.")
    permission, refusal, start = _FLOWS[visit.flow]
    if visit.door != "browser" and permission not in allowed_flows(visit.client.settings):
        raise errors.InvalidParameterException(refusal)
    return await follow(kit, visit, await start(kit, visit))


async def respond(kit: Kit, visit: Visit, challenge: str, session: str | None) -> Outcome:
    if challenge in _BY_BLOCK:
        return await follow(kit, visit, await _BY_BLOCK[challenge](kit, visit), challenge)
    attempt = await _attempt(kit, visit, challenge, session)
    await _check_user(kit, visit, attempt)
    judge = _ANSWERS.get(challenge)
    if judge is None:
        raise errors.InvalidParameterException(f"Invalid challenge: {challenge}")
    judged = await judge(kit, visit, attempt)
    outcome = await follow(kit, visit, judged, challenge)
    if isinstance(outcome, Challenge) and not isinstance(judged, tuple):
        await _spend(kit, attempt)
    return outcome


async def ask_second_factor(kit: Kit, visit: Visit, attempt: Attempt, user: User, factor: str) -> Challenge:
    if factor == "SOFTWARE_TOKEN_MFA":
        return totp.ask(kit, visit, attempt, user)
    return await one_time_code.ask(kit, visit, attempt, user, factor)


async def ask_more(kit: Kit, visit: Visit, passed: Passed, challenge: str) -> Challenge:
    """One more question where everything is proven: the proofs are used up, and the session stands for them."""
    await _spend(kit, passed.attempt)
    return kit.challenge(visit, passed.attempt, challenge, {})


def session_of(kit: Kit, challenge: Challenge) -> str:
    return sealed.seal_text(kit.records.sealer, PURPOSE, challenge.attempt)


async def open_session(kit: Kit, session: str) -> Attempt:
    """A session that is ours, in time and unused."""
    try:
        attempt = sealed.unseal_text(kit.records.sealer, PURPOSE, Attempt, session)
    except sealed.BrokenToken:
        raise errors.invalid_session() from None
    if attempt.expires_at <= kit.records.clock.now():
        raise errors.expired_session()
    if await kit.records.is_spent(attempt.id, attempt.expires_at, attempt.maker):
        raise errors.used_session()
    attempt.unspent = attempt.id
    return attempt


async def _attempt(kit: Kit, visit: Visit, challenge: str, session: str | None) -> Attempt:
    if not session:
        if challenge != "DEVICE_SRP_AUTH":
            raise errors.InvalidParameterException("Missing required parameter Session")
        user = await kit.records.find_user(visit.pool, required(visit.parameters, "USERNAME"))
        return device.waiting_attempt(kit, visit, user)
    attempt = await open_session(kit, session)
    if (attempt.pool_id, attempt.client_id) != (visit.pool.id, visit.client.id):
        raise errors.invalid_session()
    if challenge not in attempt.challenges:
        raise errors.invalid_session()
    return attempt


async def _check_user(kit: Kit, visit: Visit, attempt: Attempt) -> None:
    """The answer names the user whose session it is, and the client's secret is bound to that name."""
    user = await kit.user_of(attempt)
    known = {attempt.username, *names_of(user)}
    # A page of ours asks for it once.
    given = attempt.username if visit.door == "browser" else required(visit.parameters, "USERNAME")
    if given not in known and given.lower() not in known:
        raise errors.invalid_session()
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), given, *known)


async def follow(kit: Kit, visit: Visit, judged: Judged, challenge: str = "") -> Outcome:
    """What comes after a proof: the next challenge, or nothing more."""
    if not isinstance(judged, tuple):
        return judged
    attempt, user = judged
    if not attempt.device_key and "DEVICE_KEY" in visit.parameters:
        # Some clients name their device with their answer.
        attempt = msgspec.structs.replace(attempt, device_key=visit.parameters["DEVICE_KEY"])
    if attempt.flow == "CUSTOM_AUTH":
        attempt = custom.note(attempt, challenge)
    outcome = await _next(kit, visit, attempt, user)
    if isinstance(outcome, Challenge):
        await _spend(kit, attempt)
    return outcome


async def _next(kit: Kit, visit: Visit, attempt: Attempt, user: User) -> Outcome:
    await kit.threat.assess(visit, attempt, user)
    step = steps.next_step(visit.pool, user, attempt, await kit.device_of(attempt))
    if step.challenge:
        return await _ask(kit, visit, attempt, user, step)
    if attempt.flow == "CUSTOM_AUTH":
        return await custom.define(kit, visit, attempt, user)
    return Passed(user, attempt)


async def _ask(kit: Kit, visit: Visit, attempt: Attempt, user: User, step: steps.Step) -> Challenge:
    if step.challenge == "NEW_PASSWORD_REQUIRED":
        return new_password.ask(kit, visit, attempt, user)
    if step.challenge == "DEVICE_SRP_AUTH":
        return device.ask(kit, visit, attempt)
    if step.challenge == "SELECT_MFA_TYPE":
        return kit.challenge(visit, attempt, step.challenge, _choices("MFAS_CAN_CHOOSE", user, step))
    if step.challenge == "MFA_SETUP":
        return kit.challenge(visit, attempt, step.challenge, _choices("MFAS_CAN_SETUP", user, step))
    return await ask_second_factor(kit, visit, attempt, user, step.challenge)


def _choices(name: str, user: User, step: steps.Step) -> dict[str, str]:
    return {name: msgspec.json.encode(list(step.choices)).decode(), "USER_ID_FOR_SRP": user.username}


async def _spend(kit: Kit, attempt: Attempt) -> None:
    if attempt.unspent:
        await kit.records.store.write(lambda tx: spend(tx, attempt.unspent, attempt.expires_at))
