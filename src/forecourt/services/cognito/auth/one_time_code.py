"""SMS_MFA, EMAIL_OTP and SMS_OTP: a code sent to an address, as a second factor or (in USER_AUTH) as the first.

The code's keyed hash stands in the session; so a code is good for one session, which lives for minutes and bears five
tries.
"""

from __future__ import annotations

import hmac

import msgspec

from forecourt.services.cognito import errors, messages
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, NewAddress, Visit
from forecourt.services.cognito.auth.kit import Kit, required
from forecourt.services.cognito.messenger import Errand
from forecourt.services.cognito.model import MfaPreference, User
from forecourt.services.cognito.users.attributes import refresh_aliases
from forecourt.store import Tx

TRIES = 5
DIGITS = {"SMS_MFA": 6, "EMAIL_OTP": 8, "SMS_OTP": 6}
_ATTRIBUTE = {"SMS_MFA": "phone_number", "SMS_OTP": "phone_number", "EMAIL_OTP": "email"}


async def ask(kit: Kit, visit: Visit, attempt: Attempt, user: User | None, name: str) -> Challenge:
    """Sends a code. To nobody, where there is no such user, but with the same answer."""
    attribute = _ATTRIBUTE[name]
    kit.threat.sending.count(visit.pool.id, user.key if user else attempt.username)
    code = kit.records.ids.digits(DIGITS[name])
    attempt = msgspec.structs.replace(attempt, code_hash=_hash(kit, visit, attempt, code))
    medium = "EMAIL" if attribute == "email" else "SMS"
    to = _address(kit, visit, attempt, user, attribute)
    # A user who may not sign in is answered as if he might, and gets no code.
    if user is not None and user.enabled:
        errand = Errand(source="Authentication", kind="Authentication", attribute=attribute, to=to, code=code)
        await kit.messenger.send(visit.occasion, user, errand)
    parameters = {
        "CODE_DELIVERY_DELIVERY_MEDIUM": medium,
        "CODE_DELIVERY_DESTINATION": messages.mask(medium, to),
        "USER_ID_FOR_SRP": user.username if user else attempt.username,
    }
    return kit.challenge(visit, attempt, name, parameters)


async def answer(kit: Kit, visit: Visit, attempt: Attempt, name: str) -> tuple[Attempt, User]:
    given = required(visit.parameters, f"{name}_CODE")
    user = await kit.user_of(attempt)
    kit.threat.check_lockout(visit.pool, attempt.user_key or attempt.username)
    await kit.records.count_attempt(attempt.id, attempt.expires_at, TRIES)
    right = hmac.compare_digest(attempt.code_hash, _hash(kit, visit, attempt, given))
    if not right or user is None:
        await kit.threat.failed(visit, attempt.user_key or attempt.username, user)
        raise errors.CodeMismatchException("Invalid code or auth state for the user.")
    kit.check_status(user)
    if attempt.new_address is not None:
        user = await _keep_address(kit, visit, user, attempt.new_address, name)
    return msgspec.structs.replace(attempt, passed=[*attempt.passed, name], code_hash=b"", new_address=None), user


async def _keep_address(kit: Kit, visit: Visit, user: User, address: NewAddress, factor: str) -> User:
    """The code of MFA_SETUP reached it: it is the user's, and his second factor."""

    def put(tx: Tx, current: User) -> None:
        named = {address.attribute: address.value, f"{address.attribute}_verified": "true"}
        current.attributes = {**current.attributes, **named}
        refresh_aliases(visit.pool, current)
        enabled = list(dict.fromkeys([*current.mfa.enabled, factor]))
        current.mfa = MfaPreference(enabled, current.mfa.preferred or factor)

    return (await kit.records.change_user(user, put))[0]


def _hash(kit: Kit, visit: Visit, attempt: Attempt, code: str) -> bytes:
    return kit.records.keyed_hash(visit.pool, "one-time-code", attempt.user_key, attempt.username, code)


def _address(kit: Kit, visit: Visit, attempt: Attempt, user: User | None, attribute: str) -> str:
    if user is not None:
        if not user.attributes.get(attribute):
            raise errors.InvalidParameterException(f"User does not have a {attribute} to send a code to.")
        return user.attributes[attribute]
    return made_up_address(kit, visit, attempt.username, attribute)


def made_up_address(kit: Kit, visit: Visit, username: str, attribute: str) -> str:
    """Where a code would have gone: shown masked, the same each time."""
    noise = kit.records.made_up(visit.pool, "address", username, 4)
    if attribute == "email":
        letters = [chr(ord("a") + byte % 26) for byte in noise]
        return f"{letters[0]}@{letters[1]}.com"
    return f"+1555555{int.from_bytes(noise, 'big') % 10000:04d}"
