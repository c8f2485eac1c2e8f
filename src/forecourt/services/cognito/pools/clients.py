"""App clients and their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Client, ClientSecret, Pool, ResourceServer
from forecourt.services.cognito.pools import client_rules, defaults, paging
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.store import Records
from forecourt.store import Tx, position

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t


class ClientsApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("CreateUserPoolClient")
    async def create_user_pool_client(
        self, context: CallContext, request: t.CreateUserPoolClientRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        settings = defaults.client_settings(request)
        secret = self._first_secret(request)
        await self._check(pool, settings, secret=secret is not None)
        now = self._records.clock.now()
        client = Client(
            pool_id=pool.id,
            id=self._records.ids.lower(26),
            name=request["ClientName"],
            created_at=now,
            modified_at=now,
            settings=settings,
        )
        if secret:
            client.secrets = [self._new_secret(secret)]

        def insert(tx: Tx) -> None:
            need_room(tx.count(Client, pool.id), self._records.quotas.clients, "clients of this user pool")
            tx.insert(client)

        await self._records.store.write(insert)
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
        await self._check(pool, settings, secret=bool(client.secrets))

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
        # None has registered itself.
        wanted = clients if request.get("ClientType") != "DCR" else ()
        brief = [{"ClientId": c.id, "UserPoolId": c.pool_id, "ClientName": c.name} for c in wanted]
        return paging.with_token({"UserPoolClients": brief}, "NextToken", token)

    @operation("AddUserPoolClientSecret")
    async def add_user_pool_client_secret(
        self, context: CallContext, request: t.AddUserPoolClientSecretRequestTypeDef
    ) -> dict[str, Any]:
        client = await self._client(context, request)
        value = request.get("ClientSecret") or self._records.ids.lower(52)
        secret = self._new_secret(value)

        def add(current: Client) -> None:
            if not current.secrets:
                raise errors.InvalidParameterException("A secret can only be added to a client that has one.")
            need_room(len(current.secrets), self._records.quotas.secrets_per_client, "secrets of this client")
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

    def _first_secret(self, request: Mapping[str, Any]) -> str | None:
        if not request.get("GenerateSecret"):
            return request.get("ClientSecret")
        if request.get("ClientSecret"):
            raise errors.InvalidParameterException("GenerateSecret and ClientSecret cannot be used together.")
        return self._records.ids.lower(52)

    def _new_secret(self, value: str) -> ClientSecret:
        sealed = self._records.sealer.seal(value.encode(), "cognito.client-secret")
        return ClientSecret(self._records.ids.uuid(), sealed, self._records.clock.now())

    def _shown_secret(self, client: Client) -> str | None:
        """The newest."""
        secrets = self._records.client_secrets(client)
        return secrets[-1] if secrets else None

    async def _check(self, pool: Pool, settings: Mapping[str, Any], *, secret: bool) -> None:
        servers = await self._records.store.list(ResourceServer, pool.id)
        scopes = {f"{server.identifier}/{scope['ScopeName']}" for server in servers for scope in server.scopes}
        client_rules.check(pool, settings, secret=secret, custom_scopes=scopes)


def _described(secret: ClientSecret) -> dict[str, Any]:
    return {"ClientSecretId": secret.id, "ClientSecretCreateDate": secret.created_at}
