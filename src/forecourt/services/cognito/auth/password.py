"""USER_PASSWORD_AUTH and ADMIN_USER_PASSWORD_AUTH: the password itself, compared with its argon2id hash.

Whether there is such a user changes neither the wording nor the work. A user who does not exist may be migrated from
elsewhere by the pool's trigger, which only this flow can do: no other sees the password.
"""

from __future__ import annotations

from forecourt.services.cognito import errors
from forecourt.services.cognito.auth import migration
from forecourt.services.cognito.auth.attempt import Attempt, Visit
from forecourt.services.cognito.auth.kit import Kit, names_of, required
from forecourt.services.cognito.model import User
from forecourt.store import Tx


async def start(kit: Kit, visit: Visit) -> tuple[Attempt, User]:
    username = required(visit.parameters, "USERNAME")
    password = required(visit.parameters, "PASSWORD")
    user = await kit.records.find_user(visit.pool, username)
    kit.check_secret_hash(visit, visit.parameters.get("SECRET_HASH"), username, *names_of(user))
    return await verify(kit, visit, username, user, password)


async def verify(
    kit: Kit, visit: Visit, username: str, user: User | None, password: str, attempt: Attempt | None = None
) -> tuple[Attempt, User]:
    """The password of the user by this name. Raises, in the same time, where it is wrong or there is no such user."""
    kit.threat.check_lockout(visit.pool, user.key if user else username)
    if user is None and kit.triggers.configured(visit.pool, "UserMigration"):
        user = await migration.by_password(kit, visit, username, password)
    if user is None and not (visit.hides_users or visit.proven_by_aws):
        raise errors.user_not_found()
    await kit.pre_authentication(visit, username, user)
    if user is not None and user.status == "RESET_REQUIRED" and not user.password_hash:
        raise errors.PasswordResetRequiredException("Password reset required for the user")
    if not await kit.passwords.matches(user, password) or user is None:
        await kit.threat.failed(visit, user.key if user else username, user)
        if user is None and not visit.hides_users:
            raise errors.user_not_found()
        raise errors.incorrect_credentials()
    kit.check_status(user)
    compromised = await kit.threat.check_compromised(visit, password, "SIGN_IN", user)
    user = await _with_verifier(kit, visit, user, password)
    attempt = attempt or kit.new_attempt(visit, username, user)
    attempt.passed, attempt.compromised = [*attempt.passed, "PASSWORD"], compromised
    return attempt, user


async def _with_verifier(kit: Kit, visit: Visit, user: User, password: str) -> User:
    """A user who came before the pool had a client with SRP gets his verifier now that the password is known."""
    if user.srp_verifier or not await kit.passwords.uses_srp(visit.pool):
        return user
    verifier = await kit.passwords.verifier(visit.pool, user.username, password)
    checked = user.password_hash

    def put(tx: Tx, current: User) -> None:
        if current.password_hash == checked:
            current.srp_verifier = verifier

    return (await kit.records.change_user(user, put))[0]
