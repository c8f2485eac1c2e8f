"""Authorizer: who may call, decided by a Lambda function, a user pool or a token's issuer."""

from __future__ import annotations

import re

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.patterns import compile_pattern
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.models import methods_of
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.model import Authorizer, JwtConfiguration, RestApi, describe
from forecourt.services.apigateway.rest.quotas import Quotas, need_room
from forecourt.services.apigateway.rest.snapshots import freeze
from forecourt.services.apigateway.rest.store import Found, patched

DEFAULT_TTL_SECONDS = 300
DEFAULT_IDENTITY_SOURCE = "method.request.header.Authorization"
AUTH_TYPES = {"TOKEN": "custom", "REQUEST": "custom", "COGNITO_USER_POOLS": "cognito_user_pools"}
# Only a Lambda authorizer's results are kept; the others have no TTL.
WITHOUT_TTL = ("COGNITO_USER_POOLS", "JWT")

_NAME = r"[^,\s]+"
_HEADER = re.compile(r"method\.request\.header\.[a-zA-Z0-9._-]+")
_SOURCE = re.compile(rf"method\.request\.(header|querystring)\.{_NAME}|context\.{_NAME}|stageVariables\.{_NAME}")
_ISSUER = re.compile(r"https?://[^\s?#/][^\s?#]*")
# What every JWT authorizer looks at anyway.
_CLAIMS_OF_THEIR_OWN = frozenset({"iss", "aud", "client_id", "exp", "nbf", "iat", "scope", "scp"})


class AuthorizersApi(Noun):
    @operation("CreateAuthorizer")
    async def create_authorizer(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Authorizer:
            api = found.maybe(RestApi, request["restApiId"])
            if api is None:
                # AWS's own answer to an API that is not there, in this operation alone
                raise ConflictException(
                    "Unable to complete operation due to concurrent modification. Please try again later."
                )
            authorizer = new_authorizer(api, request, self.ids.lower(6))
            need_room(found.count(Authorizer, api.id), self.quotas.authorizers, "authorizers")
            need_authorizer(found, authorizer, self.quotas)
            return found.put(authorizer)

        return describe(await self.configuration.write(context, change))

    @operation("GetAuthorizer")
    async def get_authorizer(self, context: CallContext, request: Request) -> Reply:
        key = request["restApiId"], request["authorizerId"]
        return describe(await self.configuration.get(context, Authorizer, *key))

    @operation("GetAuthorizers")
    async def get_authorizers(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        return await self.configuration.page(context, Authorizer, api.id, request=request)

    @operation("UpdateAuthorizer")
    async def update_authorizer(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Authorizer:
            before = found.get(Authorizer, request["restApiId"], request["authorizerId"])
            authorizer = patched(before, patches.AUTHORIZER, request.get("patchOperations"))
            need_authorizer(found, authorizer, self.quotas)
            return found.put(authorizer)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteAuthorizer")
    async def delete_authorizer(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            authorizer = found.get(Authorizer, request["restApiId"], request["authorizerId"])
            for name, method in methods_of(found, authorizer.rest_api_id):
                if method.authorizer_id == authorizer.id:
                    raise ConflictException(
                        f"Cannot delete authorizer '{authorizer.name}', is referenced in method: {name}"
                    )
            found.delete(Authorizer, authorizer.rest_api_id, authorizer.id)

        await self.configuration.write(context, change)

    @operation("TestInvokeAuthorizer")
    async def test_invoke_authorizer(self, context: CallContext, request: Request) -> Reply:
        authorizer = await self.configuration.get(context, Authorizer, request["restApiId"], request["authorizerId"])
        api = await self.configuration.api(context, authorizer.rest_api_id)
        snapshot = await self.configuration.write(context, lambda found: freeze(found, api, "test-invoke"))
        return await self.tools.tester.test_authorizer(context, snapshot, authorizer.id, dict(request))


def new_authorizer(api: RestApi, given: Request, authorizer_id: str) -> Authorizer:
    """An authorizer of these members, with AWS's defaults for the rest."""
    kind = given["type"]
    cognito, ttl = kind == "COGNITO_USER_POOLS", given.get("authorizerResultTtlInSeconds")
    source = given.get("identitySource")
    jwt = given.get("jwtConfiguration")
    return Authorizer(
        account=api.account,
        region=api.region,
        rest_api_id=api.id,
        id=authorizer_id,
        name=given["name"],
        type=kind,
        provider_arns=list(given["providerARNs"]) if given.get("providerARNs") else None,
        auth_type=given.get("authType") or AUTH_TYPES.get(kind),
        authorizer_uri=given.get("authorizerUri"),
        authorizer_credentials=given.get("authorizerCredentials"),
        identity_source=source or (DEFAULT_IDENTITY_SOURCE if cognito else None),
        identity_validation_expression=given.get("identityValidationExpression"),
        authorizer_result_ttl_in_seconds=ttl if ttl is not None or kind in WITHOUT_TTL else DEFAULT_TTL_SECONDS,
        jwt_configuration=msgspec.convert(jwt, JwtConfiguration) if jwt else None,
    )


def need_authorizer(found: Found, authorizer: Authorizer, quotas: Quotas) -> None:
    if not authorizer.name.strip():
        raise BadRequestException("Authorizer name must be non-empty")
    for other in found.all(Authorizer, authorizer.rest_api_id):
        if other.name == authorizer.name and other.id != authorizer.id:
            raise ConflictException(
                f"Authorizer name must be unique. Authorizer {authorizer.name} already exists in this RestApi."
            )
    ttl = authorizer.authorizer_result_ttl_in_seconds or 0
    if not 0 <= ttl <= quotas.authorizer_ttl_max_seconds:
        raise BadRequestException(f"Authorizer result TTL must be between 0 and {quotas.authorizer_ttl_max_seconds}")
    _NEEDS[authorizer.type](authorizer)


def _need_token(authorizer: Authorizer) -> None:
    _need_uri(authorizer)
    _need_one_header(authorizer)
    try:
        compile_pattern(authorizer.identity_validation_expression or "")
    except ValueError:
        raise BadRequestException("Invalid identity validation expression specified") from None


def _need_one_header(authorizer: Authorizer) -> None:
    if not _HEADER.fullmatch(authorizer.identity_source or ""):
        raise BadRequestException(
            f"Invalid token source expression: {authorizer.identity_source}. The source must be a method request "
            "header, matching 'method.request.header.[a-zA-Z0-9._-]+'."
        )


def _need_request(authorizer: Authorizer) -> None:
    _need_uri(authorizer)
    sources = [source.strip() for source in (authorizer.identity_source or "").split(",") if source.strip()]
    if not sources and authorizer.authorizer_result_ttl_in_seconds:
        raise BadRequestException("Identity source must be specified when authorizer caching is enabled")
    if any(not _SOURCE.fullmatch(source) for source in sources):
        raise BadRequestException(f"Invalid identity source specified: {authorizer.identity_source}")


def _need_user_pools(authorizer: Authorizer) -> None:
    arns = authorizer.provider_arns or []
    if not arns or any(_service(arn) != "cognito-idp" for arn in arns):
        raise BadRequestException("Invalid User Pool ARN specified. At least one valid user pool ARN is required")


def _need_jwt(authorizer: Authorizer) -> None:
    _need_one_header(authorizer)
    configuration = authorizer.jwt_configuration
    if configuration is None or not configuration.issuers:
        raise _bad_jwt("At least one issuer is required")
    if not configuration.default_algorithms:
        raise _bad_jwt("At least one algorithm is required")
    names = [issuer.issuer for issuer in configuration.issuers]
    if len(set(names)) < len(names):
        raise _bad_jwt("Issuers must be unique")
    for issuer in configuration.issuers:
        # AWS demands https; an issuer on this machine often has none.
        if not _ISSUER.fullmatch(issuer.issuer):
            raise _bad_jwt("An issuer must be an absolute URL without a query string or fragment")
        if not issuer.audiences:
            raise _bad_jwt("At least one audience is required for each issuer")
        for claim in issuer.additional_claims or ():
            if claim.claim_name in _CLAIMS_OF_THEIR_OWN:
                raise _bad_jwt(f"{claim.claim_name} cannot be an additional claim")
            if claim.expected_values is not None and not claim.expected_values:
                raise _bad_jwt(f"At least one expected value is required for {claim.claim_name}")


def _bad_jwt(reason: str) -> BadRequestException:
    return BadRequestException(f"Invalid JWT configuration specified. {reason}")


def _need_uri(authorizer: Authorizer) -> None:
    if _service(authorizer.authorizer_uri or "") != "apigateway":
        raise BadRequestException(
            "Invalid Authorizer URI: the authorizer URI must be a Lambda function's invocation ARN"
        )


def _service(arn: str) -> str | None:
    try:
        return Arn.parse(arn).service
    except ValueError:
        return None


_NEEDS = {
    "TOKEN": _need_token,
    "REQUEST": _need_request,
    "COGNITO_USER_POOLS": _need_user_pools,
    "JWT": _need_jwt,
}
