"""WEB_AUTHN: passkeys (Web Authentication, level 3), by py_webauthn.

The relying party is the pool's RelyingPartyId, or its domain. A page may be of that host or a subdomain, over HTTPS;
plain HTTP only on localhost.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from forecourt.services.cognito import errors
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Visit
from forecourt.services.cognito.auth.kit import Kit, required
from forecourt.services.cognito.model import Passkey, Pool, User

CHALLENGE_BYTES = 32


async def ask(kit: Kit, visit: Visit, attempt: Attempt, user: User | None) -> Challenge:
    owned = await kit.records.store.list(Passkey, attempt.pool_id, attempt.user_key) if user else []
    challenge = kit.records.ids.bytes(CHALLENGE_BYTES)
    options = generate_authentication_options(
        rp_id=await relying_party(kit, visit.pool),
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(base64url_to_bytes(key.credential_id)) for key in owned],
        user_verification=user_verification(visit.pool),
    )
    attempt = msgspec.structs.replace(attempt, webauthn_challenge=challenge)
    return kit.challenge(visit, attempt, "WEB_AUTHN", {"CREDENTIAL_REQUEST_OPTIONS": options_to_json(options)})


async def answer(kit: Kit, visit: Visit, attempt: Attempt) -> tuple[Attempt, User]:
    credential = _parse(required(visit.parameters, "CREDENTIAL"))
    user = await kit.known_user(attempt)
    passkey = await kit.records.store.get(Passkey, user.pool_id, user.key, str(credential.get("id", "")))
    if passkey is None:
        raise errors.incorrect_credentials()
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=attempt.webauthn_challenge,
            expected_rp_id=passkey.relying_party_id,
            expected_origin=_own_origin(credential, passkey.relying_party_id),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=user_verification(visit.pool) is UserVerificationRequirement.REQUIRED,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        await kit.threat.failed(visit, user.key, user)
        raise errors.incorrect_credentials() from None
    kit.check_status(user)
    return msgspec.structs.replace(
        attempt,
        passed=[*attempt.passed, "WEB_AUTHN"],
        webauthn_challenge=b"",
        passkey_id=passkey.credential_id,
        passkey_sign_count=verified.new_sign_count,
    ), user


async def registration_options(kit: Kit, pool: Pool, user: User, challenge: bytes) -> dict[str, Any]:
    owned = await kit.records.store.list(Passkey, pool.id, user.key)
    options = generate_registration_options(
        rp_id=await relying_party(kit, pool),
        rp_name=pool.name,
        user_name=user.attributes.get("email") or user.attributes.get("preferred_username") or user.username,
        user_display_name=user.attributes.get("name") or user.username,
        user_id=user.sub.encode(),
        challenge=challenge,
        exclude_credentials=[PublicKeyCredentialDescriptor(base64url_to_bytes(key.credential_id)) for key in owned],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=user_verification(pool),
        ),
    )
    decoded: dict[str, Any] = msgspec.json.decode(options_to_json(options))
    return decoded


async def register(
    kit: Kit, pool: Pool, user: User, credential: dict[str, Any], challenge: bytes, now: float
) -> Passkey:
    """Checks a new credential. Raises AWS's errors for what can be wrong with one."""
    rp_id = await relying_party(kit, pool)
    origin = _own_origin(credential, rp_id)
    try:
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            require_user_verification=user_verification(pool) is UserVerificationRequirement.REQUIRED,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _registration_error(error, origin) from None
    transports = credential.get("response", {}).get("transports") or []
    return Passkey(
        pool_id=pool.id,
        user_key=user.key,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        name=_NAMES.get(str(verified.aaguid), "Passkey"),
        relying_party_id=rp_id,
        created_at=now,
        transports=[str(transport) for transport in transports],
        attachment=credential.get("authenticatorAttachment"),
    )


async def relying_party(kit: Kit, pool: Pool) -> str:
    configured = pool.mfa.get("WebAuthnConfiguration", {}).get("RelyingPartyId")
    if configured:
        return str(configured)
    host = urlsplit(kit.issuer.public_url).hostname or "localhost"
    return host if host != "127.0.0.1" else "localhost"


def user_verification(pool: Pool) -> UserVerificationRequirement:
    configured = pool.mfa.get("WebAuthnConfiguration", {}).get("UserVerification", "preferred")
    return UserVerificationRequirement(configured)


# https://passkeydeveloper.github.io/passkey-authenticator-aaguids: the few that most people have.
_NAMES = {
    "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
    "fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "iCloud Keychain",
    "08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
    "bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
    "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
}


def _own_origin(credential: dict[str, Any], rp_id: str) -> str:
    """The origin that the browser reports, if it is one of ours; else one that matches nothing."""
    try:
        data = msgspec.json.decode(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        origin = urlsplit(str(data["origin"]))
        host = origin.hostname or ""
    except (KeyError, TypeError, ValueError):
        return "null"
    local = host == "localhost" or host.endswith(".localhost")
    ours = host == rp_id or host.endswith("." + rp_id)
    good = ours and (origin.scheme == "https" or (origin.scheme == "http" and local))
    return f"{origin.scheme}://{origin.netloc}" if good else "null"


def _registration_error(error: Exception, origin: str) -> Exception:
    if origin == "null":
        return errors.WebAuthnOriginNotAllowedException("The origin is not allowed for this relying party.")
    if "rp" in str(error).lower() and "id" in str(error).lower():
        return errors.WebAuthnRelyingPartyMismatchException("The credential is for another relying party.")
    if "challenge" in str(error).lower():
        return errors.WebAuthnChallengeNotFoundException("The challenge is unknown or has expired.")
    return errors.WebAuthnCredentialNotSupportedException("The credential is not supported.")


def _parse(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError):
        raise errors.InvalidParameterException("CREDENTIAL is not valid JSON.") from None
