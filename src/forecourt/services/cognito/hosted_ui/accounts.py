"""An account's pages: signing up and confirming it, a forgotten password, the links that mails carry."""

from __future__ import annotations

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.services.cognito import errors
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.hosted_ui import fields
from forecourt.services.cognito.hosted_ui.frame import Frame, Page, page_language
from forecourt.services.cognito.hosted_ui.texts import texts
from forecourt.services.cognito.model import Pool, Terms
from forecourt.services.cognito.oauth.authorize import PageError
from forecourt.services.cognito.oauth.endpoints import Endpoints
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.threat import feedback
from forecourt.services.cognito.users.recovery import RecoveryApi
from forecourt.services.cognito.users.sign_up import SignUpApi


class AccountPages:
    def __init__(self, kit: Kit, frame: Frame, endpoints: Endpoints, sign_up: SignUpApi, recovery: RecoveryApi) -> None:
        self._records = kit.records
        self._frame = frame
        self._endpoints = endpoints
        self._sign_up = sign_up
        self._recovery = recovery

    async def signup(self, page: Page) -> Response:
        if page.pool.settings["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"]:
            raise PageError("unauthorized_client", "SignUp is not permitted for this user pool")
        shown = fields.sign_up_fields(page.pool, self._frame.texts(page))
        values = {name: value for name, value in page.form.items() if name not in ("password", "csrf")}
        terms = [
            (terms.name, url)
            for terms in await self._records.store.find(Terms, "by_client", page.pool.id, page.client.id)
            if (url := terms.links.get("cognito:default"))
        ]
        rest = {"fields": shown, "values": values, "terms": terms}
        if page.request.method == "GET":
            return await self._frame.show(page, "signup", **rest)
        known = {field.name for field in shown}
        attributes = {name: value for name, value in values.items() if name in known - {"username"} and value}
        username = values.get("username") or next((values[k] for k in ("email", "phone_number") if values.get(k)), "")
        try:
            made = await self._sign_up.register(
                self._frame.visit(page, {}), username, page.form.get("password", ""), attributes
            )
        except ServiceError as error:
            return await self._frame.show(page, "signup", error=error.message, **rest)
        if made["UserConfirmed"]:
            return await self._frame.login_page(page, notice=self._frame.texts(page)["confirmed"], username=username)
        to = made.get("CodeDeliveryDetails", {}).get("Destination", "")
        if not to:
            # The pool verifies nothing by itself: no code is on its way.
            return await self._frame.login_page(page, notice=self._frame.texts(page)["waits"], username=username)
        return await self._frame.show(page, "confirm", username=username, to=to)

    async def confirm(self, page: Page) -> Response:
        username = page.form.get("username", "")
        if page.request.method == "GET":
            return await self._frame.show(page, "confirm", username=page.request.query.get("username", ""), to="")
        visit = self._frame.visit(page, {})
        user = await self._records.find_user(page.pool, username)
        try:
            if page.form.get("action") == "resend":
                sent = await self._sign_up.resend(visit, username, user)
                notice = self._frame.texts(page)["resent"]
                return await self._frame.show(page, "confirm", username=username, to=sent["Destination"], notice=notice)
            await self._sign_up.confirm(visit, username, user, page.form.get("code", ""))
        except ServiceError as error:
            return await self._frame.show(page, "confirm", username=username, to="", error=error.message)
        return await self._frame.login_page(page, notice=self._frame.texts(page)["confirmed"], username=username)

    async def confirm_by_link(self, pool: Pool, context: CallContext, request: Request) -> Response:
        """GET /confirmUser: the link of a verification mail."""
        client = await self._frame.client(pool, request)
        username = request.query.get("user_name", "")
        user = await self._records.find_user(pool, username)
        visit = self._endpoints.visit(pool, client, context, request, {})
        try:
            await self._sign_up.confirm(visit, username, user, request.query.get("confirmation_code", ""))
        except ServiceError as error:
            raise PageError("invalid_request", error.message) from None
        return self._frame.message(request, texts(page_language(request))["confirmed"], 200)

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
        return self._frame.message(request, texts(page_language(request))["thanks"], 200)

    async def forgot(self, page: Page) -> Response:
        username = page.form.get("username", page.authorize.login_hint)
        label = fields.login_label(page.pool, self._frame.texts(page))
        if page.request.method == "GET":
            return await self._frame.show(page, "forgot", username=username, login_label=label)
        user = await self._records.find_user(page.pool, username)
        try:
            sent = await self._recovery.forgot(self._frame.visit(page, {}), username, user)
        except ServiceError as error:
            return await self._frame.show(page, "forgot", username=username, login_label=label, error=error.message)
        return await self._frame.show(page, "reset", username=username, to=sent["Destination"])

    async def reset(self, page: Page) -> Response:
        username = page.form.get("username", "")
        user = await self._records.find_user(page.pool, username)
        try:
            if page.form.get("password") != page.form.get("repeat"):
                raise errors.InvalidPasswordException(self._frame.texts(page)["mismatch"])
            await self._recovery.confirm(
                self._frame.visit(page, {}), username, user, page.form.get("code", ""), page.form.get("password", "")
            )
        except ServiceError as error:
            return await self._frame.show(page, "reset", username=username, to="", error=error.message)
        return await self._frame.login_page(page, notice=self._frame.texts(page)["changed"], username=username)
