"""Identities: found or made by their logins, given tokens and credentials, unlinked."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forecourt.base import paging
from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied
from forecourt.base.ids import Ids
from forecourt.base.ports import TokenRejected, WebIdentitySessions
from forecourt.services.cognito.identity.api.pools import Request, Result, page_start
from forecourt.services.cognito.identity.errors import (
    InvalidIdentityPoolConfigurationException,
    InvalidParameterException,
    NotAuthorizedException,
    ResourceConflictException,
    forbidden,
    identity_not_found,
)
from forecourt.services.cognito.identity.logins import Login, Logins, developer_token
from forecourt.services.cognito.identity.model import Identity, IdentityPool
from forecourt.services.cognito.identity.records import Records
from forecourt.services.cognito.identity.roles import principal_tags, role_of
from forecourt.services.cognito.identity.tokens import ISSUER, PROVIDER, OpenIdTokens
from forecourt.store import Tx, position

_SESSION_NAME = "CognitoIdentityCredentials"
_CREDENTIAL_SECONDS = 3600
_TOKEN_SECONDS = 600
_TAGS = "https://aws.amazon.com/tags"

# What a guest may do at most, whatever the role allows.
# https://docs.aws.amazon.com/cognito/latest/developerguide/iam-roles.html#access-policies
_GUEST_SERVICES = (
    "cloudwatch:*", "logs:*", "dynamodb:*", "kinesis:*", "mobileanalytics:*", "s3:*", "ses:*", "sns:*", "sqs:*",
    "lambda:*", "machinelearning:*", "execute-api:*", "iot:*", "gamelift:*", "cognito-identity:*", "cognito-idp:*",
    "cognito-sync:*", "lex:*", "polly:*", "rekognition:*", "translate:*", "comprehend:*", "transcribe:*", "firehose:*",
    "appsync:*", "personalize:*", "mobiletargeting:*", "sdb:*", "sagemaker:InvokeEndpoint", "rum:PutRumEvents",
    "geo:GetMap*", "geo:SearchPlaceIndex*", "geo:GetPlace", "geo:CalculateRoute*", "kms:Encrypt", "kms:Decrypt",
    "kms:GenerateDataKey*",
)  # fmt: skip
_GUEST_POLICY = msgspec.json.encode(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(_GUEST_SERVICES), "Resource": "*"}]}
).decode()


class IdentitiesApi:
    def __init__(
        self,
        records: Records,
        logins: Logins,
        tokens: OpenIdTokens,
        sessions: WebIdentitySessions,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._records = records
        self._logins = logins
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock
        self._ids = ids

    # --- Finding and making ---

    @operation("GetId")
    async def get_id(self, context: CallContext, request: Request) -> Result:
        pool = await self._records.any_pool(request["IdentityPoolId"])
        given = request.get("Logins") or {}
        if not given:
            if not pool.allow_unauthenticated:
                raise NotAuthorizedException("Unauthenticated access is not supported for this identity pool.")
            return {"IdentityId": (await self._make(pool, [])).id}
        if developer_token(given) is not None:
            raise NotAuthorizedException("Invalid login token. Use the identity id that came with the token.")
        logins = await self._logins.verify(pool, given)
        return {"IdentityId": (await self._make(pool, logins)).id}

    async def _make(self, pool: IdentityPool, logins: Sequence[Login]) -> Identity:
        """The identity that has one of the logins, or a new one; it gets the others too."""
        now = self._clock.now()
        fresh = Identity(id=f"{pool.region}:{self._ids.uuid()}", pool=pool.id, created_at=now, modified_at=now)

        def change(tx: Tx) -> Identity:
            found = _holders(tx, pool, logins)
            if len(found) > 1:
                raise ResourceConflictException("Logins belong to more than one identity.")
            identity = found[0] if found else fresh
            _link(tx, identity, logins, now)
            return identity

        return await self._records.store.write(change)

    # --- Tokens and credentials ---

    @operation("GetOpenIdToken")
    async def get_open_id_token(self, context: CallContext, request: Request) -> Result:
        identity, pool, logins = await self._authenticated(request)
        if not pool.allow_classic:
            raise InvalidParameterException("Basic (classic) flow is not enabled, please use enhanced flow.")
        amr = _amr(logins, identity)
        token = await self._tokens.issue(pool, identity.id, amr, principal_tags(pool, logins), _TOKEN_SECONDS)
        return {"IdentityId": identity.id, "Token": token}

    @operation("GetCredentialsForIdentity")
    async def get_credentials_for_identity(self, context: CallContext, request: Request) -> Result:
        identity, pool, logins = await self._authenticated(request)
        role = role_of(pool, logins, request.get("CustomRoleArn"))
        tags = {**_developer_tags(logins), **principal_tags(pool, logins)}
        conditions = {
            f"{PROVIDER}:aud": pool.id,
            f"{PROVIDER}:sub": identity.id,
            f"{PROVIDER}:amr": tuple(_amr(logins, identity)),
        }
        try:
            issued = await self._sessions.assume_with_web_identity(
                role,
                _SESSION_NAME,
                PROVIDER,
                conditions,
                tags,
                _CREDENTIAL_SECONDS,
                () if logins else (_GUEST_POLICY,),
            )
        except AccessDenied:
            raise InvalidIdentityPoolConfigurationException(
                "Invalid identity pool configuration. Check assigned IAM roles for this pool."
            ) from None
        credentials = {
            "AccessKeyId": issued.access_key_id,
            "SecretKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": issued.expires_at,
        }
        return {"IdentityId": identity.id, "Credentials": credentials}

    async def _authenticated(self, request: Request) -> tuple[Identity, IdentityPool, list[Login]]:
        """The identity that a client may act as, and the logins that prove it. Raises `NotAuthorizedException`."""
        identity = await self._records.identity(request["IdentityId"])
        pool = await self._records.any_pool(identity.pool)
        given = dict(request.get("Logins") or {})
        if not given:
            if identity.is_authenticated:
                raise forbidden(identity.id)
            if not pool.allow_unauthenticated:
                raise NotAuthorizedException("Unauthenticated access is not supported for this identity pool.")
            return identity, pool, []
        if (token := developer_token(given)) is not None:
            return identity, pool, [await self._developer_login(identity, pool, token)]
        logins = await self._logins.verify(pool, given)
        return await self._proven(identity, pool, logins), pool, logins

    async def _proven(self, identity: Identity, pool: IdentityPool, logins: Sequence[Login]) -> Identity:
        """One of the logins must be the identity's (or it be a guest, who becomes that user); the others are linked."""
        held = any(identity.logins.get(login.provider) == login.subject for login in logins)
        if not held and identity.is_authenticated:
            raise NotAuthorizedException(
                "Logins don't match. Please include at least one valid login for this identity or identity pool."
            )
        if all(identity.logins.get(login.provider) == login.subject for login in logins):
            return identity
        now = self._clock.now()

        def change(tx: Tx) -> Identity:
            fresh = tx.get(Identity, identity.id)
            if fresh is None:
                raise identity_not_found(identity.id)
            if [found.id for found in _holders(tx, pool, logins) if found.id != fresh.id]:
                raise ResourceConflictException("Logins don't match. They belong to another identity.")
            _link(tx, fresh, logins, now)
            return fresh

        return await self._records.store.write(change)

    async def _developer_login(self, identity: Identity, pool: IdentityPool, token: str) -> Login:
        try:
            claims = await self._tokens.verify(token, ISSUER)
        except TokenRejected as rejected:
            raise NotAuthorizedException(f"Invalid login token. {rejected.message}") from None
        if claims.get("sub") != identity.id or claims.get("aud") != pool.id:
            raise NotAuthorizedException("Invalid login token. Token is not for this identity.")
        amr = tuple(str(item) for item in claims.get("amr") or () if item != "authenticated")
        return Login(PROVIDER, identity.id, claims, PROVIDER, amr)

    # --- Describing and removing ---

    @operation("DescribeIdentity")
    async def describe_identity(self, context: CallContext, request: Request) -> Result:
        identity = await self._own(context, request["IdentityId"])
        return _shown(identity)

    @operation("ListIdentities")
    async def list_identities(self, context: CallContext, request: Request) -> Result:
        pool = await self._records.pool(context.account, context.region, request["IdentityPoolId"])
        limit = request["MaxResults"]
        found = await self._records.store.find(Identity, "by_pool", pool.id, after=page_start(request), limit=limit + 1)
        chosen = found[:limit]
        visible = [identity for identity in chosen if not (request.get("HideDisabled") and identity.disabled)]
        result: Result = {"IdentityPoolId": pool.id, "Identities": [_shown(identity) for identity in visible]}
        if len(found) > limit:
            result["NextToken"] = paging.encode_token(position(chosen[-1], "by_pool", pool.id))
        return result

    @operation("DeleteIdentities")
    async def delete_identities(self, context: CallContext, request: Request) -> Result:
        unprocessed = []
        for id in request["IdentityIdsToDelete"]:
            identity = await self._records.store.get(Identity, id)
            pool = await self._records.any_pool(identity.pool) if identity is not None else None
            if pool is None or (pool.account, pool.region) != (context.account, context.region):
                unprocessed.append({"IdentityId": id, "ErrorCode": "AccessDenied"})
                continue
            await self._records.delete_identity(id)
        return {"UnprocessedIdentityIds": unprocessed}

    @operation("UnlinkIdentity")
    async def unlink_identity(self, context: CallContext, request: Request) -> Result:
        identity, _, _ = await self._authenticated(request)
        now = self._clock.now()

        def change(tx: Tx) -> None:
            fresh = tx.get(Identity, identity.id)
            if fresh is None:
                raise identity_not_found(identity.id)
            for provider in request["LoginsToRemove"]:
                fresh.logins.pop(provider, None)
            fresh.modified_at = now
            fresh.disabled = not fresh.is_authenticated
            tx.put(fresh)

        await self._records.store.write(change)
        return {}

    async def _own(self, context: CallContext, id: str) -> Identity:
        identity = await self._records.identity(id)
        pool = await self._records.any_pool(identity.pool)
        if (pool.account, pool.region) != (context.account, context.region):
            raise identity_not_found(id)
        return identity


def _holders(tx: Tx, pool: IdentityPool, logins: Sequence[Login]) -> list[Identity]:
    found: dict[str, Identity] = {}
    for login in logins:
        for identity in tx.find(Identity, "by_login", pool.id, login.provider, login.subject):
            found[identity.id] = identity
    return list(found.values())


def _link(tx: Tx, identity: Identity, logins: Sequence[Login], now: float) -> None:
    for login in logins:
        identity.logins[login.provider] = login.subject
    identity.modified_at = now
    tx.put(identity)


def _developer_tags(logins: Sequence[Login]) -> dict[str, str]:
    """The tags that the developer's backend had put into its token."""
    found = [
        (login.claims.get(_TAGS) or {}).get("principal_tags") or {} for login in logins if login.provider == PROVIDER
    ]
    return {name: str(values[0]) for tags in found for name, values in tags.items() if values}


def _amr(logins: Sequence[Login], identity: Identity) -> list[str]:
    if not logins:
        return ["unauthenticated"]
    return ["authenticated", *dict.fromkeys(entry for login in logins for entry in login.amr)]


def _shown(identity: Identity) -> Result:
    return {
        "IdentityId": identity.id,
        "Logins": [*identity.logins, *identity.developer],
        "CreationDate": identity.created_at,
        "LastModifiedDate": identity.modified_at,
    }
