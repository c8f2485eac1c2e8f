"""SignUp and its confirmation: by code, by link, by an administrator or by the pool's trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors, names, schema, sealed
from forecourt.services.cognito.auth import one_time_code
from forecourt.services.cognito.auth.attempt import Attempt, Visit
from forecourt.services.cognito.auth.kit import PURPOSE, Kit, names_of
from forecourt.services.cognito.auth.visits import visit_of
from forecourt.services.cognito.codes import Codes
from forecourt.services.cognito.credentials import allowed_flows
from forecourt.services.cognito.messenger import Errand, delivery_details, sign_up_attribute, sign_up_attributes
from forecourt.services.cognito.model import Code, Pool, User
from forecourt.services.cognito.store import insert_user, put_user
from forecourt.services.cognito.triggers import Occasion, flag, user_attributes, with_metadata
from forecourt.services.cognito.users.attributes import mark_verified, refresh_aliases, release_alias
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

PURPOSE_OF_CODE = "sign-up"
_NOT_FOUND = "Username/client id combination not found."
_PRE_SIGN_UP = {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False}


class SignUpApi:
    def __init__(self, kit: Kit, codes: Codes) -> None:
        self._kit = kit
        self._codes = codes
        self._records = kit.records

    @operation("SignUp")
    async def sign_up(self, context: CallContext, request: t.SignUpRequestTypeDef) -> dict[str, Any]:
        visit = await visit_of(self._records, context, request)
        self._kit.check_secret_hash(visit, request.get("SecretHash"), request["Username"])
        given = schema.as_mapping(request.get("UserAttributes", ()))
        validation = schema.as_mapping(request.get("ValidationData", ()))
        visit = msgspec.structs.replace(
            visit, occasion=msgspec.structs.replace(visit.occasion, validation_data=validation)
        )
        return await self.register(visit, request["Username"], request.get("Password"), given)

    async def register(
        self, visit: Visit, username: str, password: str | None, given: Mapping[str, str]
    ) -> dict[str, Any]:
        """Also what the hosted page does."""
        pool = visit.pool
        if pool.settings["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"]:
            raise errors.NotAuthorizedException("SignUp is not permitted for this user pool")
        user = self._draft(pool, username, given)
        self._check(visit, user, given, password)
        await self._check_free(pool, username, user)
        compromised = None
        if password:
            await self._kit.passwords.check_new(pool, password)
            compromised = await self._kit.threat.check_compromised(visit, password, "SIGN_UP")
        await self.pre_sign_up(visit.occasion, "PreSignUp_SignUp", user)
        new = await self._kit.passwords.prepare(pool, user.username, password) if password else None

        def insert(tx: Tx) -> None:
            if new is not None:
                self._kit.passwords.put(pool, user, new)
            insert_user(tx, user)

        await self._insert(pool, insert)
        await self._kit.threat.record(visit, user, "SignUp", compromised)
        if user.status == "CONFIRMED":
            await self.post_confirmation(visit.occasion, user)
            return {"UserConfirmed": True, "UserSub": user.sub, **self._session(visit, user)}
        delivery = await self._send(visit.occasion, user, "SignUp", "SignUp")
        return {
            "UserConfirmed": False,
            **({"CodeDeliveryDetails": delivery} if delivery else {}),
            "UserSub": user.sub,
            **self._session(visit, user),
        }

    @operation("ConfirmSignUp")
    async def confirm_sign_up(self, context: CallContext, request: t.ConfirmSignUpRequestTypeDef) -> dict[str, Any]:
        visit = await visit_of(self._records, context, request)
        username = request["Username"]
        user = await self._records.find_user(visit.pool, username)
        self._kit.check_secret_hash(visit, request.get("SecretHash"), username, *names_of(user))
        force = bool(request.get("ForceAliasCreation"))
        user = await self.confirm(visit, username, user, request["ConfirmationCode"], force)
        return self._session(visit, user)

    async def confirm(self, visit: Visit, username: str, user: User | None, given: str, force: bool = False) -> User:
        """Also what the hosted page and the link do."""
        pool = visit.pool
        if user is None:
            if not visit.hides_users:
                raise errors.UserNotFoundException(_NOT_FOUND)
            await self._codes.refuse(pool, username, PURPOSE_OF_CODE, given)
        if user.status != "UNCONFIRMED":
            raise errors.NotAuthorizedException(f"User cannot be confirmed. Current status is {user.status}")
        key = user.key

        def apply(tx: Tx, code: Code) -> User:
            current = tx.get(User, pool.id, key)
            if current is None or current.status != "UNCONFIRMED":
                raise errors.NotAuthorizedException("User cannot be confirmed.")
            current.status = "CONFIRMED"
            current.modified_at = self._records.clock.now()
            mark_verified(current, code.destination)
            refresh_aliases(pool, current)
            if force:
                release_alias(tx, pool, current)
            put_user(tx, current)
            return current

        confirmed = await self._codes.redeem(pool, key, PURPOSE_OF_CODE, given, apply)
        await self.post_confirmation(visit.occasion, confirmed)
        return confirmed

    @operation("ResendConfirmationCode")
    async def resend_confirmation_code(
        self, context: CallContext, request: t.ResendConfirmationCodeRequestTypeDef
    ) -> dict[str, Any]:
        visit = await visit_of(self._records, context, request)
        username = request["Username"]
        user = await self._records.find_user(visit.pool, username)
        self._kit.check_secret_hash(visit, request.get("SecretHash"), username, *names_of(user))
        return {"CodeDeliveryDetails": await self.resend(visit, username, user)}

    async def resend(self, visit: Visit, username: str, user: User | None) -> dict[str, str]:
        attributes = sign_up_attributes(visit.pool.settings)
        if visit.hides_users and not attributes:
            raise _nothing_to_verify()
        if user is None or (user.status != "UNCONFIRMED" and visit.hides_users):
            return await self._pretend_to_send(visit, username, attributes)
        if user.status != "UNCONFIRMED":
            raise errors.InvalidParameterException("User is already confirmed.")
        self._kit.threat.record_unseen(visit, user, "ResendCode", "Pass")
        delivery = await self._send(visit.occasion, user, "Resend", "ResendCode")
        if delivery is None and visit.hides_users:
            return await self._pretend_to_send(visit, username, attributes)
        if delivery is None:
            raise _nothing_to_verify()
        return delivery

    async def _pretend_to_send(self, visit: Visit, username: str, attributes: Sequence[str]) -> dict[str, str]:
        made_up = self.made_up_delivery(visit, username, attributes)
        await self._codes.pretend_to_issue(visit.pool, username, PURPOSE_OF_CODE)
        return made_up

    def made_up_delivery(self, visit: Visit, username: str, attributes: Sequence[str]) -> dict[str, str]:
        """What is shown where nobody may know that there is no such user: as somebody's, who has all `attributes`."""
        if not visit.hides_users:
            raise errors.UserNotFoundException(_NOT_FOUND)
        own = "phone_number" if names.is_phone(username) else "email" if names.is_email(username) else ""
        reached = [name for name in attributes if name == "email" or "SmsConfiguration" in visit.pool.settings]
        attribute = own if own in attributes else (*reached, "email")[0]
        known = username if own == attribute else ""
        to = known or one_time_code.made_up_address(self._kit, visit, username, attribute)
        return delivery_details(attribute, to)

    @operation("AdminConfirmSignUp")
    async def admin_confirm_sign_up(
        self, context: CallContext, request: t.AdminConfirmSignUpRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        user = await self._records.user(pool, request["Username"])
        occasion = Occasion(context=context, pool=pool, metadata=request.get("ClientMetadata", {}))

        def apply(tx: Tx, current: User) -> None:
            if current.status != "UNCONFIRMED":
                raise errors.NotAuthorizedException(f"User cannot be confirmed. Current status is {current.status}")
            current.status = "CONFIRMED"
            refresh_aliases(pool, current)

        confirmed, _ = await self._records.change_user(user, apply)
        await self.post_confirmation(occasion, confirmed)
        return {}

    async def pre_sign_up(self, occasion: Occasion, source: str, user: User) -> None:
        """The trigger may confirm the user and declare his addresses verified."""
        request = with_metadata(
            occasion,
            {"userAttributes": dict(user.attributes), "validationData": dict(occasion.validation_data) or None},
        )
        answer = await self._kit.triggers.fire(occasion, "PreSignUp", source, user.username, request, _PRE_SIGN_UP)
        for name, attribute in (("autoVerifyEmail", "email"), ("autoVerifyPhone", "phone_number")):
            if flag(answer, name) and attribute in user.attributes:
                user.attributes[f"{attribute}_verified"] = "true"
        if flag(answer, "autoConfirmUser") and source == "PreSignUp_SignUp":
            user.status = "CONFIRMED"
        refresh_aliases(occasion.pool, user)

    async def post_confirmation(
        self, occasion: Occasion, user: User, source: str = "PostConfirmation_ConfirmSignUp"
    ) -> None:
        request = with_metadata(occasion, {"userAttributes": user_attributes(user)})
        await self._kit.triggers.fire(occasion, "PostConfirmation", source, user.username, request, {})

    def _draft(self, pool: Pool, username: str, given: Mapping[str, str]) -> User:
        return draft_user(self._kit, pool, username, given)

    def _check(self, visit: Visit, user: User, given: Mapping[str, str], password: str | None) -> None:
        pool = visit.pool
        schema.check_writable(pool.schema, visit.client.settings, given)
        schema.check_values(pool.schema, given)
        schema.check_required(pool.schema, user.attributes)
        names.check_preferred_username(pool.settings, given)
        policy = pool.settings["Policies"].get("SignInPolicy", {}).get("AllowedFirstAuthFactors", ["PASSWORD"])
        if not password and set(policy) <= {"PASSWORD"}:
            raise errors.InvalidParameterException("Password is required for this user pool.")

    async def _check_free(self, pool: Pool, username: str, user: User) -> None:
        """Before any work is done and any function asked; the transaction checks again."""
        if await self._records.user_by_key(pool.id, user.key) is not None:
            raise errors.UsernameExistsException("User already exists")
        if user.username != username and await self._records.find_user(pool, username) is not None:
            raise _alias_taken(username)

    async def _insert(self, pool: Pool, insert: Any) -> None:
        try:
            await self._records.store.write(insert)
        except errors.AliasExistsException as error:
            if pool.settings.get("UsernameAttributes"):
                raise errors.UsernameExistsException(error.message) from None
            raise

    async def _send(self, occasion: Occasion, user: User, kind: Any, source: str) -> dict[str, str] | None:
        attribute = sign_up_attribute(occasion.pool.settings, user.attributes)
        if not attribute:
            return None
        to = user.attributes[attribute]
        code = await self._codes.issue(occasion.pool, user.key, PURPOSE_OF_CODE, f"{attribute}:{to}")
        errand = Errand(source=source, kind=kind, attribute=attribute, to=to, code=code)
        return await self._kit.messenger.send(occasion, user, errand)

    def _session(self, visit: Visit, user: User) -> dict[str, str]:
        """A client of USER_AUTH may go on from here and sign in without asking again."""
        if "ALLOW_USER_AUTH" not in allowed_flows(visit.client.settings):
            return {}
        attempt: Attempt = self._kit.new_attempt(visit, user.username, user)
        attempt.challenges = ["SIGN_UP_CONFIRMED" if user.status == "CONFIRMED" else "SIGN_UP"]
        return {"Session": sealed.seal_text(self._records.sealer, PURPOSE, attempt)}


def draft_user(kit: Kit, pool: Pool, username: str, given: Mapping[str, str]) -> User:
    """A new user, not yet kept. In a pool of addresses the username becomes a UUID, the address an attribute."""
    kind = names.check_new_username(pool.settings, username)
    now, sub = kit.records.clock.now(), kit.records.ids.uuid()
    own_name = sub if kind else username
    attributes = {name: value for name, value in given.items() if value != ""}
    if kind and attributes.setdefault(kind, username) != username:
        raise errors.InvalidParameterException(f"The {kind} attribute must match the username.")
    user = User(
        pool_id=pool.id,
        key=names.fold(pool.settings, own_name),
        username=own_name,
        sub=sub,
        created_at=now,
        modified_at=now,
        attributes=attributes,
    )
    refresh_aliases(pool, user)
    return user


def _nothing_to_verify() -> errors.InvalidParameterException:
    return errors.InvalidParameterException("Cannot resend codes. Auto verification not turned on.")


def _alias_taken(username: str) -> errors.UsernameExistsException:
    kind = "phone_number" if names.is_phone(username) else "email"
    return errors.UsernameExistsException(f"An account with the given {kind} already exists.")
