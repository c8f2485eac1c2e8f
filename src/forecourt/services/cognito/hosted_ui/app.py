"""The application of a pool's domain: which path is answered by what, and what is done about errors.

| path | method | what |
|---|---|---|
| /oauth2/authorize | GET | to /login, or back to the client at once for a browser that is signed in |
| /oauth2/token, /oauth2/userInfo, /oauth2/revoke | | for programs: `oauth/endpoints.py` |
| /login, /signup, /confirm, /forgotPassword, /confirmforgotPassword, /challenge, /passkeys/add | GET, POST | pages |
| /confirmUser | GET | the link of a verification mail |
| /feedback | GET | the links of a notice of a risky sign-in |
| /logout | GET | ends the browser's session |
| /assets/… | GET | style sheets, the logo, the passkey script |
| /import/{job} | PUT | the CSV file of a user import |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.base.principal import ANONYMOUS
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.errors import TooManyRequestsException
from forecourt.services.cognito.hosted_ui import render
from forecourt.services.cognito.hosted_ui.accounts import AccountPages
from forecourt.services.cognito.hosted_ui.assets import Assets
from forecourt.services.cognito.hosted_ui.browser import COOKIE, Browsers, SignedInBrowser
from forecourt.services.cognito.hosted_ui.frame import Frame, Page, page_language
from forecourt.services.cognito.hosted_ui.sign_in import SignInPages
from forecourt.services.cognito.hosted_ui.texts import texts
from forecourt.services.cognito.model import Domain, Pool
from forecourt.services.cognito.oauth import http
from forecourt.services.cognito.oauth.authorize import AuthorizeRequest, PageError, RedirectError, judge, target
from forecourt.services.cognito.oauth.endpoints import CORS, Endpoints, discovery, key_set
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.pools.imports import LARGEST_CSV, ImportsApi
from forecourt.services.cognito.quotas import Quotas
from forecourt.services.cognito.users.bearer import Bearers
from forecourt.services.cognito.users.passkeys import PasskeysApi
from forecourt.services.cognito.users.recovery import RecoveryApi
from forecourt.services.cognito.users.sign_up import SignUpApi

_FOR_PROGRAMS = ("/oauth2/token", "/oauth2/userInfo", "/oauth2/revoke")
_KEYS_HEADERS = (("cache-control", "public, max-age=300"), *CORS)
_NOT_FOUND = {"message": "Not found"}
# What a POST counts as where quotas are on; the token endpoint counts by grant.
_CATEGORIES = {
    "/login": "UserAuthentication",
    "/challenge": "UserAuthentication",
    "/signup": "UserCreation",
    "/confirm": "UserCreation",
    "/forgotPassword": "UserAccountRecovery",
    "/confirmforgotPassword": "UserAccountRecovery",
    "/oauth2/token": "UserToken",
    "/oauth2/revoke": "UserToken",
}


class HostedApp:
    def __init__(
        self,
        *,
        kit: Kit,
        bearers: Bearers,
        sign_up: SignUpApi,
        recovery: RecoveryApi,
        passkeys: PasskeysApi,
        imports: ImportsApi,
        quotas: Quotas | None,
    ) -> None:
        self._kit = kit
        self._quotas = quotas
        self._records = kit.records
        self._imports = imports
        self._endpoints = Endpoints(kit, bearers)
        self._browsers = Browsers(kit, self._endpoints)
        self._assets = Assets(kit.records)
        self._frame = frame = Frame(kit.records, self._endpoints)
        sign_in = SignInPages(kit, frame, self._browsers, passkeys)
        self._accounts = accounts = AccountPages(kit, frame, self._endpoints, sign_up, recovery)
        self._page_of: dict[str, Callable[[Page], Awaitable[Response]]] = {
            "/login": sign_in.login,
            "/signup": accounts.signup,
            "/confirm": accounts.confirm,
            "/forgotPassword": accounts.forgot,
            "/confirmforgotPassword": accounts.reset,
            "/challenge": sign_in.challenge,
            "/passkeys/add": sign_in.add_passkey,
        }

    async def serve(self, domain: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        largest = LARGEST_CSV if raw_path.startswith(b"/import/") else http.LARGEST_BODY
        secure = self._kit.issuer.public_url.startswith("https:")
        try:
            request = await http.read(domain, raw_path, scope, receive, secure=secure, largest=largest)
        except http.BodyTooLarge:
            await http.send_response(send, http.json(413, {"message": "Request Entity Too Large"}))
            return
        pool = await self._pool(domain)
        response = http.json(404, _NOT_FOUND) if pool is None else await self._answer(pool, request, scope)
        await http.send_response(send, response, scope["method"] == "HEAD")

    async def well_known(self, pool_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        pool = await self._records.find_pool(pool_id)
        if pool is None:
            await http.send_response(send, http.json(404, {"message": f"User pool {pool_id} does not exist."}))
        else:
            await http.send_response(send, await self._well_known(pool, raw_path.decode("latin-1")))

    async def _answer(self, pool: Pool, request: Request, scope: Scope) -> Response:
        context = CallContext(
            principal=ANONYMOUS,
            region=pool.region,
            request_id=scope.get("state", {}).get("request_id", ""),
            source_ip=request.ip,
            user_agent=request.headers.get("user-agent", ""),
        )
        try:
            self._count(pool, request)
            if request.path in _FOR_PROGRAMS:
                return (await self._for_programs(pool, context, request)).with_headers(*CORS)
            return await self._for_browsers(pool, context, request)
        except PageError as error:
            title = texts(page_language(request))["error_title"]
            return self._frame.message(request, title, 400, f"{error.code}: {error.description}")
        except TooManyRequestsException as error:
            if request.path in _FOR_PROGRAMS:
                return http.json(429, {"error": "too_many_requests", "error_description": error.message}, *CORS)
            title = texts(page_language(request))["error_title"]
            return self._frame.message(request, title, 429, error.message)

    def _count(self, pool: Pool, request: Request) -> None:
        """Raises `TooManyRequestsException` where quotas are on and this one is used up."""
        if self._quotas is None or request.method != "POST" or request.path not in _CATEGORIES:
            return
        machine = request.form.get("grant_type") == "client_credentials"
        category = "ClientAuthentication" if machine else _CATEGORIES[request.path]
        self._quotas.take(pool.account, pool.region, category)

    async def _for_programs(self, pool: Pool, context: CallContext, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(204)
        if request.path == "/oauth2/token":
            return await self._endpoints.token(pool, context, request)
        if request.path == "/oauth2/revoke":
            return await self._endpoints.revoke(pool, request)
        return await self._endpoints.user_info(pool, request)

    async def _for_browsers(self, pool: Pool, context: CallContext, request: Request) -> Response:
        path, method = request.path, request.method
        if path in self._page_of:
            if method not in ("GET", "POST"):
                return _not_allowed("GET, HEAD, POST")
            return await self._page_of[path](await self._frame.open(pool, context, request))
        if path.startswith("/import/") and method == "PUT":
            token = request.query.get("token", "")
            good = await self._imports.upload(pool.id, path.removeprefix("/import/"), token, request.body)
            return Response(200) if good else http.json(403, {"message": "Forbidden"})
        if method != "GET":
            return _not_allowed("GET, HEAD")
        if path == "/oauth2/authorize":
            return await self._authorize(pool, context, request)
        if path == "/logout":
            return await self._logout(pool, request)
        if path == "/confirmUser":
            return await self._accounts.confirm_by_link(pool, context, request)
        if path == "/feedback":
            return await self._accounts.feedback(pool, request)
        if path.startswith("/.well-known/"):
            return await self._well_known(pool, path)
        found = await self._assets.find(pool, path, request) if path.startswith("/assets/") else None
        return found or http.json(404, _NOT_FOUND)

    async def _authorize(self, pool: Pool, context: CallContext, request: Request) -> Response:
        client = await self._records.find_client(request.query.get("client_id", ""))
        client = client if client is not None and client.pool_id == pool.id else None
        known = target(client, request.query, request.repeated)
        assert client is not None  # `target` raises without a client
        try:
            authorize = judge(client, request.query, known)
            browser = await self._browsers.session(pool, client, request)
            if browser is not None and self._suffices(browser, authorize):
                visit = self._endpoints.visit(pool, client, context, request, {})
                return await self._browsers.send_back(visit, authorize, browser)
            if authorize.prompt == "none":
                raise RedirectError("login_required")
        except RedirectError as error:
            return http.redirect(known.error(error))
        except ServiceError as error:
            # What a trigger says.
            return http.redirect(known.error(RedirectError("invalid_request", error.message)))
        return http.redirect(f"{request.base}/login?{request.query_string}")

    async def _logout(self, pool: Pool, request: Request) -> Response:
        """To a registered sign-out URL, or (with `redirect_uri`) to sign in again."""
        client = await self._records.find_client(request.query.get("client_id", ""))
        if client is None or client.pool_id != pool.id:
            raise PageError("invalid_request", "Client does not exist.")
        wanted = request.query.get("logout_uri")
        if wanted is not None and wanted not in client.settings.get("LogoutURLs", ()):
            raise PageError("redirect_mismatch", "The logout URI is not one of the client's sign-out URLs.")
        if wanted is None:
            target(client, request.query, request.repeated)
        await self._browsers.sign_out(pool, request)
        location = wanted or f"{request.base}/login?{request.query_string}"
        return http.redirect(location, render.cookie(request, COOKIE, "", 0))

    async def _well_known(self, pool: Pool, path: str) -> Response:
        if path == "/.well-known/jwks.json":
            return http.json(200, key_set(await self._records.keys(pool.id)), *_KEYS_HEADERS)
        if path == "/.well-known/openid-configuration":
            domains = await self._records.domain_of(pool.id)
            name = domains[0].name if domains else pool.id
            issuer = self._kit.issuer
            document = discovery(issuer.issuer(pool), f"{issuer.public_url}/_aws/cognito/{name}")
            return http.json(200, document, *_KEYS_HEADERS)
        return http.json(404, _NOT_FOUND)

    async def _pool(self, domain: str) -> Pool | None:
        """By the domain's name, or by the pool's id."""
        found = await self._records.store.get(Domain, domain)
        return await self._records.find_pool(found.pool_id if found is not None else domain)

    def _suffices(self, browser: SignedInBrowser, authorize: AuthorizeRequest) -> bool:
        """Whether the client takes the earlier sign-in (OpenID Connect Core, 3.1.2.1)."""
        age = self._records.clock.now() - browser.session.auth_time
        fresh = authorize.max_age is None or age <= authorize.max_age
        return fresh and authorize.prompt not in ("login", "select_account")


def _not_allowed(methods: str) -> Response:
    return http.json(405, {"message": "Method Not Allowed"}, ("allow", methods))
