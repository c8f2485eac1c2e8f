"""App clients and their secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors, tokens
from forecourt.services.cognito.model import Client, ClientSecret, Pool, ResourceServer
from forecourt.services.cognito.pools import defaults, paging
from forecourt.services.cognito.store import Records
from forecourt.store import Tx, position

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_STANDARD_SCOPES = {"openid", "email", "phone", "profile", tokens.SIGN_IN_SCOPE}
_MOST_SECRETS = 2
_DAY = 86400
# https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-with-identity-providers.html
_VALIDITY_LIMITS = {
    "AccessToken": (300, _DAY, "access token"),
    "IdToken": (300, _DAY, "id token"),
    "RefreshToken": (3600, 3650 * _DAY, "refresh token"),
}


class ClientsApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("CreateUserPoolClient")
    async def create_user_pool_client(
        self, context: CallContext, request: t.CreateUserPoolClientRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        settings = defaults.client_settings(request)
        await self._check(pool, settings)
        now = self._records.clock.now()
        client = Client(
            pool_id=pool.id,
            id=self._records.ids.lower(26),
            name=request["ClientName"],
            created_at=now,
            modified_at=now,
            settings=settings,
        )
        secret = request.get("ClientSecret") or (self._records.ids.lower(52) if request.get("GenerateSecret") else None)
        if secret:
            client.secrets = [self._new_secret(secret)]
        await self._records.store.write(lambda tx: tx.insert(client))
        return {"UserPoolClient": defaults.shown_client(client, secret)}

    @operation("DescribeUserPoolClient")
    async def describe_user_pool_client(
        self, context: CallContext, request: t.DescribeUserPoolClientRequestTypeDef
    ) -> dict[str, Any]:
        client = await self._client(context, request)
        return {"UserPoolClient": defaults.shown_client(client, self._shown_secret(client))}

    @operation("UpdateUserPoolClient")
    async def update_user_pool_client(
        self, context: CallContext, request: t.UpdateUserPoolClientRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        client = await self._records.client(pool, request["ClientId"])
        settings = defaults.client_settings(request)
        await self._check(pool, settings)

        def update(current: Client) -> None:
            current.settings = settings
            current.name = request.get("ClientName", current.name)

        client = await self._change(client, update)
        return {"UserPoolClient": defaults.shown_client(client, self._shown_secret(client))}

    @operation("DeleteUserPoolClient")
    async def delete_user_pool_client(
        self, context: CallContext, request: t.DeleteUserPoolClientRequestTypeDef
    ) -> dict[str, Any]:
        client = await self._client(context, request)
        await self._records.store.write(lambda tx: tx.delete(Client, client.pool_id, client.id))
        return {}

    @operation("ListUserPoolClients")
    async def list_user_pool_clients(
        self, context: CallContext, request: t.ListUserPoolClientsRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        clients, token = await paging.page(
            self._records.store, Client, pool.id, token=request.get("NextToken"), limit=request.get("MaxResults")
        )
        brief = [{"ClientId": c.id, "UserPoolId": c.pool_id, "ClientName": c.name} for c in clients]
        return paging.with_token({"UserPoolClients": brief}, "NextToken", token)

    @operation("AddUserPoolClientSecret")
    async def add_user_pool_client_secret(
        self, context: CallContext, request: t.AddUserPoolClientSecretRequestTypeDef
    ) -> dict[str, Any]:
        client = await self._client(context, request)
        value = request.get("ClientSecret") or self._records.ids.lower(52)
        secret = self._new_secret(value)

        def add(current: Client) -> None:
            if len(current.secrets) >= _MOST_SECRETS:
                raise errors.LimitExceededException(f"A client can have up to {_MOST_SECRETS} secrets.")
            current.secrets = [*current.secrets, secret]

        await self._change(client, add)
        return {"ClientSecretDescriptor": {**_described(secret), "ClientSecretValue": value}}

    @operation("DeleteUserPoolClientSecret")
    async def delete_user_pool_client_secret(
        self, context: CallContext, request: t.DeleteUserPoolClientSecretRequestTypeDef
    ) -> dict[str, Any]:
        client = await self._client(context, request)
        secret_id = request["ClientSecretId"]

        def delete(current: Client) -> None:
            kept = [secret for secret in current.secrets if secret.id != secret_id]
            if len(kept) == len(current.secrets):
                raise errors.ResourceNotFoundException(f"Client secret {secret_id} does not exist.")
            if not kept:
                raise errors.InvalidParameterException("The last secret of a client can not be deleted.")
            current.secrets = kept

        await self._change(client, delete)
        return {}

    @operation("ListUserPoolClientSecrets")
    async def list_user_pool_client_secrets(
        self, context: CallContext, request: t.ListUserPoolClientSecretsRequestTypeDef
    ) -> dict[str, Any]:
        client = await self._client(context, request)
        return {"ClientSecrets": [_described(secret) for secret in client.secrets]}

    async def _client(self, context: CallContext, request: Mapping[str, Any]) -> Client:
        pool = await self._records.pool(context, request["UserPoolId"])
        return await self._records.client(pool, request["ClientId"])

    async def _change(self, client: Client, change: Any) -> Client:
        def apply(tx: Tx) -> Client:
            current = tx.get(Client, *position(client))
            if current is None:
                raise errors.client_not_found(client.id)
            change(current)
            current.modified_at = self._records.clock.now()
            tx.put(current)
            return current

        return await self._records.store.write(apply)

    def _new_secret(self, value: str) -> ClientSecret:
        sealed = self._records.sealer.seal(value.encode(), "cognito.client-secret")
        return ClientSecret(self._records.ids.uuid(), sealed, self._records.clock.now())

    def _shown_secret(self, client: Client) -> str | None:
        """The newest."""
        secrets = self._records.client_secrets(client)
        return secrets[-1] if secrets else None

    async def _check(self, pool: Pool, settings: Mapping[str, Any]) -> None:
        """What the model does not say of a client. Nothing is changed where this raises."""
        check_validity(settings)
        _check_flows(settings)
        _check_urls([*settings.get("CallbackURLs", ()), *settings.get("LogoutURLs", ())])
        _check_attributes(pool, settings)
        for provider in settings.get("SupportedIdentityProviders", ()):
            if provider != "COGNITO":
                raise errors.InvalidParameterException(
                    f"The provider {provider} does not exist for User Pool {pool.id}"
                )
        default = settings.get("DefaultRedirectURI")
        if default and default not in settings.get("CallbackURLs", ()):
            raise errors.InvalidParameterException("Default redirect URI must be in the CallbackURLs list.")
        servers = await self._records.store.list(ResourceServer, pool.id)
        known = {f"{server.identifier}/{scope['ScopeName']}" for server in servers for scope in server.scopes}
        unknown = [s for s in settings.get("AllowedOAuthScopes", ()) if s not in known | _STANDARD_SCOPES]
        if unknown:
            raise errors.ScopeDoesNotExistException(f"{','.join(unknown)} are not valid scopes.")


def check_validity(settings: Mapping[str, Any]) -> None:
    for token, (shortest, longest, spoken) in _VALIDITY_LIMITS.items():
        seconds = tokens.validity_seconds(settings, token)
        if not shortest <= seconds <= longest:
            raise errors.InvalidParameterException(
                f"Invalid range for token validity: {spoken} validity must be between {shortest} and {longest} seconds."
            )
    refresh = tokens.validity_seconds(settings, "RefreshToken")
    if any(tokens.validity_seconds(settings, token) > refresh for token in ("AccessToken", "IdToken")):
        raise errors.InvalidParameterException(
            "Refresh token validity must be longer than access and ID token validity."
        )


def _check_flows(settings: Mapping[str, Any]) -> None:
    flows = settings.get("ExplicitAuthFlows", ())
    old = {"ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH"}
    if any(flow in old for flow in flows) and any(flow not in old for flow in flows):
        raise errors.InvalidParameterException(
            "Cannot mix the legacy ExplicitAuthFlows with values that have the ALLOW_ prefix."
        )
    grants = set(settings.get("AllowedOAuthFlows", ()))
    if "client_credentials" in grants and len(grants) > 1:
        raise errors.InvalidOAuthFlowException(
            "client_credentials flow can not be selected along with code flow or implicit flow"
        )
    rotates = settings.get("RefreshTokenRotation", {}).get("Feature") == "ENABLED"
    if rotates and "ALLOW_REFRESH_TOKEN_AUTH" in flows:
        raise errors.InvalidParameterException(
            "Refresh token rotation cannot be enabled along with ALLOW_REFRESH_TOKEN_AUTH."
        )


def _check_urls(urls: Iterable[str]) -> None:
    """HTTPS, an app's own scheme, or plain HTTP to this machine; never a fragment (RFC 6749, 3.1.2)."""
    for url in urls:
        parts = urlsplit(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.scheme or "#" in url or (parts.scheme == "http" and not local):
            raise errors.InvalidParameterException(
                f"{url} is not a valid URL: it must use HTTPS (except for localhost) and have no fragment."
            )
        if parts.scheme.lower() in ("javascript", "data", "vbscript"):
            raise errors.InvalidParameterException(f"{url} is not a valid URL.")


def _check_attributes(pool: Pool, settings: Mapping[str, Any]) -> None:
    known = {attribute["Name"] for attribute in pool.schema}
    for name in ("ReadAttributes", "WriteAttributes"):
        unknown = [attribute for attribute in settings.get(name, ()) if attribute not in known]
        if unknown:
            raise errors.InvalidParameterException(
                f"Invalid {name[0].lower()}{name[1:]} specified while creating a client"
            )
    listed = settings.get("WriteAttributes")
    required = {a["Name"] for a in pool.schema if a["Required"] and a["Name"] != "sub"}
    if listed and not required <= set(listed):
        raise errors.InvalidParameterException(
            "Invalid write attributes specified while creating a client: required attributes must be writable"
        )


def _described(secret: ClientSecret) -> dict[str, Any]:
    return {"ClientSecretId": secret.id, "ClientSecretCreateDate": secret.created_at}
