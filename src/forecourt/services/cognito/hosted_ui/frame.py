"""What all pages share: a request is judged, a form is known to be ours, a page has its language and its look.

The pages keep no state: what came in the query (the authorization request) is judged again each time.

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
from forecourt.services.cognito.auth.attempt import Visit
from forecourt.services.cognito.hosted_ui import fields, render, style
from forecourt.services.cognito.hosted_ui.assets import FAVICONS, LOGO, picture
from forecourt.services.cognito.hosted_ui.texts import language, said, texts
from forecourt.services.cognito.model import Branding, Client, Customization, Pool
from forecourt.services.cognito.oauth.authorize import AuthorizeRequest, PageError, RedirectError, judge, target
from forecourt.services.cognito.oauth.endpoints import Endpoints
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.store import Records

CSRF_COOKIE = "XSRF-TOKEN"


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


class Frame:
    def __init__(self, records: Records, endpoints: Endpoints) -> None:
        self._records = records
        self._endpoints = endpoints

    async def open(self, pool: Pool, context: CallContext, request: Request) -> Page:
        """Raises `PageError`, also where the form is not from a page of ours."""
        client = await self.client(pool, request)
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

    async def login_page(self, page: Page, *, error: str = "", notice: str = "", username: str = "") -> Response:
        policy = page.pool.settings["Policies"].get("SignInPolicy", {})
        allowed = policy.get("AllowedFirstAuthFactors", ())
        return await self.show(
            page,
            "login",
            error=error,
            notice=notice,
            username=username or page.authorize.login_hint,
            login_label=fields.login_label(page.pool, self.texts(page)),
            methods=[method for method in ("WEB_AUTHN", "EMAIL_OTP", "SMS_OTP") if method in allowed],
            can_sign_up=not page.pool.settings["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"],
        )

    async def show(self, page: Page, name: str, **values: Any) -> Response:
        shared = {
            "lang": page_language(page.request),
            "t": self.texts(page),
            "rules": fields.rules(page.pool.password_policy, self.texts(page)),
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
            scheme = style.scheme(found[0].settings)
            return {
                "has_logo": picture(found[0], LOGO, "light") is not None,
                # A browser that chooses is offered both.
                "dark_logo": not scheme,
                "has_icon": picture(found[0], FAVICONS, "light") is not None,
                "scheme": scheme,
            }
        own = await self._customizations(page.pool.id, page.client.id)
        return {"has_logo": any(c.image for c in own), "scheme": "light" if any(c.css for c in own) else ""}

    async def _customizations(self, pool_id: str, client_id: str) -> list[Customization]:
        """The pool's and the client's, in the order in which they apply."""
        found = [await self._records.store.get(Customization, pool_id, key) for key in ("ALL", client_id)]
        return [customization for customization in found if customization is not None]

    async def client(self, pool: Pool, request: Request) -> Client:
        client = await self._records.find_client(request.query.get("client_id", ""))
        if client is None or client.pool_id != pool.id:
            raise PageError("invalid_request", "Client does not exist.")
        return client

    def visit(self, page: Page, parameters: Mapping[str, str], flow_name: str = "", device: str = "") -> Visit:
        visit = self._endpoints.visit(page.pool, page.client, page.context, page.request, parameters)
        return msgspec.structs.replace(visit, flow=flow_name, proven_device=device)

    def texts(self, page: Page) -> Mapping[str, str]:
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
