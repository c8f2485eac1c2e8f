"""InitiateAuth, RespondToAuthChallenge, their administrators' twins, refresh and revocation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors, secret_hash
from forecourt.services.cognito.auth import finish, flow, refresh
from forecourt.services.cognito.auth.attempt import Attempt, Outcome, Passed, Visit
from forecourt.services.cognito.auth.kit import Kit, names_of
from forecourt.services.cognito.auth.visits import admin_visit, visit_of
from forecourt.services.cognito.credentials import allowed_flows
from forecourt.services.cognito.model import Client
from forecourt.services.cognito.users import sessions

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_REFRESH = ("REFRESH_TOKEN_AUTH", "REFRESH_TOKEN")
_OLD_NAMES = {"ADMIN_NO_SRP_AUTH": "ADMIN_USER_PASSWORD_AUTH"}


class AuthApi:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    @operation("InitiateAuth")
    async def initiate_auth(self, context: CallContext, request: t.InitiateAuthRequestTypeDef) -> dict[str, Any]:
        visit = await visit_of(self._kit.records, context, request, _flow(request))
        return await self._initiate(visit, request)

    @operation("AdminInitiateAuth")
    async def admin_initiate_auth(
        self, context: CallContext, request: t.AdminInitiateAuthRequestTypeDef
    ) -> dict[str, Any]:
        visit = await admin_visit(self._kit.records, context, request, _flow(request))
        return await self._initiate(visit, request)

    @operation("RespondToAuthChallenge")
    async def respond_to_auth_challenge(
        self, context: CallContext, request: t.RespondToAuthChallengeRequestTypeDef
    ) -> dict[str, Any]:
        visit = await visit_of(self._kit.records, context, request)
        return await self._respond(visit, request)

    @operation("AdminRespondToAuthChallenge")
    async def admin_respond_to_auth_challenge(
        self, context: CallContext, request: t.AdminRespondToAuthChallengeRequestTypeDef
    ) -> dict[str, Any]:
        visit = await admin_visit(self._kit.records, context, request)
        return await self._respond(visit, request)

    @operation("GetTokensFromRefreshToken")
    async def get_tokens_from_refresh_token(
        self, context: CallContext, request: t.GetTokensFromRefreshTokenRequestTypeDef
    ) -> dict[str, Any]:
        visit = await visit_of(self._kit.records, context, request)
        check_client_secret(self._kit, visit.client, request.get("ClientSecret"))
        minted, successor, _ = await refresh.exchange(
            self._kit, visit, request["RefreshToken"], request.get("DeviceKey", "")
        )
        return {"AuthenticationResult": finish.authentication_result(minted, successor)}

    @operation("RevokeToken")
    async def revoke_token(self, context: CallContext, request: t.RevokeTokenRequestTypeDef) -> dict[str, Any]:
        try:
            _, client = await self._kit.records.client_and_pool(request["ClientId"])
            check_client_secret(self._kit, client, request.get("ClientSecret"))
        except (errors.NotAuthorizedException, errors.ResourceNotFoundException) as error:
            raise errors.UnauthorizedException(error.message) from None
        if not client.settings.get("EnableTokenRevocation", True):
            raise errors.UnsupportedOperationException("Token revocation is not enabled for this client.")
        if request["Token"].count(".") == 2:
            raise errors.UnsupportedTokenTypeException("Only refresh tokens can be revoked.")
        await sessions.revoke(self._kit.records, client, request["Token"])
        return {}

    @operation("GetClientToken")
    async def get_client_token(self, context: CallContext, request: Any) -> dict[str, Any]:
        """`client_credentials` without a domain."""
        visit = await visit_of(self._kit.records, context, request)
        client = visit.client
        check_client_secret(self._kit, client, request.get("Secret"))
        if not client.secrets or "client_credentials" not in client.settings.get("AllowedOAuthFlows", ()):
            raise errors.NotAuthorizedException("The client may not use client_credentials.")
        allowed = [scope for scope in client.settings.get("AllowedOAuthScopes", ()) if "/" in scope]
        scopes = request.get("Scopes") or allowed
        if not set(scopes) <= set(allowed):
            raise errors.InvalidParameterException("A scope is not allowed for the client.")
        minted = await self._kit.issuer.mint_for_client(visit.occasion, client, scopes)
        return {"ClientAuthenticationResult": finish.authentication_result(minted)}

    async def _initiate(self, visit: Visit, request: Mapping[str, Any]) -> dict[str, Any]:
        if visit.flow in _REFRESH:
            _check_refresh_allowed(visit)
            return {"ChallengeParameters": {}, "AuthenticationResult": await refresh.by_flow(self._kit, visit)}
        if visit.flow == "USER_AUTH" and request.get("Session"):
            return await self._answer(visit, await self._after_sign_up(visit, request["Session"]))
        return await self._answer(visit, await flow.initiate(self._kit, visit))

    async def _respond(self, visit: Visit, request: Mapping[str, Any]) -> dict[str, Any]:
        outcome = await flow.respond(self._kit, visit, request["ChallengeName"], request.get("Session"))
        return await self._answer(visit, outcome)

    async def _answer(self, visit: Visit, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, Passed):
            signed_in = await finish.sign_in(self._kit, visit, outcome)
            return {"ChallengeParameters": {}, "AuthenticationResult": signed_in.result()}
        session = (
            {} if _carries_itself(outcome.name, outcome.attempt) else {"Session": flow.session_of(self._kit, outcome)}
        )
        return {
            "ChallengeName": outcome.name,
            **session,
            "ChallengeParameters": outcome.parameters,
            **({"AvailableChallenges": list(outcome.available)} if outcome.available else {}),
        }

    async def _after_sign_up(self, visit: Visit, session: str) -> Outcome:
        """The session of ConfirmSignUp: the user has just proven the address he signed up with."""
        attempt = await flow.open_session(self._kit, session)
        if (attempt.client_id, attempt.challenges) != (visit.client.id, ["SIGN_UP_CONFIRMED"]):
            raise errors.invalid_session()
        if "ALLOW_USER_AUTH" not in allowed_flows(visit.client.settings):
            raise errors.InvalidParameterException("USER_AUTH flow not enabled for this client")
        user = await self._kit.known_user(attempt)
        username = visit.parameters.get("USERNAME", "")
        if username not in {attempt.username, *names_of(user)}:
            raise errors.invalid_session()
        self._kit.check_status(user)
        attempt.passed = ["SIGN_UP"]
        return await flow.follow(self._kit, visit, (attempt, user))


def check_client_secret(kit: Kit, client: Client, given: str | None) -> None:
    """Where the secret itself is sent, not a hash of it."""
    if not client.secrets:
        if given:
            raise errors.NotAuthorizedException("Invalid client secret.")
        return
    if not given or not secret_hash.secret_matches(kit.records.client_secrets(client), given):
        raise errors.NotAuthorizedException("Invalid client secret.")


def _flow(request: Mapping[str, Any]) -> str:
    flow_name = str(request["AuthFlow"])
    return _OLD_NAMES.get(flow_name, flow_name)


def _check_refresh_allowed(visit: Visit) -> None:
    if (
        "ALLOW_REFRESH_TOKEN_AUTH" not in allowed_flows(visit.client.settings)
        and refresh.rotation(visit.client.settings) is None
    ):
        raise errors.InvalidParameterException("Auth flow not enabled for this client")


def _carries_itself(name: str, attempt: Attempt) -> bool:
    """In USER_SRP_AUTH AWS sends no session along with SECRET_BLOCK."""
    return name == "PASSWORD_VERIFIER" and attempt.flow == "USER_SRP_AUTH"
