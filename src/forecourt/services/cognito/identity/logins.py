"""Logins: what a client shows of other identity providers, verified against what the pool accepts.

`Logins` maps a provider's name to its token: a user pool (`cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc`, or this
server's own host in its place), a public provider whose tokens are OpenID Connect (Google, Apple), an OIDC provider of
the account, a SAML provider's ARN with its response, or `cognito-identity.amazonaws.com` with a token that the
developer's own backend got.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.auth import jwt, saml
from forecourt.auth.issuer_keys import IssuerKeys
from forecourt.base.call import CallContext, Caller
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ports import TokenRejected, TokenVerifier
from forecourt.base.principal import root
from forecourt.services.cognito.identity.errors import InvalidParameterException, NotAuthorizedException
from forecourt.services.cognito.identity.model import CognitoProvider, IdentityPool
from forecourt.services.cognito.identity.tokens import ISSUER, PROVIDER

_OIDC_ISSUERS = {"accounts.google.com": "https://accounts.google.com", "appleid.apple.com": "https://appleid.apple.com"}


class Login(NamedTuple):
    """`mapping` is what role mappings and tag maps call the provider; `amr` what the login adds to the token's."""

    provider: str
    subject: str
    claims: Mapping[str, Any]
    mapping: str
    amr: tuple[str, ...]


class Logins:
    def __init__(self, verifiers: Sequence[TokenVerifier], keys: IssuerKeys, caller: Caller, clock: Clock) -> None:
        self._verifiers = verifiers
        self._keys = keys
        self._caller = caller
        self._clock = clock

    async def verify(self, pool: IdentityPool, given: Mapping[str, str]) -> list[Login]:
        """Raises `NotAuthorizedException` where one of them is not the provider's."""
        return [await self._verify(pool, provider, token) for provider, token in given.items()]

    async def _verify(self, pool: IdentityPool, provider: str, token: str) -> Login:
        try:
            if provider.startswith("arn:"):
                return await self._saml(pool, provider, token)
            claims = jwt.read(token)
            if clients := [found for found in pool.cognito_providers if _same_pool(found.ProviderName, provider)]:
                return await self._user_pool(pool, provider, clients, token, claims)
            if provider in pool.login_providers:
                return await self._public(pool, provider, claims)
            arn = next((arn for arn in pool.oidc_providers if arn.partition("/")[2] == provider), None)
            if arn is None:
                raise NotAuthorizedException("Token is not from a supported provider of this identity pool.")
            return await self._oidc(arn, pool, provider, token, claims)
        except jwt.JwtInvalid:
            raise NotAuthorizedException("Invalid login token. Not a valid OpenId Connect identity token.") from None
        except TokenRejected as rejected:
            raise NotAuthorizedException(_words(rejected)) from None

    async def _user_pool(
        self, pool: IdentityPool, provider: str, clients: list[CognitoProvider], token: str, found: jwt.Jwt
    ) -> Login:
        issuer = str(found.claims.get("iss", ""))
        if issuer.rpartition("/")[2] != provider.rpartition("/")[2]:
            raise NotAuthorizedException("Invalid login token. Issuer doesn't match providerName")
        own = self._own(issuer)
        if own is None:
            # Anybody can run an issuer whose path ends in the user pool's id.
            raise NotAuthorizedException("Invalid login token. Issuer doesn't match providerName")
        claims = await own.verify(token, issuer)
        if claims.get("token_use") != "id":
            raise NotAuthorizedException("Invalid login token. Not a valid OpenId Connect identity token.")
        audience = _audience(claims, [client.ClientId for client in clients])
        if any(client.ServerSideTokenCheck for client in clients if client.ClientId == audience):
            await self._check_user(pool, provider, claims)
        subject = str(claims.get("sub", ""))
        return Login(
            provider, subject, claims, f"{provider}:{audience}", (provider, f"{provider}:CognitoSignIn:{subject}")
        )

    async def _check_user(self, pool: IdentityPool, provider: str, claims: Mapping[str, Any]) -> None:
        """ServerSideTokenCheck: the user pool is asked whether the user is still there, and enabled."""
        id = provider.rpartition("/")[2]
        context = CallContext(principal=root(pool.account), region=id.partition("_")[0], request_id="")
        params = {"UserPoolId": id, "Username": str(claims.get("cognito:username", ""))}
        try:
            user = await self._caller.call(context, "cognito-idp", "AdminGetUser", params)
        except ServiceError:
            user = {}
        if not user.get("Enabled"):
            raise NotAuthorizedException("Invalid login token. The user is disabled or does not exist.")

    async def _public(self, pool: IdentityPool, provider: str, found: jwt.Jwt) -> Login:
        issuer = _OIDC_ISSUERS.get(provider)
        if issuer is None:
            # Facebook, Amazon and Twitter hand out opaque tokens that only they can check.
            raise InvalidParameterException(f"Forecourt cannot verify tokens of {provider}.")
        if str(found.claims.get("iss", "")).removeprefix("https://") != issuer.removeprefix("https://"):
            raise NotAuthorizedException("Invalid login token. Issuer doesn't match providerName")
        claims = await self._keys.verify(found, issuer)
        _audience(claims, pool.login_providers[provider].split(";"))
        return _login(provider, claims)

    async def _oidc(self, arn: str, pool: IdentityPool, provider: str, token: str, found: jwt.Jwt) -> Login:
        issuer = str(found.claims.get("iss", ""))
        if issuer.partition("://")[2].rstrip("/") != provider:
            raise NotAuthorizedException("Invalid login token. Issuer doesn't match providerName")
        claims = await self._claims(token, issuer, found)
        known = await self._iam(pool, "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        _audience(claims, known.get("ClientIDList") or [])
        return _login(provider, claims)

    async def _saml(self, pool: IdentityPool, provider: str, response: str) -> Login:
        if provider not in pool.saml_providers:
            raise NotAuthorizedException("Token is not from a supported provider of this identity pool.")
        known = await self._iam(pool, "GetSAMLProvider", SAMLProviderArn=provider)
        try:
            found = saml.read(response, known.get("SAMLMetadataDocument") or "<none/>", self._clock.now())
        except saml.SamlRejected as rejected:
            raise NotAuthorizedException(f"Invalid login token. {rejected.message}") from None
        return _login(provider, {"sub": found.subject, **found.tags})

    async def _claims(self, token: str, issuer: str, found: jwt.Jwt) -> Mapping[str, Any]:
        own = self._own(issuer)
        return await (own.verify(token, issuer) if own is not None else self._keys.verify(found, issuer))

    def _own(self, issuer: str) -> TokenVerifier | None:
        return next((verifier for verifier in self._verifiers if verifier.owns(issuer) and issuer != ISSUER), None)

    async def _iam(self, pool: IdentityPool, operation: str, **params: str) -> dict[str, Any]:
        """IAM's provider as the pool's account knows it; empty where it is gone."""
        context = CallContext(principal=root(pool.account), region=pool.region, request_id="")
        try:
            return await self._caller.call(context, "iam", operation, params)
        except ServiceError:
            return {}


def _login(provider: str, claims: Mapping[str, Any]) -> Login:
    subject = str(claims.get("sub", ""))
    return Login(provider, subject, claims, provider, (provider, f"{provider}:OIDC:{subject}"))


def _same_pool(configured: str, given: str) -> bool:
    """By the user pool's id: the host before it may be AWS's or this server's."""
    return configured == given or (
        "/" in configured and "/" in given and configured.rpartition("/")[2] == given.rpartition("/")[2]
    )


def _audience(claims: Mapping[str, Any], accepted: Sequence[str]) -> str:
    found = next((audience for audience in jwt.audiences(claims) if audience in accepted), None)
    if found is None:
        raise NotAuthorizedException("Invalid login token. Incorrect token audience.")
    return found


def _words(rejected: TokenRejected) -> str:
    message = rejected.message
    return message if message.startswith("Invalid login token") else f"Invalid login token. {message}"


def developer_token(given: Mapping[str, str]) -> str | None:
    """The token of a developer-authenticated identity, where that is how the client signs in."""
    return given.get(PROVIDER)
