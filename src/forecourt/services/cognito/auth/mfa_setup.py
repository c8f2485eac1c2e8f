"""MFA_SETUP: a user who has no second factor, where the pool demands one, sets it up within the sign-in.

Either an authenticator app, whose first code VerifySoftwareToken saw; or an address: Amplify answers with `EMAIL`, and
we take `PHONE_NUMBER` alike. A code is sent to it. Until that code comes back the address waits in the session; then
it is the user's, verified, and his second factor. One that he has already is not replaced.
"""

from __future__ import annotations

import msgspec

from forecourt.services.cognito import errors, schema
from forecourt.services.cognito.auth import one_time_code, steps, totp
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, NewAddress, Visit
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.model import User

# The response -> the attribute, and the factor that it makes possible.
_ADDRESSES = {"EMAIL": ("email", "EMAIL_OTP"), "PHONE_NUMBER": ("phone_number", "SMS_MFA")}


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> Challenge | tuple[Attempt, User]:
    for response, (attribute, factor) in _ADDRESSES.items():
        if value := visit.parameters.get(response):
            return await _ask(kit, visit, attempt, NewAddress(attribute, value), factor)
    return await totp.answer_setup(kit, visit, attempt)


async def _ask(kit: Kit, visit: Visit, attempt: Attempt, address: NewAddress, factor: str) -> Challenge:
    user = await kit.known_user(attempt)
    if factor not in steps.factors_to_set_up(visit.pool):
        raise errors.InvalidParameterException(f"{factor} is not offered by the user pool.")
    if user.attributes.get(address.attribute, address.value) != address.value:
        raise errors.InvalidParameterException(f"The user has a {address.attribute} already.")
    schema.check_values(visit.pool.schema, {address.attribute: address.value})
    user.attributes = {**user.attributes, address.attribute: address.value}
    waiting = msgspec.structs.replace(attempt, new_address=address)
    return await one_time_code.ask(kit, visit, waiting, user, factor)
