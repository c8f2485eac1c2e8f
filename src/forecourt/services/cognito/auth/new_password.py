"""NEW_PASSWORD_REQUIRED: an administrator's temporary password is replaced, and missing attributes are given."""

from __future__ import annotations

import msgspec

from forecourt.services.cognito import errors, names, schema
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Visit
from forecourt.services.cognito.auth.kit import Kit, required
from forecourt.services.cognito.model import User
from forecourt.services.cognito.store import spend
from forecourt.store import Tx

_PREFIX = "userAttributes."


def ask(kit: Kit, visit: Visit, attempt: Attempt, user: User) -> Challenge:
    readable = schema.readable(visit.pool.schema, visit.client.settings)
    attributes = {name: value for name, value in user.attributes.items() if name in readable}
    missing = [
        _PREFIX + attribute["Name"]
        for attribute in visit.pool.schema
        if attribute["Required"] and attribute["Name"] != "sub" and not user.attributes.get(attribute["Name"])
    ]
    parameters = {
        "USER_ID_FOR_SRP": user.username,
        "requiredAttributes": msgspec.json.encode(missing).decode(),
        "userAttributes": msgspec.json.encode(attributes).decode(),
    }
    return kit.challenge(visit, attempt, "NEW_PASSWORD_REQUIRED", parameters)


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[Attempt, User]:
    password = required(visit.parameters, "NEW_PASSWORD")
    pool = visit.pool
    user = await kit.known_user(attempt)
    given = {name.removeprefix(_PREFIX): value for name, value in visit.parameters.items() if name.startswith(_PREFIX)}
    # Clients send back what we showed them; only what differs is written.
    given = {name: value for name, value in given.items() if user.attributes.get(name) != value}
    schema.check_writable(pool.schema, visit.client.settings, given)
    schema.check_values(pool.schema, given)
    schema.check_mutable(pool.schema, given, user.attributes)
    schema.check_required(pool.schema, {**user.attributes, **given})
    await kit.passwords.check_new(pool, password, user)
    await kit.threat.check_compromised(visit, password, "PASSWORD_CHANGE")
    new = await kit.passwords.prepare(pool, user.username, password)

    def put(tx: Tx, current: User) -> None:
        spend(tx, attempt.id, attempt.expires_at)
        if current.status != "FORCE_CHANGE_PASSWORD":
            raise errors.invalid_session()
        kit.passwords.put(pool, current, new)
        current.attributes = {**current.attributes, **given}
        current.status = "CONFIRMED"
        current.aliases = names.aliases_of(pool.settings, current.attributes, True)

    user, _ = await kit.records.change_user(user, put)
    return msgspec.structs.replace(attempt, new_password_set=True, unspent=""), user
