"""Signing in: the password or another first factor, every challenge, and whether the device is to be remembered.

An attempt travels as a sealed session in the form, with what its page shows. So does nothing else: what a form says of
a challenge is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.services.cognito import errors, sealed, totp
from forecourt.services.cognito.auth import flow
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Outcome, Passed
from forecourt.services.cognito.auth.kit import PURPOSE, Kit
from forecourt.services.cognito.auth.totp import verify_first_code
from forecourt.services.cognito.hosted_ui import fields
from forecourt.services.cognito.hosted_ui.browser import Browsers
from forecourt.services.cognito.hosted_ui.devices import BrowserDevices
from forecourt.services.cognito.hosted_ui.frame import Frame, Page
from forecourt.services.cognito.oauth.http import Response
from forecourt.services.cognito.users.bearer import Bearer
from forecourt.services.cognito.users.passkeys import PasskeysApi

_TRIES = 5
# A question of the pages' own, after everything that was to be proven.
_REMEMBER = "REMEMBER_DEVICE"
_CODES = ("SMS_MFA", "EMAIL_OTP", "SMS_OTP", "SOFTWARE_TOKEN_MFA")


class SignInPages:
    def __init__(self, kit: Kit, frame: Frame, browsers: Browsers, passkeys: PasskeysApi) -> None:
        self._kit = kit
        self._records = kit.records
        self._frame = frame
        self._browsers = browsers
        self._devices = BrowserDevices(kit)
        self._passkeys = passkeys

    async def login(self, page: Page, notice: str = "") -> Response:
        if page.request.method == "GET":
            return await self._frame.login_page(page, notice=notice)
        username, method = page.form.get("username", ""), page.form.get("method", "PASSWORD")
        parameters = {"USERNAME": username, "PASSWORD": page.form.get("password", "")}
        if method != "PASSWORD":
            parameters = {"USERNAME": username, "PREFERRED_CHALLENGE": method}
        flow_name = "USER_PASSWORD_AUTH" if method == "PASSWORD" else "USER_AUTH"
        device = await self._devices.proven(page.pool, page.request, username)
        try:
            outcome = await flow.initiate(self._kit, self._frame.visit(page, parameters, flow_name, device))
        except errors.UserNotConfirmedException:
            return await self._frame.show(page, "confirm", username=username, to="")
        except errors.PasswordResetRequiredException:
            # An administrator has reset it, and the code was sent.
            return await self._frame.show(page, "reset", username=username, to="")
        except ServiceError as error:
            return await self._frame.login_page(page, error=error.message, username=username)
        return await self._go_on(page, outcome)

    async def challenge(self, page: Page) -> Response:
        """The answer to a challenge. A wrong one is asked again with the same session."""
        form = page.form
        name, session = form.get("challenge", ""), form.get("session", "")
        try:
            if name == _REMEMBER:
                return await self._remember(page, session, form.get("answer", ""))
            if name == "NEW_PASSWORD_REQUIRED" and form.get("password") != form.get("repeat"):
                raise errors.InvalidPasswordException(self._frame.texts(page)["mismatch"])
            if name == "MFA_SETUP" and "code" in form:
                session = await self._verified_setup(form)
            visit = self._frame.visit(page, _responses(name, form))
            outcome = await flow.respond(self._kit, visit, name, session)
        except errors.NotAuthorizedException as error:
            return await self._frame.login_page(page, error=error.message)
        except ServiceError as error:
            try:
                return await self._ask_again(page, name, form.get("session", ""), error.message)
            except errors.NotAuthorizedException:
                return await self._frame.login_page(page, error=error.message)
        return await self._go_on(page, outcome)

    async def _go_on(self, page: Page, outcome: Outcome) -> Response:
        visit = self._frame.visit(page, {})
        if isinstance(outcome, Passed):
            if self._devices.asks(page.pool, outcome.attempt):
                asked = await flow.ask_more(self._kit, visit, outcome, _REMEMBER)
                return await self._frame.show(
                    page, "device", challenge=_REMEMBER, session=flow.session_of(self._kit, asked)
                )
            remembers = self._devices.remembers(page.pool, outcome.attempt)
            return await self._finish(page, outcome, remembers=remembers)
        shown = {**outcome.parameters, "available": ",".join(outcome.available)}
        attempt = msgspec.structs.replace(outcome.attempt, shown=shown)
        if outcome.name == "MFA_SETUP":
            attempt.seed = self._records.ids.bytes(totp.SEED_BYTES)
        session = flow.session_of(self._kit, Challenge(outcome.name, attempt, {}))
        return await self._challenge_page(page, outcome.name, session, attempt)

    async def _remember(self, page: Page, session: str, answer: str) -> Response:
        """The user said whether the device is to be remembered: the last step of his sign-in."""
        attempt = await flow.open_session(self._kit, session)
        if (attempt.pool_id, attempt.client_id, attempt.challenges) != (page.pool.id, page.client.id, [_REMEMBER]):
            raise errors.invalid_session()
        user = await self._kit.known_user(attempt)
        self._kit.check_status(user)
        return await self._finish(page, Passed(user, attempt), remembers=answer == "yes")

    async def _finish(self, page: Page, passed: Passed, *, remembers: bool) -> Response:
        visit = self._frame.visit(page, {})
        remembered = self._devices.remember(visit, page.request, passed.user) if remembers else None
        try:
            return await self._browsers.finish(visit, page.request, page.authorize, passed, remembered)
        except ServiceError as error:
            return await self._frame.login_page(page, error=error.message)

    async def _ask_again(self, page: Page, name: str, session: str, error: str) -> Response:
        attempt = await flow.open_session(self._kit, session)
        if name not in attempt.challenges or not attempt.shown:
            raise errors.invalid_session()
        return await self._challenge_page(page, name, session, attempt, error)

    async def _challenge_page(self, page: Page, name: str, session: str, attempt: Attempt, error: str = "") -> Response:
        shown = attempt.shown
        values: dict[str, Any] = {
            "challenge": name,
            "session": session,
            "error": error,
            "to": shown.get("CODE_DELIVERY_DESTINATION", ""),
        }
        if name == "NEW_PASSWORD_REQUIRED":
            missing = msgspec.json.decode(shown["requiredAttributes"], type=list[str])
            names = [attribute.removeprefix("userAttributes.") for attribute in missing]
            values["fields"] = [fields.field(attribute, self._frame.texts(page)) for attribute in names]
            return await self._frame.show(page, "new_password", **values)
        if name in ("SELECT_MFA_TYPE", "SELECT_CHALLENGE"):
            listed = shown.get("MFAS_CAN_CHOOSE")
            offered = msgspec.json.decode(listed, type=list[str]) if listed else shown["available"].split(",")
            values["choices"] = [choice for choice in offered if choice != "PASSWORD_SRP"]
            return await self._frame.show(page, "select", **values)
        if name == "MFA_SETUP":
            offered = msgspec.json.decode(shown["MFAS_CAN_SETUP"], type=list[str])
            values["addresses"] = [
                fields.field(attribute, self._frame.texts(page))
                for factor, attribute in (("EMAIL_OTP", "email"), ("SMS_MFA", "phone_number"))
                if factor in offered
            ]
            if "SOFTWARE_TOKEN_MFA" not in offered:
                return await self._frame.show(page, "mfa_address", **values)
            # Imported for the first QR code: a start does not wait for it.
            import segno

            uri = totp.provisioning_uri(page.pool.name, shown["USER_ID_FOR_SRP"], attempt.seed)
            values["qr"] = segno.make(uri, error="m").svg_data_uri(scale=4, border=2)
            values["secret"] = totp.encode_seed(attempt.seed)
            return await self._frame.show(page, "mfa_setup", **values)
        if name == "WEB_AUTHN":
            options = shown["CREDENTIAL_REQUEST_OPTIONS"]
            return await self._frame.show(page, "passkey", adding=False, options=options, **values)
        return await self._frame.show(page, "code", **values)

    async def _verified_setup(self, form: Mapping[str, str]) -> str:
        """The session of MFA_SETUP once the app's first code was right."""
        attempt = await flow.open_session(self._kit, form.get("session", ""))
        if "MFA_SETUP" not in attempt.challenges or not attempt.seed:
            raise errors.invalid_session()
        await self._records.count_attempt(attempt.id, attempt.expires_at, _TRIES)
        step = verify_first_code(self._kit, attempt.seed, form.get("code", ""))
        verified = msgspec.structs.replace(
            attempt, seed_verified=True, seed_name=form.get("device", ""), totp_step=step, unspent=""
        )
        return sealed.seal_text(self._records.sealer, PURPOSE, verified)

    async def add_passkey(self, page: Page) -> Response:
        """For a browser that is signed in."""
        session = await self._browsers.session(page.pool, page.client, page.request)
        if session is None:
            return await self._frame.login_page(page)
        texts, bearer = self._frame.texts(page), Bearer(page.pool, page.client, session.user, {}, None)
        try:
            if page.request.method == "POST":
                credential = msgspec.json.decode(page.form.get("credential", ""), type=dict[str, Any])
                await self._passkeys.complete(bearer, credential)
                return await self._frame.show(page, "message", title=texts["passkey_added"])
            options = msgspec.json.encode(await self._passkeys.start(bearer)).decode()
        except (ServiceError, msgspec.DecodeError) as error:
            return await self._frame.show(page, "message", title=texts["error_title"], error=str(error))
        return await self._frame.show(page, "passkey", adding=True, options=options, session="")


def _responses(name: str, form: Mapping[str, str]) -> dict[str, str]:
    """A form's fields as the challenge's responses."""
    if name == "NEW_PASSWORD_REQUIRED":
        own = {key: value for key, value in form.items() if key.startswith("userAttributes.")}
        return {**own, "NEW_PASSWORD": form.get("password", "")}
    if name in _CODES:
        return {f"{name}_CODE": form.get("code", "").strip()}
    given = {"ANSWER": "answer", "PASSWORD": "password", "CREDENTIAL": "credential"}
    given |= {"EMAIL": "email", "PHONE_NUMBER": "phone_number"}
    return {key: form[field] for key, field in given.items() if field in form}
