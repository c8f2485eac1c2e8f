"""A browser that is signed in: its cookie, and what the client is sent back to it with: a code, or tokens.

The cookie is a random secret of which the store keeps the hash. Signing out, or in as somebody else, ends it.
"""

from __future__ import annotations

import msgspec

from forecourt.services.cognito.auth import finish
from forecourt.services.cognito.auth.attempt import Passed, Visit
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.hosted_ui import render
from forecourt.services.cognito.hosted_ui.devices import Remembered
from forecourt.services.cognito.model import AuthEvent, AuthorizationCode, BrowserSession, Client, Pool, User
from forecourt.services.cognito.oauth import http
from forecourt.services.cognito.oauth.authorize import AuthorizeRequest
from forecourt.services.cognito.oauth.endpoints import Endpoints, token_response
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.store import token_hash
from forecourt.services.cognito.users import sessions
from forecourt.store import Tx

COOKIE = "cognito"
CODE_SECONDS = 300


class SignedInBrowser(msgspec.Struct, frozen=True):
    session: BrowserSession
    user: User


class Browsers:
    def __init__(self, kit: Kit, endpoints: Endpoints) -> None:
        self._kit = kit
        self._records = kit.records
        self._endpoints = endpoints

    async def session(self, pool: Pool, client: Client, request: Request) -> SignedInBrowser | None:
        """The browser's, if it is not too old for the client."""
        cookie = request.cookies.get(COOKIE, "")
        found = await self._records.store.get(BrowserSession, pool.id, token_hash(cookie)) if cookie else None
        now = self._records.clock.now()
        if found is None or min(found.expires_at, found.auth_time + sessions.reuse_seconds(pool, client)) <= now:
            return None
        user = await self._records.user_by_key(pool.id, found.user_key)
        return SignedInBrowser(found, user) if user is not None and user.enabled else None

    async def finish(
        self,
        visit: Visit,
        request: Request,
        authorize: AuthorizeRequest,
        passed: Passed,
        remembered: Remembered | None = None,
    ) -> Response:
        """A sign-in succeeded: remember the session, perhaps the device, and send the browser back to the client."""
        user = passed.user
        await finish.post_authentication(self._kit, visit, user, remembered is not None)
        secret, now = self._records.ids.alnum(43), self._records.clock.now()
        seconds = sessions.browser_seconds(visit.pool)
        session = BrowserSession(
            pool_id=visit.pool.id,
            hash=token_hash(secret),
            user_key=user.key,
            expires_at=now + seconds,
            auth_time=int(now),
            client_id=visit.client.id,
            used_at=now,
            ip=visit.ip,
            user_agent=visit.user_agent,
        )
        old = request.cookies.get(COOKIE, "")

        def commit(tx: Tx) -> AuthEvent | None:
            finish.settle(tx, user, passed.attempt, now)
            if old:
                tx.delete(BrowserSession, visit.pool.id, token_hash(old))
            tx.put(session)
            if remembered:
                tx.put(remembered.device)
            return self._kit.threat.record_success(tx, visit, user, passed.attempt, self._records.ids.uuid())

        event = await self._records.store.write(commit)
        self._kit.threat.succeeded(visit, user, event)
        response = await self.send_back(visit, authorize, SignedInBrowser(session, user))
        cookies = [remembered.cookie] if remembered else []
        return response.with_headers(render.cookie(request, COOKIE, secret, seconds), *cookies)

    async def send_back(self, visit: Visit, authorize: AuthorizeRequest, browser: SignedInBrowser) -> Response:
        """With an authorization code, or (implicit) with tokens in the fragment."""
        session = browser.session
        if authorize.response_type == "token":
            return await self._with_tokens(visit, authorize, browser)
        secret = self._records.ids.uuid()
        code = AuthorizationCode(
            hash=token_hash(secret),
            pool_id=visit.pool.id,
            user_key=session.user_key,
            client_id=visit.client.id,
            redirect_uri=authorize.target.redirect_uri,
            scopes=list(authorize.scopes),
            expires_at=self._records.clock.now() + CODE_SECONDS,
            auth_time=session.auth_time,
            nonce=authorize.nonce,
            browser_session=session.id,
            challenge=authorize.challenge,
            challenge_method=authorize.challenge_method,
            resource=authorize.resource,
        )

        def write(tx: Tx) -> None:
            tx.insert(code)
            self._note_use(tx, visit, session)

        await self._records.store.write(write)
        return http.redirect(authorize.target.answer({"code": secret}))

    async def _with_tokens(self, visit: Visit, authorize: AuthorizeRequest, browser: SignedInBrowser) -> Response:
        """RFC 6749, 4.2.2: no refresh token for what runs in a browser."""
        user, session = browser.user, browser.session
        grant = self._endpoints.new_grant(visit, user, session.auth_time, authorize.scopes, authorize.resource)
        grant.browser_session = session.id
        minted = await self._kit.issuer.mint(
            visit.occasion, visit.client, user, grant, "TokenGeneration_HostedAuth", authorize.nonce
        )

        def write(tx: Tx) -> None:
            tx.insert(grant)
            self._note_use(tx, visit, session)

        await self._records.store.write(write)
        parameters = {name: str(value) for name, value in token_response(minted).items()}
        return http.redirect(authorize.target.answer(parameters))

    def _note_use(self, tx: Tx, visit: Visit, session: BrowserSession) -> None:
        """For a pool that asks; a session that was ended meanwhile stays so."""
        current = tx.get(BrowserSession, session.pool_id, session.hash) if sessions.tracked(visit.pool) else None
        if current is not None:
            current.used_at, current.ip, current.user_agent = self._records.clock.now(), visit.ip, visit.user_agent
            tx.put(current)

    async def sign_out(self, pool: Pool, request: Request) -> None:
        cookie = request.cookies.get(COOKIE, "")
        if cookie:
            await self._records.store.write(lambda tx: tx.delete(BrowserSession, pool.id, token_hash(cookie)))
