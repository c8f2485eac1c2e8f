"""The user migration trigger: a user whom we do not know yet comes over from another directory while he signs in or
forgets his password.

https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-migrate-user.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.cognito import errors, names, schema
from forecourt.services.cognito.auth.attempt import Visit
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.credentials import NewPassword
from forecourt.services.cognito.model import User
from forecourt.services.cognito.store import insert_user
from forecourt.services.cognito.triggers import flag, with_metadata
from forecourt.services.cognito.users.attributes import release_alias
from forecourt.store import Tx

_EMPTY = {
    "userAttributes": None,
    "finalUserStatus": None,
    "messageAction": None,
    "desiredDeliveryMediums": None,
    "forceAliasCreation": None,
    "enableSMSMFA": None,
}
_STATUSES = ("CONFIRMED", "RESET_REQUIRED")


async def by_password(kit: Kit, visit: Visit, username: str, password: str) -> User | None:
    """None where the function knows nobody of that name and password."""
    answer = await _ask(kit, visit, "UserMigration_Authentication", username, {"password": password})
    if answer is None:
        return None
    status = answer.get("finalUserStatus") or "RESET_REQUIRED"
    # The function has checked the password for us.
    new = await kit.passwords.prepare(visit.pool, username, password) if status == "CONFIRMED" else None
    return await _insert(kit, visit, username, answer, status, new)


async def by_forgotten_password(kit: Kit, visit: Visit, username: str) -> User | None:
    answer = await _ask(kit, visit, "UserMigration_ForgotPassword", username, {})
    return None if answer is None else await _insert(kit, visit, username, answer, "RESET_REQUIRED", None)


async def _ask(kit: Kit, visit: Visit, source: str, username: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
    occasion = visit.occasion
    asked = with_metadata(occasion, {**request, "validationData": dict(occasion.validation_data) or None})
    try:
        answer = await kit.triggers.fire(occasion, "UserMigration", source, username, asked, _EMPTY)
    except errors.UserLambdaValidationException:
        if visit.hides_users:
            return None
        raise _not_migrated(visit) from None
    return answer if answer.get("userAttributes") else None


def _not_migrated(visit: Visit) -> errors.UserNotFoundException:
    return errors.UserNotFoundException(f"Exception migrating user in app client {visit.client.id}")


async def _insert(
    kit: Kit, visit: Visit, username: str, answer: Mapping[str, Any], status: str, new: NewPassword | None
) -> User | None:
    """A user who can't be taken over as the function describes him is none."""
    pool = visit.pool
    attributes = {name: str(value) for name, value in answer["userAttributes"].items() if name != "username"}
    if status not in _STATUSES:
        raise errors.InvalidLambdaResponseException("Unrecognizable lambda output")
    force = flag(answer, "forceAliasCreation")
    schema.check_values(pool.schema, attributes)
    records = kit.records
    now, sub = records.clock.now(), records.ids.uuid()
    own_name = sub if names.check_new_username(pool.settings, username) else username
    user = User(
        pool_id=pool.id,
        key=names.fold(pool.settings, own_name),
        username=own_name,
        sub=sub,
        created_at=now,
        modified_at=now,
        attributes=attributes,
        status=status,
        aliases=names.aliases_of(pool.settings, attributes, True),
    )

    def insert(tx: Tx) -> None:
        if new is not None:
            kit.passwords.put(pool, user, new)
        if flag(answer, "enableSMSMFA"):
            user.mfa_options = [{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]
        if force:
            release_alias(tx, pool, user)
        insert_user(tx, user)

    try:
        await records.store.write(insert)
    except errors.AliasExistsException:
        if visit.hides_users:
            return None
        raise _not_migrated(visit) from None
    return user
