"""The pages, each a GET that shows and a POST that does. They keep no state: what came in the query (the authorization
request) is judged again each time, and an attempt to sign in travels as a sealed session in the form.

Every form carries a CSRF token, which is a keyed hash of a cookie; without both nothing is done, nor where the browser
says that another site sent the form (one below the same domain could have set the cookie, too). So nobody can sign a
browser in under another name, either.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.services.cognito import errors, sealed, totp
from forecourt.services.cognito.auth import flow
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Outcome, Passed, Visit
from forecourt.services.cognito.auth.kit import PURPOSE, Kit
from forecourt.services.cognito.auth.totp import verify_first_code
from forecourt.services.cognito.hosted_ui import fields, render, style
from forecourt.services.cognito.hosted_ui.browser import Browsers
from forecourt.services.cognito.hosted_ui.devices import BrowserDevices
from forecourt.services.cognito.hosted_ui.texts import language, said, texts
from forecourt.services.cognito.model import Branding, Client, Customization, Pool, Terms
from forecourt.services.cognito.oauth.authorize import AuthorizeRequest, PageError, RedirectError, judge, target
from forecourt.services.cognito.oauth.endpoints import Endpoints
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.threat import feedback
from forecourt.services.cognito.users.bearer import Bearer
from forecourt.services.cognito.users.own import OwnAccountApi
from forecourt.services.cognito.users.recovery import RecoveryApi
from forecourt.services.cognito.users.sign_up import SignUpApi

CSRF_COOKIE = "XSRF-TOKEN"
_TRIES = 5
# A question of the pages' own, after everything that was to be proven.
_REMEMBER = "REMEMBER_DEVICE"
_CODES = ("SMS_MFA", "EMAIL_OTP", "SMS_OTP", "SOFTWARE_TOKEN_MFA")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One request for a page, its authorization request judged."""

    pool: Pool
    client: Client
    request: Request
    authorize: AuthorizeRequest
    context: CallContext
    csrf_cookie: str
    csrf: str

    @property
    def form(self) -> Mapping[str, str]:
        return self.request.form


class Pages:
    def __init__(
        self,
        kit: Kit,
        endpoints: Endpoints,
        browsers: Browsers,
        sign_up: SignUpApi,
        recovery: RecoveryApi,
        own: OwnAccountApi,
    ) -> None:
        self._kit = kit
        self._records = kit.records
        self._endpoints = endpoints
        self._browsers = browsers
        self._devices = BrowserDevices(kit)
        self._sign_up = sign_up
        self._recovery = recovery
        self._own = own

    async def open(self, pool: Pool, context: CallContext, request: Request) -> Page:
        """Raises `PageError`, also where the form is not from a page of ours."""
        client = await self._client(pool, request)
        try:
            known = target(client, request.query, request.repeated)
            authorize = judge(client, request.query, known)
        except RedirectError as error:
            raise PageError(error.code, error.description or error.code) from None
        cookie = request.cookies.get(CSRF_COOKIE, "")
        if request.method == "POST" and not self._is_ours(pool, request, cookie):
            raise PageError("stale", texts(page_language(request))["stale"])
        cookie = cookie or self._records.ids.alnum(32)
        return Page(
            pool=pool,
            client=client,
            request=request,
            authorize=authorize,
            context=context,
            csrf_cookie=cookie,
            csrf=self._csrf(pool, cookie),
        )

    # Signing in -------------------------------------------------------------------------------------------------

    async def login(self, page: Page, notice: str = "") -> Response:
        if page.request.method == "GET":
            return await self._login_page(page, notice=notice)
        username, method = page.form.get("username", ""), page.form.get("method", "PASSWORD")
        parameters = {"USERNAME": username, "PASSWORD": page.form.get("password", "")}
        if method != "PASSWORD":
            parameters = {"USERNAME": username, "PREFERRED_CHALLENGE": method}
        flow_name = "USER_PASSWORD_AUTH" if method == "PASSWORD" else "USER_AUTH"
        device = await self._devices.proven(page.pool, page.request, username)
        try:
            outcome = await flow.initiate(self._kit, self._visit(page, parameters, flow_name, device))
        except errors.UserNotConfirmedException:
            return await self._show(page, "confirm", username=username, to="")
        except errors.PasswordResetRequiredException:
            # An administrator has reset it, and the code was sent.
            return await self._show(page, "reset", username=username, to="")
        except ServiceError as error:
            return await self._login_page(page, error=error.message, username=username)
        return await self._go_on(page, outcome)

    async def challenge(self, page: Page) -> Response:
        """The answer to a challenge. A wrong one is asked again with the same session."""
        form = page.form
        name, session = form.get("challenge", ""), form.get("session", "")
        try:
            if name == _REMEMBER:
                return await self._remember(page, session, form.get("answer", ""))
            if name == "NEW_PASSWORD_REQUIRED" and form.get("password") != form.get("repeat"):
                raise errors.InvalidPasswordException(self._texts(page)["mismatch"])
            if name == "MFA_SETUP" and "code" in form:
                session = await self._verified_setup(form)
            visit = self._visit(page, _responses(name, form))
            outcome = await flow.respond(self._kit, visit, name, session)
        except errors.NotAuthorizedException as error:
            return await self._login_page(page, error=error.message)
        except ServiceError as error:
            try:
                return await self._ask_again(page, name, form.get("session", ""), error.message)
            except errors.NotAuthorizedException:
                return await self._login_page(page, error=error.message)
        return await self._go_on(page, outcome)

    async def _go_on(self, page: Page, outcome: Outcome) -> Response:
        visit = self._visit(page, {})
        if isinstance(outcome, Passed):
            if self._devices.asks(page.pool, outcome.attempt):
                asked = await flow.ask_more(self._kit, visit, outcome, _REMEMBER)
                return await self._show(page, "device", challenge=_REMEMBER, session=flow.session_of(self._kit, asked))
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
        visit = self._visit(page, {})
        remembered = self._devices.remember(visit, page.request, passed.user) if remembers else None
        try:
            return await self._browsers.finish(visit, page.request, page.authorize, passed, remembered)
        except ServiceError as error:
            return await self._login_page(page, error=error.message)

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
            values["fields"] = [fields.field(attribute, self._texts(page)) for attribute in names]
            return await self._show(page, "new_password", **values)
        if name in ("SELECT_MFA_TYPE", "SELECT_CHALLENGE"):
            listed = shown.get("MFAS_CAN_CHOOSE")
            offered = msgspec.json.decode(listed, type=list[str]) if listed else shown["available"].split(",")
            values["choices"] = [choice for choice in offered if choice != "PASSWORD_SRP"]
            return await self._show(page, "select", **values)
        if name == "MFA_SETUP":
            offered = msgspec.json.decode(shown["MFAS_CAN_SETUP"], type=list[str])
            values["addresses"] = [
                fields.field(attribute, self._texts(page))
                for factor, attribute in (("EMAIL_OTP", "email"), ("SMS_MFA", "phone_number"))
                if factor in offered
            ]
            if "SOFTWARE_TOKEN_MFA" not in offered:
                return await self._show(page, "mfa_address", **values)
            # Imported for the first QR code: a start does not wait for it.
            import segno

            uri = totp.provisioning_uri(page.pool.name, shown["USER_ID_FOR_SRP"], attempt.seed)
            values["qr"] = segno.make(uri, error="m").svg_data_uri(scale=4, border=2)
            values["secret"] = totp.encode_seed(attempt.seed)
            return await self._show(page, "mfa_setup", **values)
        if name == "WEB_AUTHN":
            options = shown["CREDENTIAL_REQUEST_OPTIONS"]
            return await self._show(page, "passkey", adding=False, options=options, **values)
        return await self._show(page, "code", **values)

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

    # Signing up -------------------------------------------------------------------------------------------------

    async def signup(self, page: Page) -> Response:
        if page.pool.settings["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"]:
            raise PageError("unauthorized_client", "SignUp is not permitted for this user pool")
        shown = fields.sign_up_fields(page.pool, self._texts(page))
        values = {name: value for name, value in page.form.items() if name not in ("password", "csrf")}
        terms = [
            (terms.name, url)
            for terms in await self._records.store.find(Terms, "by_client", page.pool.id, page.client.id)
            if (url := terms.links.get("cognito:default"))
        ]
        rest = {"fields": shown, "values": values, "terms": terms}
        if page.request.method == "GET":
            return await self._show(page, "signup", **rest)
        known = {field.name for field in shown}
        attributes = {name: value for name, value in values.items() if name in known - {"username"} and value}
        username = values.get("username") or next((values[k] for k in ("email", "phone_number") if values.get(k)), "")
        try:
            made = await self._sign_up.register(
                self._visit(page, {}), username, page.form.get("password", ""), attributes
            )
        except ServiceError as error:
            return await self._show(page, "signup", error=error.message, **rest)
        if made["UserConfirmed"]:
            return await self._login_page(page, notice=self._texts(page)["confirmed"], username=username)
        to = made.get("CodeDeliveryDetails", {}).get("Destination", "")
        if not to:
            # The pool verifies nothing by itself: no code is on its way.
            return await self._login_page(page, notice=self._texts(page)["waits"], username=username)
        return await self._show(page, "confirm", username=username, to=to)

    async def confirm(self, page: Page) -> Response:
        username = page.form.get("username", "")
        if page.request.method == "GET":
            return await self._show(page, "confirm", username=page.request.query.get("username", ""), to="")
        visit = self._visit(page, {})
        user = await self._records.find_user(page.pool, username)
        try:
            if page.form.get("action") == "resend":
                sent = await self._sign_up.resend(visit, username, user)
                notice = self._texts(page)["resent"]
                return await self._show(page, "confirm", username=username, to=sent["Destination"], notice=notice)
            await self._sign_up.confirm(visit, username, user, page.form.get("code", ""))
        except ServiceError as error:
            return await self._show(page, "confirm", username=username, to="", error=error.message)
        return await self._login_page(page, notice=self._texts(page)["confirmed"], username=username)

    async def confirm_by_link(self, pool: Pool, context: CallContext, request: Request) -> Response:
        """GET /confirmUser: the link of a verification mail."""
        client = await self._client(pool, request)
        username = request.query.get("user_name", "")
        user = await self._records.find_user(pool, username)
        visit = self._endpoints.visit(pool, client, context, request, {})
        try:
            await self._sign_up.confirm(visit, username, user, request.query.get("confirmation_code", ""))
        except ServiceError as error:
            raise PageError("invalid_request", error.message) from None
        return self.message(request, texts(page_language(request))["confirmed"], 200)

    async def feedback(self, pool: Pool, request: Request) -> Response:
        """GET /feedback: the user says whether a sign-in was his."""
        value = request.query.get("value", "")
        try:
            token = feedback.open_token(self._records, request.query.get("token", ""))
            if token.pool_id != pool.id or value not in feedback.VALUES:
                raise PageError("invalid_request", "Invalid feedback token.")
            await feedback.note(self._records, pool.id, token.user_key, token.event_id, value, "User")
        except ServiceError as error:
            raise PageError("invalid_request", error.message) from None
        return self.message(request, texts(page_language(request))["thanks"], 200)

    # A forgotten password ---------------------------------------------------------------------------------------

    async def forgot(self, page: Page) -> Response:
        username = page.form.get("username", page.authorize.login_hint)
        label = fields.login_label(page.pool, self._texts(page))
        if page.request.method == "GET":
            return await self._show(page, "forgot", username=username, login_label=label)
        user = await self._records.find_user(page.pool, username)
        try:
            sent = await self._recovery.forgot(self._visit(page, {}), username, user)
        except ServiceError as error:
            return await self._show(page, "forgot", username=username, login_label=label, error=error.message)
        return await self._show(page, "reset", username=username, to=sent["Destination"])

    async def reset(self, page: Page) -> Response:
        username = page.form.get("username", "")
        user = await self._records.find_user(page.pool, username)
        try:
            if page.form.get("password") != page.form.get("repeat"):
                raise errors.InvalidPasswordException(self._texts(page)["mismatch"])
            await self._recovery.confirm(
                self._visit(page, {}), username, user, page.form.get("code", ""), page.form.get("password", "")
            )
        except ServiceError as error:
            return await self._show(page, "reset", username=username, to="", error=error.message)
        return await self._login_page(page, notice=self._texts(page)["changed"], username=username)

    # Passkeys ---------------------------------------------------------------------------------------------------

    async def add_passkey(self, page: Page) -> Response:
        """For a browser that is signed in."""
        session = await self._browsers.session(page.pool, page.request)
        if session is None:
            return await self._login_page(page)
        user = session.user
        bearer = Bearer(page.pool, page.client, user, {}, None)
        if page.request.method == "POST":
            try:
                credential = msgspec.json.decode(page.form.get("credential", ""), type=dict[str, Any])
                await self._own.complete_passkey(bearer, credential)
            except (ServiceError, msgspec.DecodeError) as error:
                return await self._show(page, "message", title=self._texts(page)["error_title"], error=str(error))
            return await self._show(page, "message", title=self._texts(page)["passkey_added"])
        options = msgspec.json.encode(await self._own.start_passkey(bearer)).decode()
        return await self._show(page, "passkey", adding=True, options=options, session="")

    # Showing ----------------------------------------------------------------------------------------------------

    async def _login_page(self, page: Page, *, error: str = "", notice: str = "", username: str = "") -> Response:
        policy = page.pool.settings["Policies"].get("SignInPolicy", {})
        allowed = policy.get("AllowedFirstAuthFactors", ())
        return await self._show(
            page,
            "login",
            error=error,
            notice=notice,
            username=username or page.authorize.login_hint,
            login_label=fields.login_label(page.pool, self._texts(page)),
            methods=[method for method in ("WEB_AUTHN", "EMAIL_OTP", "SMS_OTP") if method in allowed],
            can_sign_up=not page.pool.settings["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"],
        )

    async def _show(self, page: Page, name: str, **values: Any) -> Response:
        shared = {
            "lang": page_language(page.request),
            "t": self._texts(page),
            "rules": fields.rules(page.pool.password_policy, self._texts(page)),
            "base": page.request.base,
            "query": page.request.query_string,
            "csrf": page.csrf,
            "app": page.client.name,
            "client_id": page.client.id,
            **await self._look(page),
        }
        if values.get("error"):
            values["error"] = said(page_language(page.request), values["error"])
        status = 400 if values.get("error") else 200
        response = render.page(name, status, page.authorize.target.redirect_uri, {**shared, **values})
        return response.with_headers(render.cookie(page.request, CSRF_COOKIE, page.csrf_cookie))

    def message(self, request: Request, title: str, status: int, error: str = "") -> Response:
        lang = page_language(request)
        values = {"lang": lang, "t": texts(lang), "base": request.base, "title": title, "error": error}
        return render.page("message", status, "", values)

    async def _look(self, page: Page) -> dict[str, Any]:
        """Whether there is a logo, and whether the page is light or dark for every browser.

        CSS of the classic UI was written for light pages: its colours in a dark one could not be read.
        """
        found = await self._records.store.find(Branding, "by_client", page.pool.id, page.client.id)
        if found:
            has_logo = any(asset.get("Category") == "FORM_LOGO" for asset in found[0].assets)
            return {"has_logo": has_logo, "scheme": style.scheme(found[0].settings)}
        own = await self._customizations(page.pool.id, page.client.id)
        return {"has_logo": any(c.image for c in own), "scheme": "light" if any(c.css for c in own) else ""}

    async def _customizations(self, pool_id: str, client_id: str) -> list[Customization]:
        """The pool's and the client's, in the order in which they apply."""
        found = [await self._records.store.get(Customization, pool_id, key) for key in ("ALL", client_id)]
        return [customization for customization in found if customization is not None]

    async def _client(self, pool: Pool, request: Request) -> Client:
        client = await self._records.find_client(request.query.get("client_id", ""))
        if client is None or client.pool_id != pool.id:
            raise PageError("invalid_request", "Client does not exist.")
        return client

    def _visit(self, page: Page, parameters: Mapping[str, str], flow_name: str = "", device: str = "") -> Visit:
        visit = self._endpoints.visit(page.pool, page.client, page.context, page.request, parameters)
        return msgspec.structs.replace(visit, flow=flow_name, proven_device=device)

    def _texts(self, page: Page) -> Mapping[str, str]:
        return texts(page_language(page.request))

    def _is_ours(self, pool: Pool, request: Request, cookie: str) -> bool:
        """Whether a page of ours sent the form: Fetch Metadata says `same-origin`, and older browsers say nothing."""
        expected, given = self._csrf(pool, cookie), request.form.get("csrf", "")
        from_here = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
        return from_here and bool(cookie) and hmac.compare_digest(expected.encode(), given.encode())

    def _csrf(self, pool: Pool, cookie: str) -> str:
        return self._records.keyed_hash(pool, "csrf", cookie).hex()


def page_language(request: Request) -> str:
    return language(request.query.get("lang", ""), request.headers.get("accept-language", ""))


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
