"""ForgotPassword, ConfirmForgotPassword, ChangePassword."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.auth import migration
from forecourt.services.cognito.auth.attempt import Visit
from forecourt.services.cognito.auth.kit import Kit, names_of
from forecourt.services.cognito.auth.visits import visit_of
from forecourt.services.cognito.codes import Codes
from forecourt.services.cognito.messenger import Errand, recovery_attribute, recovery_attributes
from forecourt.services.cognito.model import Code, User
from forecourt.services.cognito.store import put_user
from forecourt.services.cognito.triggers import Occasion
from forecourt.services.cognito.users import sessions
from forecourt.services.cognito.users.attributes import mark_verified, refresh_aliases
from forecourt.services.cognito.users.bearer import Bearers
from forecourt.services.cognito.users.sign_up import SignUpApi
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

PURPOSE = "forgot-password"
_NOT_FOUND = "Username/client id combination not found."


class RecoveryApi:
    def __init__(self, kit: Kit, codes: Codes, bearers: Bearers, sign_up: SignUpApi) -> None:
        self._kit = kit
        self._codes = codes
        self._bearers = bearers
        self._sign_up = sign_up
        self._records = kit.records

    @operation("ForgotPassword")
    async def forgot_password(self, context: CallContext, request: t.ForgotPasswordRequestTypeDef) -> dict[str, Any]:
        visit = await visit_of(self._records, context, request)
        username = request["Username"]
        user = await self._records.find_user(visit.pool, username)
        self._kit.check_secret_hash(visit, request.get("SecretHash"), username, *names_of(user))
        return {"CodeDeliveryDetails": await self.forgot(visit, username, user)}

    async def forgot(self, visit: Visit, username: str, user: User | None) -> dict[str, str]:
        """Also what the hosted page does."""
        if user is None and self._kit.triggers.configured(visit.pool, "UserMigration"):
            user = await migration.by_forgotten_password(self._kit, visit, username)
        if user is None:
            return await self._pretend(visit, username)
        try:
            self._check_recoverable(user)
            attribute = recovery_attribute(visit.pool.settings, user)
        except (errors.InvalidParameterException, errors.NotAuthorizedException):
            if visit.hides_users:
                return await self._pretend(visit, username)
            raise
        self._kit.threat.record_unseen(visit, user, "ForgotPassword", "InProgress")
        return await self.send_code(visit.occasion, user, attribute)

    async def _pretend(self, visit: Visit, username: str) -> dict[str, str]:
        delivery = self._sign_up.made_up_delivery(visit, username, recovery_attributes(visit.pool.settings))
        await self._codes.pretend_to_issue(visit.pool, username, PURPOSE)
        return delivery

    async def send_code(self, occasion: Occasion, user: User, attribute: str) -> dict[str, str]:
        to = user.attributes[attribute]
        code = await self._codes.issue(occasion.pool, user.key, PURPOSE, f"{attribute}:{to}")
        errand = Errand(source="ForgotPassword", kind="ForgotPassword", attribute=attribute, to=to, code=code)
        return await self._kit.messenger.send(occasion, user, errand)

    @operation("ConfirmForgotPassword")
    async def confirm_forgot_password(
        self, context: CallContext, request: t.ConfirmForgotPasswordRequestTypeDef
    ) -> dict[str, Any]:
        visit = await visit_of(self._records, context, request)
        username = request["Username"]
        user = await self._records.find_user(visit.pool, username)
        self._kit.check_secret_hash(visit, request.get("SecretHash"), username, *names_of(user))
        await self.confirm(visit, username, user, request["ConfirmationCode"], request["Password"])
        return {}

    async def confirm(self, visit: Visit, username: str, user: User | None, given: str, password: str) -> None:
        """The code comes before all that is slow or looks at old passwords: without it nobody learns of them."""
        pool = visit.pool
        await self._kit.passwords.check_new(pool, password)
        compromised = await self._kit.threat.check_compromised(visit, password, "PASSWORD_CHANGE")
        if user is None:
            if not visit.hides_users:
                raise errors.UserNotFoundException(_NOT_FOUND)
            await self._codes.refuse(pool, username, PURPOSE, given)
        key = user.key
        await self._codes.check(pool, key, PURPOSE, given)
        await self._kit.passwords.check_new(pool, password, user)
        new = await self._kit.passwords.prepare(pool, user.username, password)

        def apply(tx: Tx, code: Code) -> User:
            current = tx.get(User, pool.id, key)
            if current is None:
                raise errors.user_not_found()
            self._kit.passwords.put(pool, current, new)
            if current.status in ("RESET_REQUIRED", "FORCE_CHANGE_PASSWORD"):
                current.status = "CONFIRMED"
            mark_verified(current, code.destination)
            refresh_aliases(pool, current)
            current.modified_at = self._records.clock.now()
            sessions.end_all(tx, current, self._records.clock.now())
            put_user(tx, current)
            return current

        changed = await self._codes.redeem(pool, key, PURPOSE, given, apply)
        self._kit.threat.succeeded(visit, changed)
        await self._kit.threat.record(visit, changed, "PasswordChange", compromised)
        await self._sign_up.post_confirmation(visit.occasion, changed, "PostConfirmation_ConfirmForgotPassword")

    @operation("ChangePassword")
    async def change_password(self, context: CallContext, request: t.ChangePasswordRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        pool, user = bearer.pool, bearer.user
        visit = Visit(
            occasion=Occasion(context=context, pool=pool, client_id=bearer.client.id),
            client=bearer.client,
            flow="",
            parameters={},
            ip=context.source_ip,
            user_agent=context.user_agent,
        )
        self._kit.threat.check_lockout(pool, user.key)
        if user.password_hash and not await self._kit.passwords.matches(user, request.get("PreviousPassword", "")):
            await self._kit.threat.failed(visit, user.key, user)
            raise errors.incorrect_credentials()
        password = request["ProposedPassword"]
        await self._kit.passwords.check_new(pool, password, user)
        compromised = await self._kit.threat.check_compromised(visit, password, "PASSWORD_CHANGE")
        new = await self._kit.passwords.prepare(pool, user.username, password)
        await self._records.change_user(user, lambda tx, current: self._kit.passwords.put(pool, current, new))
        await self._kit.threat.record(visit, user, "PasswordChange", compromised)
        return {}

    def _check_recoverable(self, user: User) -> None:
        if not user.enabled:
            raise errors.NotAuthorizedException("User is disabled.")
        if user.status == "UNCONFIRMED":
            raise errors.InvalidParameterException(
                "Cannot reset password for the user as there is no registered/verified email or phone_number"
            )
        if user.status == "FORCE_CHANGE_PASSWORD":
            raise errors.NotAuthorizedException("User password cannot be reset in the current state.")
