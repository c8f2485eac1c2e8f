"""The authorization request (RFC 6749, 4.1.1 and 4.2.1; PKCE, RFC 7636; OpenID Connect Core, 3.1.2), judged purely.

Where the client or the redirect URI is not known for certain, the browser must not be sent anywhere: a `PageError`. Any
other complaint goes to the client by way of its redirect URI: a `RedirectError`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

import msgspec

from forecourt.services.cognito.model import Client
from forecourt.services.cognito.oauth import http

_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_RESOURCE = re.compile(r"(?!http://(?!localhost\b))[A-Za-z][A-Za-z0-9+.-]*://[^\s#]+")
_RESPONSE_TYPES = {"code": "code", "token": "implicit"}
KNOWN_PARAMETERS = """
    response_type client_id redirect_uri state scope nonce code_challenge code_challenge_method prompt login_hint lang
    identity_provider idp_identifier max_age resource logout_uri
""".split()  # noqa: SIM905 - a list of words


class PageError(Exception):
    """Shown to the user. `code` is OAuth's."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class RedirectError(Exception):
    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


class Target(msgspec.Struct, frozen=True):
    """Where an answer may be sent: an exactly matching redirect URI of the client."""

    redirect_uri: str
    state: str
    fragment: bool

    def answer(self, parameters: Mapping[str, str]) -> str:
        state = {"state": self.state} if self.state else {}
        return http.with_query(self.redirect_uri, {**parameters, **state}, fragment=self.fragment)

    def error(self, error: RedirectError) -> str:
        described = {"error_description": error.description} if error.description else {}
        return self.answer({"error": error.code, **described})


class AuthorizeRequest(msgspec.Struct, frozen=True):
    """A request that is in order."""

    target: Target
    response_type: str
    scopes: tuple[str, ...]
    nonce: str
    challenge: str
    challenge_method: str
    prompt: str
    login_hint: str
    lang: str
    max_age: int | None
    resource: str


def target(client: Client | None, query: Mapping[str, str], repeated: tuple[str, ...]) -> Target:
    """Raises `PageError`. RFC 6749, 3.1.2.3: redirect URIs are compared as strings."""
    if client is None:
        raise PageError("invalid_request", "Client does not exist.")
    if set(repeated) & set(KNOWN_PARAMETERS):
        raise PageError("invalid_request", "A parameter is given more than once.")
    registered = client.settings.get("CallbackURLs", ())
    given = query.get("redirect_uri") or client.settings.get("DefaultRedirectURI") or _only(registered)
    if not given or given not in registered:
        raise PageError("redirect_mismatch", "The redirect URI is not one of the client's callback URLs.")
    return Target(given, query.get("state", ""), query.get("response_type") == "token")


def judge(client: Client, query: Mapping[str, str], known: Target) -> AuthorizeRequest:
    """Raises `RedirectError`."""
    settings = client.settings
    grant = _RESPONSE_TYPES.get(query.get("response_type", ""))
    if grant is None:
        raise RedirectError("invalid_request", "response_type must be code or token")
    if not settings.get("AllowedOAuthFlowsUserPoolClient") or grant not in settings.get("AllowedOAuthFlows", ()):
        raise RedirectError("unauthorized_client", "the client may not use this grant")
    method = query.get("code_challenge_method", "")
    challenge = query.get("code_challenge", "")
    if bool(challenge) != bool(method) or (method and method != "S256"):
        raise RedirectError("invalid_request", "code_challenge_method should be 'S256'")
    if challenge and not _CHALLENGE.fullmatch(challenge):
        raise RedirectError("invalid_request", "code_challenge is not valid")
    return AuthorizeRequest(
        target=known,
        response_type=query["response_type"],
        scopes=scopes(settings, query.get("scope", "")),
        nonce=query.get("nonce", ""),
        challenge=challenge,
        challenge_method=method,
        prompt=query.get("prompt", ""),
        login_hint=query.get("login_hint", ""),
        lang=query.get("lang", ""),
        max_age=_max_age(query.get("max_age", "")),
        resource=_resource(query.get("resource", "")),
    )


def scopes(settings: Mapping[str, object], asked: str) -> tuple[str, ...]:
    """What was asked for, or everything that the client may have. Raises `RedirectError`."""
    allowed = list(settings.get("AllowedOAuthScopes", ()))  # type: ignore[call-overload]
    wanted = tuple(dict.fromkeys(asked.split())) or tuple(allowed)
    if not wanted or not set(wanted) <= set(allowed):
        raise RedirectError("invalid_scope")
    if set(wanted) & {"email", "phone", "profile"} and "openid" not in wanted:
        raise RedirectError("invalid_scope", "email, phone and profile need openid")
    return wanted


def proves(challenge: str, verifier: str) -> bool:
    """RFC 7636, 4.6, for S256."""
    if not challenge:
        return not verifier
    if not _CHALLENGE.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())


def _only(registered: object) -> str:
    return registered[0] if isinstance(registered, list) and len(registered) == 1 else ""


def _resource(text: str) -> str:
    """RFC 8707, 2: an absolute URI without a fragment; AWS takes https, http on localhost and schemes of apps."""
    if text and not _RESOURCE.fullmatch(text):
        raise RedirectError("invalid_target", "resource is not a URL")
    return text


def _max_age(text: str) -> int | None:
    if text and not text.isdecimal():
        raise RedirectError("invalid_request", "max_age is not a number")
    return int(text) if text else None
