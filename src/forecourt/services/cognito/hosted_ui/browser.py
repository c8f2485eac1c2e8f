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
from forecourt.store import Tx

COOKIE = "cognito"
CODE_SECONDS = 300
SESSION_MINUTES = 60


class SignedInBrowser(msgspec.Struct, frozen=True):
    session: BrowserSession
    user: User


class Browsers:
    def __init__(self, kit: Kit, endpoints: Endpoints) -> None:
        self._kit = kit
        self._records = kit.records
        self._endpoints = endpoints

    async def session(self, pool: Pool, request: Request) -> SignedInBrowser | None:
        cookie = request.cookies.get(COOKIE, "")
        found = await self._records.store.get(BrowserSession, pool.id, token_hash(cookie)) if cookie else None
        if found is None or found.expires_at <= self._records.clock.now():
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
        minutes = session_minutes(visit.client)
        session = BrowserSession(
            pool_id=visit.pool.id,
            hash=token_hash(secret),
            user_key=user.key,
            expires_at=now + 60 * minutes,
            auth_time=int(now),
            client_id=visit.client.id,
        )
        old = request.cookies.get(COOKIE, "")

        def commit(tx: Tx) -> AuthEvent | None:
            finish.settle(tx, user, passed.attempt, now)
            if old:
                tx.delete(BrowserSession, visit.pool.id, token_hash(old))
            if minutes:
                tx.put(session)
            if remembered:
                tx.put(remembered.device)
            return self._kit.threat.record_success(tx, visit, user, passed.attempt, self._records.ids.uuid())

        event = await self._records.store.write(commit)
        self._kit.threat.succeeded(visit, user, event)
        response = await self.send_back(visit, authorize, user, int(now))
        cookies = [remembered.cookie] if remembered else []
        return response.with_headers(render.cookie(request, COOKIE, secret, 60 * minutes), *cookies)

    async def send_back(self, visit: Visit, authorize: AuthorizeRequest, user: User, auth_time: int) -> Response:
        """With an authorization code, or (implicit) with tokens in the fragment."""
        if authorize.response_type == "token":
            return await self._with_tokens(visit, authorize, user, auth_time)
        secret = self._records.ids.uuid()
        code = AuthorizationCode(
            hash=token_hash(secret),
            pool_id=visit.pool.id,
            user_key=user.key,
            client_id=visit.client.id,
            redirect_uri=authorize.target.redirect_uri,
            scopes=list(authorize.scopes),
            expires_at=self._records.clock.now() + CODE_SECONDS,
            auth_time=auth_time,
            nonce=authorize.nonce,
            challenge=authorize.challenge,
            challenge_method=authorize.challenge_method,
            resource=authorize.resource,
        )
        await self._records.store.write(lambda tx: tx.insert(code))
        return http.redirect(authorize.target.answer({"code": secret}))

    async def _with_tokens(self, visit: Visit, authorize: AuthorizeRequest, user: User, auth_time: int) -> Response:
        """RFC 6749, 4.2.2: no refresh token for what runs in a browser."""
        grant = self._endpoints.new_grant(visit, user, auth_time, authorize.scopes, authorize.resource)
        minted = await self._kit.issuer.mint(
            visit.occasion, visit.client, user, grant, "TokenGeneration_HostedAuth", authorize.nonce
        )
        await self._records.store.write(lambda tx: tx.put(grant))
        parameters = {name: str(value) for name, value in token_response(minted).items()}
        return http.redirect(authorize.target.answer(parameters))

    async def sign_out(self, pool: Pool, request: Request) -> None:
        cookie = request.cookies.get(COOKIE, "")
        if cookie:
            await self._records.store.write(lambda tx: tx.delete(BrowserSession, pool.id, token_hash(cookie)))


def session_minutes(client: Client) -> int:
    configured = client.session_configuration.get("SSOSession", {}).get("MaxValidityMinutes")
    return SESSION_MINUTES if configured is None else int(configured)
