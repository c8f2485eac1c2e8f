"""The endpoints that programs call: /oauth2/token, /oauth2/userInfo, /oauth2/revoke, and the documents of discovery.

RFC 6749 (5, 6), RFC 7009, OpenID Connect Core (5.3) and Discovery, with Cognito's statuses and error codes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.services.cognito import errors, refresh_tokens, secret_hash, tokens
from forecourt.services.cognito.auth import refresh
from forecourt.services.cognito.auth.attempt import Visit
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.issuer import Minted, visible_attributes
from forecourt.services.cognito.model import AuthorizationCode, Client, Grant, Pool, User
from forecourt.services.cognito.oauth import authorize, http
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.store import token_hash
from forecourt.services.cognito.triggers import Occasion
from forecourt.services.cognito.users import sessions
from forecourt.services.cognito.users.bearer import Bearers
from forecourt.store import Tx

_NO_STORE = (("cache-control", "no-store"), ("pragma", "no-cache"))
_NO_GOOD_TOKEN = "Access token is expired, disabled, or deleted, or the user has globally signed out."
CORS = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-headers", "Authorization,Content-Type,X-Amz-User-Agent,X-Amz-Target"),
    ("access-control-allow-methods", "GET,POST,OPTIONS"),
)


class OAuthError(Exception):
    """RFC 6749, 5.2."""

    def __init__(self, code: str, description: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status

    def response(self) -> Response:
        described = {"error_description": self.description} if self.description else {}
        return http.json(self.status, {"error": self.code, **described}, *_NO_STORE)


class Endpoints:
    def __init__(self, kit: Kit, bearers: Bearers) -> None:
        self._kit = kit
        self._records = kit.records
        self._bearers = bearers
        self._grants = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
            "client_credentials": self._by_client_credentials,
        }

    async def token(self, pool: Pool, context: CallContext, request: Request) -> Response:
        try:
            _check_form(request)
            grant = self._grants.get(request.form.get("grant_type", ""))
            if grant is None:
                raise OAuthError("unsupported_grant_type" if request.form.get("grant_type") else "invalid_request")
            client = await self._client(pool, request)
            visit = self.visit(pool, client, context, request, request.form)
            return http.json(200, await grant(visit), *_NO_STORE)
        except OAuthError as error:
            return error.response()
        except ServiceError as error:
            # What a trigger or a quota says.
            return OAuthError("invalid_request", error.message).response()

    async def user_info(self, pool: Pool, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _refused(400, "invalid_request", "Bad OAuth2 request at UserInfo Endpoint")
        try:
            bearer = await self._bearers.bearer(token, "openid")
        except ServiceError:
            return _refused(401, "invalid_token", _NO_GOOD_TOKEN)
        if bearer.pool.id != pool.id:
            return _refused(401, "invalid_token", _NO_GOOD_TOKEN)
        claims = visible_attributes(pool, bearer.client, bearer.user, bearer.scopes)
        shown = {name: _text(value) for name, value in claims.items()}
        return http.json(200, {"sub": bearer.user.sub, **shown, "username": bearer.user.username}, *_NO_STORE)

    async def revoke(self, pool: Pool, request: Request) -> Response:
        try:
            _check_form(request)
            client = await self._client(pool, request)
            token = request.form.get("token", "")
            if not token:
                raise OAuthError("invalid_request")
            if not client.settings.get("EnableTokenRevocation", True):
                raise OAuthError("invalid_request", "Token revocation is not enabled for this client.")
            if token.count(".") == 2:
                raise OAuthError("unsupported_token_type")
            await sessions.revoke(self._records, client, token)
        except errors.UnauthorizedException:
            return OAuthError("invalid_client", status=401).response()
        except OAuthError as error:
            # Here AWS says 401 of a client that it does not know, and at the token endpoint 400.
            status = 401 if error.code == "invalid_client" else error.status
            return OAuthError(error.code, error.description, status).response()
        return Response(200)

    def visit(
        self, pool: Pool, client: Client, context: CallContext, request: Request, parameters: Mapping[str, str]
    ) -> Visit:
        return Visit(
            occasion=Occasion(context=context, pool=pool, client_id=client.id, metadata=_metadata(parameters)),
            client=client,
            flow="",
            parameters=parameters,
            door="browser",
            ip=request.ip,
            user_agent=request.headers.get("user-agent", ""),
        )

    async def _by_code(self, visit: Visit) -> dict[str, Any]:
        form, client = visit.parameters, visit.client
        given, redirect_uri = _required(form, "code"), _required(form, "redirect_uri")
        if "code" not in client.settings.get("AllowedOAuthFlows", ()):
            raise OAuthError("unauthorized_client")
        if redirect_uri not in client.settings.get("CallbackURLs", ()):
            # Where RFC 6749, 5.2 says invalid_grant.
            raise OAuthError("unauthorized_client")
        code = await self._records.store.get(AuthorizationCode, token_hash(given))
        if code is None or (code.pool_id, code.client_id) != (visit.pool.id, client.id):
            raise OAuthError("invalid_grant")
        if code.grant_id:
            await self._records.store.write(lambda tx: _end_grant_of(tx, code))
            raise OAuthError("invalid_grant")
        good = (
            code.expires_at > self._records.clock.now()
            and code.redirect_uri == redirect_uri
            and authorize.proves(code.challenge, form.get("code_verifier", ""))
        )
        user = await self._records.user_by_key(code.pool_id, code.user_key)
        # Signing out everywhere ends codes that are under way, too; `auth_time` is in whole seconds.
        if not good or user is None or not user.enabled or code.auth_time + 1 <= user.tokens_valid_after:
            raise OAuthError("invalid_grant")
        grant = self.new_grant(visit, user, code.auth_time, code.scopes, code.resource)
        grant.browser_session = code.browser_session
        refresh_token = refresh_tokens.renew(self._records, grant)
        minted = await self._kit.issuer.mint(
            visit.occasion, client, user, grant, "TokenGeneration_HostedAuth", code.nonce
        )

        def redeem(tx: Tx) -> bool:
            current = tx.get(AuthorizationCode, code.hash)
            if current is None or current.grant_id:
                _end_grant_of(tx, current)
                return False
            current.grant_id = grant.id
            tx.put(current)
            sessions.begin(tx, visit.pool, grant)
            return True

        if not await self._records.store.write(redeem):
            raise OAuthError("invalid_grant")
        return token_response(minted, refresh_token)

    async def _by_refresh_token(self, visit: Visit) -> dict[str, Any]:
        """`scope` counts for client_credentials only: the new tokens have those of the ones before."""
        token = _required(visit.parameters, "refresh_token")
        try:
            minted, successor, _ = await refresh.exchange(self._kit, visit, token, "")
        except (errors.NotAuthorizedException, errors.RefreshTokenReuseException, errors.UserNotFoundException):
            raise OAuthError("invalid_grant") from None
        return token_response(minted, successor)

    async def _by_client_credentials(self, visit: Visit) -> dict[str, Any]:
        client = visit.client
        if not client.secrets or "client_credentials" not in client.settings.get("AllowedOAuthFlows", ()):
            raise OAuthError("unauthorized_client")
        allowed = [scope for scope in client.settings.get("AllowedOAuthScopes", ()) if "/" in scope]
        asked = visit.parameters.get("scope", "").split() or allowed
        if not asked or not set(asked) <= set(allowed):
            raise OAuthError("invalid_scope")
        minted = await self._kit.issuer.mint_for_client(visit.occasion, client, asked)
        return {"access_token": minted.access, "expires_in": minted.expires_in, "token_type": "Bearer"}

    def new_grant(self, visit: Visit, user: User, auth_time: int, scopes: Sequence[str], resource: str) -> Grant:
        grant = self._kit.issuer.new_grant(visit.client, user, auth_time=auth_time, scopes=scopes)
        grant.hosted, grant.ip, grant.user_agent = True, visit.ip, visit.user_agent
        grant.resource = resource
        return grant

    async def _client(self, pool: Pool, request: Request) -> Client:
        """By HTTP Basic or by the form; a client with a secret must prove it (RFC 6749, 2.3.1)."""
        client_id, secret = _credentials(request)
        client = await self._records.find_client(client_id) if client_id else None
        if client is None or client.pool_id != pool.id:
            raise OAuthError("invalid_client")
        known = self._records.client_secrets(client)
        if bool(known) != bool(secret) or (known and not secret_hash.secret_matches(known, secret)):
            raise OAuthError("invalid_client", "invalid_client_secret" if known else "")
        return client


def token_response(minted: Minted, refresh_token: str = "") -> dict[str, Any]:
    return {
        **({"id_token": minted.id} if minted.id else {}),
        "access_token": minted.access,
        **({"refresh_token": refresh_token} if refresh_token else {}),
        "expires_in": minted.expires_in,
        "token_type": "Bearer",
    }


def discovery(issuer: str, hosted: str) -> dict[str, Any]:
    """OpenID Connect Discovery, 3. `hosted` is the URL of the pool's domain."""
    return {
        "authorization_endpoint": f"{hosted}/oauth2/authorize",
        "end_session_endpoint": f"{hosted}/logout",
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code", "token"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "revocation_endpoint": f"{hosted}/oauth2/revoke",
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": f"{hosted}/oauth2/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "userinfo_endpoint": f"{hosted}/oauth2/userInfo",
    }


def key_set(keys: list[tokens.Key]) -> dict[str, Any]:
    return tokens.jwks(keys)


def _credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request.form.get("client_id", ""), request.form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError("invalid_client") from None
    if request.form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_client")
    return unquote_plus(client_id), unquote_plus(secret)


def _end_grant_of(tx: Tx, code: AuthorizationCode | None) -> None:
    """RFC 6749, 4.1.2: a code that is used twice was stolen; what came of it is revoked."""
    if code is not None:
        tx.delete(Grant, code.pool_id, code.user_key, code.grant_id)


def _check_form(request: Request) -> None:
    """RFC 6749, 3.2: a form, by POST, each parameter once."""
    if request.method != "POST" or not request.form or request.repeated:
        raise OAuthError("invalid_request")


def _refused(status: int, code: str, description: str) -> Response:
    """RFC 6750, 3."""
    challenge = f'Bearer error="{code}", error_description="{description}"'
    return http.json(status, {"error": code, "error_description": description}, ("www-authenticate", challenge))


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise OAuthError("invalid_request", f"{name} is missing")
    return value


def _metadata(parameters: Mapping[str, str]) -> dict[str, str]:
    """`aws_client_metadata`: JSON for the triggers of client_credentials."""
    try:
        return msgspec.json.decode(parameters.get("aws_client_metadata", "{}"), type=dict[str, str])
    except msgspec.DecodeError:
        raise OAuthError("invalid_request", "aws_client_metadata is not a JSON object of strings") from None


def _text(value: Any) -> Any:
    """Cognito's userInfo shows flags as text."""
    return str(value).lower() if isinstance(value, bool) else value
