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
from forecourt.services.cognito.triggers import Occasion, with_metadata
from forecourt.store import Tx

_EMPTY = {
    "userAttributes": None,
    "finalUserStatus": None,
    "messageAction": None,
    "desiredDeliveryMediums": None,
    "forceAliasCreation": None,
}
_STATUSES = ("CONFIRMED", "RESET_REQUIRED")


async def by_password(kit: Kit, visit: Visit, username: str, password: str) -> User | None:
    answer = await _ask(kit, visit.occasion, "UserMigration_Authentication", username, {"password": password})
    if answer is None:
        return None
    status = answer.get("finalUserStatus") or "RESET_REQUIRED"
    # The function has checked the password for us.
    new = await kit.passwords.prepare(visit.pool, username, password) if status == "CONFIRMED" else None
    return await _insert(kit, visit.occasion, username, answer, status, new)


async def by_forgotten_password(kit: Kit, occasion: Occasion, username: str) -> User | None:
    answer = await _ask(kit, occasion, "UserMigration_ForgotPassword", username, {})
    return None if answer is None else await _insert(kit, occasion, username, answer, "RESET_REQUIRED", None)


async def _ask(
    kit: Kit, occasion: Occasion, source: str, username: str, request: Mapping[str, Any]
) -> dict[str, Any] | None:
    asked = with_metadata(occasion, {**request, "validationData": dict(occasion.validation_data) or None})
    try:
        answer = await kit.triggers.fire(occasion, "UserMigration", source, username, asked, _EMPTY)
    except errors.UserLambdaValidationException:
        return None
    return answer if answer.get("userAttributes") else None


async def _insert(
    kit: Kit, occasion: Occasion, username: str, answer: Mapping[str, Any], status: str, new: NewPassword | None
) -> User:
    pool = occasion.pool
    attributes = {name: str(value) for name, value in answer["userAttributes"].items() if name != "username"}
    if status not in _STATUSES:
        raise errors.InvalidLambdaResponseException("Unrecognizable lambda output")
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
        insert_user(tx, user)

    await records.store.write(insert)
    return user
