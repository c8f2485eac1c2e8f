"""What a signed-in user does with his own account, by his access token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors, schema, sealed, totp
from forecourt.services.cognito.auth import flow
from forecourt.services.cognito.auth.attempt import Attempt
from forecourt.services.cognito.auth.kit import PURPOSE, Kit
from forecourt.services.cognito.auth.totp import SEED_PURPOSE, verify_first_code
from forecourt.services.cognito.model import Pending, Pool, Totp, User
from forecourt.services.cognito.store import spend
from forecourt.services.cognito.triggers import Occasion
from forecourt.services.cognito.users import mfa, sessions
from forecourt.services.cognito.users.admin import set_options
from forecourt.services.cognito.users.attributes import Attributes
from forecourt.services.cognito.users.bearer import Bearer, Bearers
from forecourt.services.cognito.users.devices import Devices
from forecourt.services.cognito.users.shown import own_view
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_TRIES = 5


class OwnAccountApi:
    def __init__(self, kit: Kit, bearers: Bearers, attributes: Attributes, devices: Devices) -> None:
        self._kit = kit
        self._records = kit.records
        self._bearers = bearers
        self._attributes = attributes
        self._devices = devices

    @operation("GetUser")
    async def get_user(self, context: CallContext, request: t.GetUserRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        return own_view(bearer.user, schema.readable(bearer.pool.schema, bearer.client.settings))

    @operation("UpdateUserAttributes")
    async def update_user_attributes(
        self, context: CallContext, request: t.UpdateUserAttributesRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        given = schema.as_mapping(request["UserAttributes"])
        details = await self._attributes.write_as_user(
            _occasion(context, bearer, request), bearer.client.settings, bearer.user, given
        )
        return {"CodeDeliveryDetailsList": details}

    @operation("DeleteUserAttributes")
    async def delete_user_attributes(
        self, context: CallContext, request: t.DeleteUserAttributesRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        schema.check_writable(bearer.pool.schema, bearer.client.settings, request["UserAttributeNames"])
        await self._attributes.delete(bearer.pool, bearer.user, request["UserAttributeNames"])
        return {}

    @operation("DeleteUser")
    async def delete_user(self, context: CallContext, request: t.DeleteUserRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        await self._records.delete_user(bearer.user)
        return {}

    @operation("GetUserAttributeVerificationCode")
    async def get_user_attribute_verification_code(
        self, context: CallContext, request: t.GetUserAttributeVerificationCodeRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        attribute = request["AttributeName"]
        if attribute not in ("email", "phone_number"):
            raise errors.InvalidParameterException("Only email and phone_number can be verified.")
        details = await self._attributes.send_code(
            _occasion(context, bearer, request), bearer.user, attribute, "VerifyUserAttribute"
        )
        return {"CodeDeliveryDetails": details}

    @operation("VerifyUserAttribute")
    async def verify_user_attribute(
        self, context: CallContext, request: t.VerifyUserAttributeRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        await self._attributes.verify(bearer.pool, bearer.user, request["AttributeName"], request["Code"])
        return {}

    @operation("GlobalSignOut")
    async def global_sign_out(self, context: CallContext, request: t.GlobalSignOutRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.still_there(request["AccessToken"])
        await sessions.sign_out_everywhere(self._records, bearer.user)
        return {}

    @operation("ListUserSessions")
    async def list_user_sessions(self, context: CallContext, request: Any) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        return {"Sessions": await sessions.listed(self._records, bearer.pool, bearer.user, bearer.session)}

    @operation("RevokeUserSession")
    async def revoke_user_session(self, context: CallContext, request: Any) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        await sessions.revoke_one(self._records, bearer.pool, bearer.user, request, bearer.session)
        return {}

    # MFA --------------------------------------------------------------------------------------------------------

    @operation("SetUserMFAPreference")
    async def set_user_mfa_preference(
        self, context: CallContext, request: t.SetUserMFAPreferenceRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        await mfa.set_preference(self._records, bearer.pool, bearer.user, request, mfa.NOT_VERIFIED)
        return {}

    @operation("SetUserSettings")
    async def set_user_settings(self, context: CallContext, request: t.SetUserSettingsRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        await set_options(self._kit, bearer.user, request["MFAOptions"])
        return {}

    @operation("GetUserAuthFactors")
    async def get_user_auth_factors(
        self, context: CallContext, request: t.GetUserAuthFactorsRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        return await mfa.auth_factors(self._records, bearer.pool, bearer.user)

    @operation("AssociateSoftwareToken")
    async def associate_software_token(
        self, context: CallContext, request: t.AssociateSoftwareTokenRequestTypeDef
    ) -> dict[str, Any]:
        """Within MFA_SETUP by the session, which then carries the seed; otherwise by the access token."""
        seed = self._records.ids.bytes(totp.SEED_BYTES)
        if session := request.get("Session"):
            attempt = await self._setup_attempt(session)
            _check_app_allowed(await self._records.find_pool(attempt.pool_id))
            attempt = msgspec.structs.replace(
                attempt, id=self._records.ids.uuid(), seed=seed, seed_verified=False, unspent=""
            )
            return {"SecretCode": totp.encode_seed(seed), "Session": self._seal(attempt)}
        if not request.get("AccessToken"):
            raise errors.InvalidParameterException("Either AccessToken or Session is required.")
        bearer = await self._bearers.still_there(request["AccessToken"])
        _check_app_allowed(bearer.pool)
        pending = Pending(
            id=_pending_id(bearer.user),
            expires_at=self._records.clock.now() + 3600,
            body=self._records.sealer.seal(seed, SEED_PURPOSE),
        )
        await self._records.store.write(lambda tx: tx.put(pending))
        return {"SecretCode": totp.encode_seed(seed)}

    @operation("VerifySoftwareToken")
    async def verify_software_token(
        self, context: CallContext, request: t.VerifySoftwareTokenRequestTypeDef
    ) -> dict[str, Any]:
        name = request.get("FriendlyDeviceName", "")
        if session := request.get("Session"):
            attempt = await self._setup_attempt(session)
            if not attempt.seed:
                raise errors.SoftwareTokenMFANotFoundException("Software Token MFA is not associated for the user.")
            await self._records.count_attempt(attempt.id, attempt.expires_at, _TRIES)
            step = verify_first_code(self._kit, attempt.seed, request["UserCode"])
            await self._records.store.write(lambda tx: spend(tx, attempt.id, attempt.expires_at))
            verified = msgspec.structs.replace(
                attempt,
                id=self._records.ids.uuid(),
                seed_verified=True,
                seed_name=name,
                totp_step=step,
                unspent="",
            )
            return {"Status": "SUCCESS", "Session": self._seal(verified)}
        if not request.get("AccessToken"):
            raise errors.InvalidParameterException("Either AccessToken or Session is required.")
        bearer = await self._bearers.bearer(request["AccessToken"])
        await self._verify_pending(bearer.user, request["UserCode"], name)
        return {"Status": "SUCCESS"}

    async def _verify_pending(self, user: User, code: str, name: str) -> None:
        pending = await self._records.store.get(Pending, _pending_id(user))
        if pending is None or not pending.body or pending.expires_at <= self._records.clock.now():
            raise errors.SoftwareTokenMFANotFoundException("Software Token MFA is not associated for the user.")
        await self._records.count_attempt(pending.id, pending.expires_at, _TRIES)
        step = verify_first_code(self._kit, self._records.sealer.open(pending.body, SEED_PURPOSE), code)
        sealed_seed = pending.body

        def put(tx: Tx, current: User) -> None:
            current.totp = Totp(sealed=sealed_seed, last_step=step, device_name=name)
            tx.delete(Pending, pending.id)

        await self._records.change_user(user, put)

    # Devices ----------------------------------------------------------------------------------------------------

    @operation("ConfirmDevice")
    async def confirm_device(self, context: CallContext, request: t.ConfirmDeviceRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        return await self._devices.confirm(bearer.pool, bearer.user, request["DeviceKey"], request)

    @operation("GetDevice")
    async def get_device(self, context: CallContext, request: t.GetDeviceRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request.get("AccessToken", ""))
        return await self._devices.get(bearer.user, request["DeviceKey"])

    @operation("ListDevices")
    async def list_devices(self, context: CallContext, request: t.ListDevicesRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        return await self._devices.list(bearer.user, request.get("PaginationToken"), request.get("Limit"))

    @operation("UpdateDeviceStatus")
    async def update_device_status(
        self, context: CallContext, request: t.UpdateDeviceStatusRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request["AccessToken"])
        await self._devices.set_status(bearer.user, request["DeviceKey"], request.get("DeviceRememberedStatus", ""))
        return {}

    @operation("ForgetDevice")
    async def forget_device(self, context: CallContext, request: t.ForgetDeviceRequestTypeDef) -> dict[str, Any]:
        bearer = await self._bearers.bearer(request.get("AccessToken", ""))
        await self._devices.forget(bearer.user, request["DeviceKey"])
        return {}

    async def _setup_attempt(self, session: str) -> Attempt:
        attempt = await flow.open_session(self._kit, session)
        if "MFA_SETUP" not in attempt.challenges:
            raise errors.invalid_session()
        return attempt

    def _seal(self, attempt: Attempt) -> str:
        return sealed.seal_text(self._records.sealer, PURPOSE, attempt)


def _pending_id(user: User) -> str:
    return f"totp:{user.sub}"


def _check_app_allowed(pool: Pool | None) -> None:
    if pool is None or not pool.mfa.get("SoftwareTokenMfaConfiguration", {}).get("Enabled"):
        raise errors.SoftwareTokenMFANotFoundException("Software Token MFA has not been enabled by the userPool")


def _occasion(context: CallContext, bearer: Bearer, request: Any) -> Occasion:
    return Occasion(
        context=context, pool=bearer.pool, client_id=bearer.client.id, metadata=request.get("ClientMetadata") or {}
    )
