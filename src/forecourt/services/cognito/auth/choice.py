"""USER_AUTH: the user chooses among the first factors that the pool allows and that he has.

https://docs.aws.amazon.com/cognito/latest/developerguide/authentication-flows-selection-sdk.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.cognito import errors, names
from forecourt.services.cognito.auth import one_time_code, password, srp, steps
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Visit
from forecourt.services.cognito.auth.kit import Kit, names_of, required
from forecourt.services.cognito.model import Passkey, User


async def start(kit: Kit, visit: Visit) -> Challenge | tuple[Attempt, User]:
    username = required(visit.parameters, "USERNAME")
    user = await kit.find_user(visit, username)
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), username, *names_of(user))
    if user is not None and not visit.hides_users and user.status not in ("FORCE_CHANGE_PASSWORD", "RESET_REQUIRED"):
        kit.check_status(user)
    attempt = kit.new_attempt(visit, username, user)
    offered = await _offered(kit, visit, username, user)
    preferred = visit.parameters.get("PREFERRED_CHALLENGE", "")
    if preferred in offered:
        return await _choose(kit, visit, attempt, user, preferred, visit.parameters)
    return kit.challenge(visit, attempt, "SELECT_CHALLENGE", {}, tuple(offered))


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> Challenge | tuple[Attempt, User]:
    """SELECT_CHALLENGE."""
    chosen = required(visit.parameters, "ANSWER")
    user = await kit.user_of(attempt)
    if chosen not in await _offered(kit, visit, attempt.username, user):
        raise errors.InvalidParameterException("Selected challenge is not available.")
    return await _choose(kit, visit, attempt, user, chosen, visit.parameters)


async def answer_password(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[Attempt, User]:
    """PASSWORD, asked for on its own."""
    user = await kit.user_of(attempt)
    return await password.verify(kit, visit, attempt.username, user, required(visit.parameters, "PASSWORD"), attempt)


async def answer_srp(kit: Kit, visit: Visit, attempt: Attempt) -> Challenge:
    """PASSWORD_SRP, asked for on its own."""
    client_public = srp.public_value(required(visit.parameters, "SRP_A"))
    return await srp.ask(kit, visit, attempt, await kit.user_of(attempt), client_public)


async def _choose(
    kit: Kit, visit: Visit, attempt: Attempt, user: User | None, chosen: str, given: Mapping[str, str]
) -> Challenge | tuple[Attempt, User]:
    if chosen == "PASSWORD":
        if "PASSWORD" not in given:
            return kit.challenge(visit, attempt, "PASSWORD", {})
        return await password.verify(kit, visit, attempt.username, user, given["PASSWORD"], attempt)
    await kit.pre_authentication(visit, attempt.username, user)
    if chosen == "PASSWORD_SRP":
        if "SRP_A" not in given:
            return kit.challenge(visit, attempt, "PASSWORD_SRP", {})
        return await srp.ask(kit, visit, attempt, user, srp.public_value(given["SRP_A"]))
    if chosen == "WEB_AUTHN":
        # Web Authentication's library is imported for the first passkey: a start does not wait for it.
        from forecourt.services.cognito.auth import passkey

        return await passkey.ask(kit, visit, attempt, user)
    return await one_time_code.ask(kit, visit, attempt, user, chosen)


async def _offered(kit: Kit, visit: Visit, username: str, user: User | None) -> list[str]:
    has_passkey = user is not None and bool(await kit.records.store.list(Passkey, user.pool_id, user.key, limit=1))
    offered = steps.first_factors(visit.pool, user, has_passkey)
    if user is None:
        offered = [factor for factor in offered if _plausible(kit, visit, username, factor)]
    if not offered:
        raise errors.InvalidParameterException("No authentication factor is available for the user.")
    return offered


def _plausible(kit: Kit, visit: Visit, username: str, factor: str) -> bool:
    """Whether nobody is shown a factor: not everybody has an address, so to be offered all is no sign of a user."""
    if factor in ("PASSWORD", "PASSWORD_SRP"):
        return True
    if names.is_email(username) or names.is_phone(username):
        return names.is_email(username) is (factor == "EMAIL_OTP")
    return bool(kit.records.made_up(visit.pool, factor, names.fold(visit.pool.settings, username), 1)[0] & 1)
