"""A signed-in user's passkeys: registered in two steps, listed, deleted.

Web Authentication's library is imported for the first one: a start does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.model import Passkey, Pending, User
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.users.bearer import Bearer, Bearers
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_MINUTES = 5
_PER_PAGE = 20


class PasskeysApi:
    def __init__(self, kit: Kit, bearers: Bearers) -> None:
        self._kit = kit
        self._records = kit.records
        self._bearers = bearers

    @operation("StartWebAuthnRegistration")
    async def start_web_authn_registration(
        self, context: CallContext, request: t.StartWebAuthnRegistrationRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.still_there(request["AccessToken"])
        return {"CredentialCreationOptions": await self.start(bearer)}

    async def start(self, bearer: Bearer) -> dict[str, Any]:
        """Also what the hosted page does."""
        _check_allowed(bearer)
        # Web Authentication's library is imported for the first passkey: a start does not wait for it.
        from forecourt.services.cognito.auth import passkey

        challenge = self._records.ids.bytes(passkey.CHALLENGE_BYTES)
        pending = Pending(
            id=_pending_id(bearer.user),
            expires_at=self._records.clock.now() + 60 * _MINUTES,
            body=challenge,
        )
        await self._records.store.write(lambda tx: tx.put(pending))
        return await passkey.registration_options(self._kit, bearer.pool, bearer.user, challenge)

    @operation("CompleteWebAuthnRegistration")
    async def complete_web_authn_registration(
        self, context: CallContext, request: t.CompleteWebAuthnRegistrationRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.still_there(request["AccessToken"])
        await self.complete(bearer, request["Credential"])
        return {}

    async def complete(self, bearer: Bearer, credential: Any) -> None:
        _check_allowed(bearer)
        from forecourt.services.cognito.auth import passkey

        now = self._records.clock.now()
        pending = await self._records.store.get(Pending, _pending_id(bearer.user))
        if pending is None or pending.expires_at <= now:
            raise errors.WebAuthnChallengeNotFoundException("The challenge is unknown or has expired.")
        document = await passkey.register(self._kit, bearer.pool, bearer.user, credential, pending.body, now)

        def put(tx: Tx) -> None:
            count = tx.count(Passkey, document.pool_id, document.user_key)
            need_room(count, self._records.quotas.passkeys_per_user, "passkeys of this user")
            tx.insert(document)
            if not tx.delete(Pending, pending.id):
                raise errors.WebAuthnChallengeNotFoundException("The challenge is unknown or has expired.")

        try:
            await self._records.store.write(put)
        except AlreadyExists:
            raise errors.WebAuthnCredentialNotSupportedException("The credential is registered already.") from None

    @operation("ListWebAuthnCredentials")
    async def list_web_authn_credentials(
        self, context: CallContext, request: t.ListWebAuthnCredentialsRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.still_there(request["AccessToken"])
        found, token = await paging.page(
            self._records.store,
            Passkey,
            bearer.pool.id,
            bearer.user.key,
            token=request.get("NextToken"),
            limit=request.get("MaxResults") or _PER_PAGE,
        )
        shown = [_shown(passkey) for passkey in found]
        return paging.with_token({"Credentials": shown}, "NextToken", token)

    @operation("DeleteWebAuthnCredential")
    async def delete_web_authn_credential(
        self, context: CallContext, request: t.DeleteWebAuthnCredentialRequestTypeDef
    ) -> dict[str, Any]:
        bearer = await self._bearers.still_there(request["AccessToken"])
        key = (bearer.pool.id, bearer.user.key, request["CredentialId"])
        if not await self._records.store.write(lambda tx: tx.delete(Passkey, *key)):
            raise errors.ResourceNotFoundException("The passkey does not exist.")
        return {}


def _pending_id(user: User) -> str:
    return f"passkey:{user.sub}"


def _check_allowed(bearer: Bearer) -> None:
    policy = bearer.pool.settings["Policies"].get("SignInPolicy", {})
    if "WEB_AUTHN" not in policy.get("AllowedFirstAuthFactors", ()):
        raise errors.WebAuthnNotEnabledException("Passkeys are not enabled for this user pool.")


def _shown(passkey: Passkey) -> dict[str, Any]:
    return {
        "CredentialId": passkey.credential_id,
        "FriendlyCredentialName": passkey.name,
        "RelyingPartyId": passkey.relying_party_id,
        **({"AuthenticatorAttachment": passkey.attachment} if passkey.attachment else {}),
        "AuthenticatorTransports": passkey.transports,
        "CreatedAt": passkey.created_at,
    }
