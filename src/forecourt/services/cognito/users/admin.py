"""What administrators do with users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors, passwords, schema
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.messenger import Errand, recovery_attribute
from forecourt.services.cognito.model import MfaPreference, Pool, User
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.store import insert_user
from forecourt.services.cognito.triggers import Occasion
from forecourt.services.cognito.users import listing, mfa, sessions
from forecourt.services.cognito.users.attributes import Attributes, release_alias
from forecourt.services.cognito.users.devices import Devices
from forecourt.services.cognito.users.recovery import RecoveryApi
from forecourt.services.cognito.users.shown import admin_view, shown_user
from forecourt.services.cognito.users.sign_up import SignUpApi, draft_user
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_ATTRIBUTE_OF = {"EMAIL": "email", "SMS": "phone_number"}


class AdminUsersApi:
    def __init__(
        self, kit: Kit, attributes: Attributes, devices: Devices, sign_up: SignUpApi, recovery: RecoveryApi
    ) -> None:
        self._kit = kit
        self._records = kit.records
        self._attributes = attributes
        self._devices = devices
        self._sign_up = sign_up
        self._recovery = recovery

    @operation("AdminCreateUser")
    async def admin_create_user(self, context: CallContext, request: t.AdminCreateUserRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        occasion = Occasion(
            context=context,
            pool=pool,
            metadata=request.get("ClientMetadata", {}),
            validation_data=schema.as_mapping(request.get("ValidationData", ())),
        )
        if request.get("MessageAction") == "RESEND":
            return await self._reinvite(occasion, request)
        given = schema.as_mapping(request.get("UserAttributes", ()))
        schema.check_values(pool.schema, given)
        user = draft_user(self._kit, pool, request["Username"], given)
        if await self._records.user_by_key(pool.id, user.key) is not None:
            raise errors.UsernameExistsException("User account already exists")
        password = self._first_password(pool, request)
        if password:
            passwords.check(pool.password_policy, password)
        user.status = "FORCE_CHANGE_PASSWORD" if password else "CONFIRMED"
        await self._sign_up.pre_sign_up(occasion, "PreSignUp_AdminCreateUser", user)
        new = await self._kit.passwords.prepare(pool, user.username, password) if password else None

        def insert(tx: Tx) -> None:
            if new is not None:
                self._kit.passwords.put(pool, user, new, temporary=True)
            if request.get("ForceAliasCreation"):
                release_alias(tx, pool, user)
            insert_user(tx, user)

        try:
            await self._records.store.write(insert)
        except errors.AliasExistsException as error:
            raise errors.UsernameExistsException(error.message) from None
        if request.get("MessageAction") != "SUPPRESS" and password:
            await self._invite(occasion, user, password, request)
        return {"User": shown_user(user)}

    @operation("AdminGetUser")
    async def admin_get_user(self, context: CallContext, request: t.AdminGetUserRequestTypeDef) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        return admin_view(pool, user)

    @operation("ListUsers")
    async def list_users(self, context: CallContext, request: t.ListUsersRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        wanted = request.get("AttributesToGet")
        known = {attribute["Name"] for attribute in pool.schema}
        if wanted is not None and not set(wanted) <= known:
            raise errors.InvalidParameterException("One or more requested attributes do not exist in user pool.")
        found, token = await listing.users(
            self._records.store,
            pool,
            request.get("Filter", ""),
            request.get("PaginationToken"),
            request.get("Limit"),
        )
        return paging.with_token({"Users": [shown_user(user, wanted) for user in found]}, "PaginationToken", token)

    @operation("AdminDeleteUser")
    async def admin_delete_user(self, context: CallContext, request: t.AdminDeleteUserRequestTypeDef) -> dict[str, Any]:
        _, user = await self._user(context, request)
        await self._records.delete_user(user)
        return {}

    @operation("AdminEnableUser")
    async def admin_enable_user(self, context: CallContext, request: t.AdminEnableUserRequestTypeDef) -> dict[str, Any]:
        return await self._enable(context, request, True)

    @operation("AdminDisableUser")
    async def admin_disable_user(
        self, context: CallContext, request: t.AdminDisableUserRequestTypeDef
    ) -> dict[str, Any]:
        return await self._enable(context, request, False)

    @operation("AdminUpdateUserAttributes")
    async def admin_update_user_attributes(
        self, context: CallContext, request: t.AdminUpdateUserAttributesRequestTypeDef
    ) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        occasion = Occasion(context=context, pool=pool, metadata=request.get("ClientMetadata", {}))
        await self._attributes.write_as_admin(occasion, user, schema.as_mapping(request["UserAttributes"]))
        return {}

    @operation("AdminDeleteUserAttributes")
    async def admin_delete_user_attributes(
        self, context: CallContext, request: t.AdminDeleteUserAttributesRequestTypeDef
    ) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        await self._attributes.delete(pool, user, request["UserAttributeNames"])
        return {}

    @operation("AdminSetUserPassword")
    async def admin_set_user_password(
        self, context: CallContext, request: t.AdminSetUserPasswordRequestTypeDef
    ) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        permanent = bool(request.get("Permanent", False))
        await self._kit.passwords.check_new(pool, request["Password"], user)
        new = await self._kit.passwords.prepare(pool, user.username, request["Password"])

        def put(tx: Tx, current: User) -> None:
            self._kit.passwords.put(pool, current, new, temporary=not permanent)
            current.status = "CONFIRMED" if permanent else "FORCE_CHANGE_PASSWORD"

        await self._records.change_user(user, put)
        self._kit.threat.lockout.succeeded(pool.id, user.key.lower())
        return {}

    @operation("AdminResetUserPassword")
    async def admin_reset_user_password(
        self, context: CallContext, request: t.AdminResetUserPasswordRequestTypeDef
    ) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        if user.status not in ("CONFIRMED", "RESET_REQUIRED"):
            raise errors.NotAuthorizedException("User password cannot be reset in the current state.")
        attribute = recovery_attribute(pool.settings, user)

        def put(tx: Tx, current: User) -> None:
            current.status = "RESET_REQUIRED"
            sessions.end_all(tx, current, self._records.clock.now())

        current, _ = await self._records.change_user(user, put)
        occasion = Occasion(context=context, pool=pool, metadata=request.get("ClientMetadata", {}))
        await self._recovery.send_code(occasion, current, attribute)
        return {}

    @operation("AdminUserGlobalSignOut")
    async def admin_user_global_sign_out(
        self, context: CallContext, request: t.AdminUserGlobalSignOutRequestTypeDef
    ) -> dict[str, Any]:
        _, user = await self._user(context, request)
        await sessions.sign_out_everywhere(self._records, user)
        return {}

    @operation("AdminSetUserMFAPreference")
    async def admin_set_user_mfa_preference(
        self, context: CallContext, request: t.AdminSetUserMFAPreferenceRequestTypeDef
    ) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        await mfa.set_preference(self._records, pool, user, request)
        return {}

    @operation("AdminSetUserSettings")
    async def admin_set_user_settings(
        self, context: CallContext, request: t.AdminSetUserSettingsRequestTypeDef
    ) -> dict[str, Any]:
        _, user = await self._user(context, request)
        await set_options(self._kit, user, request["MFAOptions"])
        return {}

    @operation("AdminDeleteSoftwareToken")
    async def admin_delete_software_token(self, context: CallContext, request: Any) -> dict[str, Any]:
        _, user = await self._user(context, request)

        def put(tx: Tx, current: User) -> None:
            current.totp = None
            enabled = [factor for factor in current.mfa.enabled if factor != "SOFTWARE_TOKEN_MFA"]
            preferred = "" if current.mfa.preferred == "SOFTWARE_TOKEN_MFA" else current.mfa.preferred
            current.mfa = MfaPreference(enabled, preferred)

        await self._records.change_user(user, put)
        return {}

    @operation("AdminGetUserAuthFactors")
    async def admin_get_user_auth_factors(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        return await mfa.auth_factors(self._records, pool, user)

    @operation("AdminListDevices")
    async def admin_list_devices(
        self, context: CallContext, request: t.AdminListDevicesRequestTypeDef
    ) -> dict[str, Any]:
        _, user = await self._user(context, request)
        return await self._devices.list(user, request.get("PaginationToken"), request.get("Limit"))

    @operation("AdminGetDevice")
    async def admin_get_device(self, context: CallContext, request: t.AdminGetDeviceRequestTypeDef) -> dict[str, Any]:
        _, user = await self._user(context, request)
        return await self._devices.get(user, request["DeviceKey"])

    @operation("AdminForgetDevice")
    async def admin_forget_device(
        self, context: CallContext, request: t.AdminForgetDeviceRequestTypeDef
    ) -> dict[str, Any]:
        _, user = await self._user(context, request)
        await self._devices.forget(user, request["DeviceKey"])
        return {}

    @operation("AdminUpdateDeviceStatus")
    async def admin_update_device_status(
        self, context: CallContext, request: t.AdminUpdateDeviceStatusRequestTypeDef
    ) -> dict[str, Any]:
        _, user = await self._user(context, request)
        await self._devices.set_status(user, request["DeviceKey"], request.get("DeviceRememberedStatus", ""))
        return {}

    @operation("AdminListUserSessions")
    async def admin_list_user_sessions(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        return {"Sessions": await sessions.listed(self._records, pool, user)}

    @operation("AdminRevokeUserSession")
    async def admin_revoke_user_session(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool, user = await self._user(context, request)
        await sessions.revoke_one(self._records, pool, user, request)
        return {}

    async def _user(self, context: CallContext, request: Mapping[str, Any]) -> tuple[Pool, User]:
        pool = await self._records.pool(context, request["UserPoolId"])
        return pool, await self._records.user(pool, request["Username"])

    async def _enable(self, context: CallContext, request: Mapping[str, Any], enabled: bool) -> dict[str, Any]:
        _, user = await self._user(context, request)

        def put(tx: Tx, current: User) -> None:
            current.enabled = enabled
            if not enabled:
                sessions.end_all(tx, current, self._records.clock.now())

        await self._records.change_user(user, put)
        return {}

    def _first_password(self, pool: Pool, request: Mapping[str, Any]) -> str:
        """None where the pool lets people in without one and the administrator gave none."""
        policy = pool.settings["Policies"].get("SignInPolicy", {}).get("AllowedFirstAuthFactors", ["PASSWORD"])
        if request.get("TemporaryPassword"):
            return str(request["TemporaryPassword"])
        return "" if set(policy) - {"PASSWORD"} else passwords.temporary(pool.password_policy, self._records.ids)

    async def _reinvite(self, occasion: Occasion, request: Mapping[str, Any]) -> dict[str, Any]:
        pool = occasion.pool
        user = await self._records.user(pool, request["Username"])
        if user.status != "FORCE_CHANGE_PASSWORD":
            raise errors.UnsupportedUserStateException("Resend not possible. User status is not FORCE_CHANGE_PASSWORD")
        password = request.get("TemporaryPassword") or passwords.temporary(pool.password_policy, self._records.ids)
        passwords.check(pool.password_policy, password)
        new = await self._kit.passwords.prepare(pool, user.username, password)
        user, _ = await self._records.change_user(
            user, lambda tx, current: self._kit.passwords.put(pool, current, new, temporary=True)
        )
        await self._invite(occasion, user, password, request)
        return {"User": shown_user(user)}

    async def _invite(self, occasion: Occasion, user: User, password: str, request: Mapping[str, Any]) -> None:
        """By the media that were asked for; otherwise by text message, or by mail where there is no number."""
        wanted = request.get("DesiredDeliveryMediums")
        mediums = wanted or (["SMS"] if "phone_number" in user.attributes else ["EMAIL"])
        for medium in mediums:
            attribute = _ATTRIBUTE_OF[medium]
            if to := user.attributes.get(attribute):
                errand = Errand(source="AdminCreateUser", kind="Invite", attribute=attribute, to=to, code=password)
                await self._kit.messenger.send(occasion, user, errand)


async def set_options(kit: Kit, user: User, options: Any) -> None:
    """The old way to turn on SMS as a second factor."""
    if any(option.get("DeliveryMedium") != "SMS" for option in options):
        raise errors.InvalidParameterException("MFAOptions supports SMS only.")

    def put(tx: Tx, current: User) -> None:
        current.mfa_options = [dict(option) for option in options]

    await kit.records.change_user(user, put)
