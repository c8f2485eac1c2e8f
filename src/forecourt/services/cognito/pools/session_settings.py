"""Whether a pool tracks sessions, how many a user may have, and for how long a client takes a browser's sign-in."""

from __future__ import annotations

from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Client, Pool
from forecourt.services.cognito.pools.pool_rules import require_feature
from forecourt.services.cognito.pools.pools import change_pool
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.users.sessions import DEFAULT_MINUTES, DEFAULT_MOST, tracked
from forecourt.store import Tx

_PAYING = ("ESSENTIALS", "PLUS")
_DEFAULTS = {"UserSessionTracking": "DISABLED", "TokenSession": {"MaxPerUser": DEFAULT_MOST}}


class SessionSettingsApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("SetUserPoolSessionConfiguration")
    async def set_user_pool_session_configuration(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        require_feature(pool.settings["UserPoolTier"], _PAYING, "Session Management")

        def change(current: Pool) -> None:
            current.session_configuration = {name: request[name] for name in _DEFAULTS}

        return _shown_pool(await change_pool(self._records, pool, change))

    @operation("GetUserPoolSessionConfiguration")
    async def get_user_pool_session_configuration(self, context: CallContext, request: Any) -> dict[str, Any]:
        return _shown_pool(await self._records.pool(context, request["UserPoolId"]))

    @operation("SetUserPoolClientSessionConfiguration")
    async def set_user_pool_client_session_configuration(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        require_feature(pool.settings["UserPoolTier"], _PAYING, "Session Management")
        if not tracked(pool):
            raise errors.OperationNotEnabledException("Session tracking is not enabled for this user pool.")
        client = await self._records.client(pool, request["ClientId"])

        def change(tx: Tx) -> Client:
            current = tx.get(Client, pool.id, client.id)
            if current is None:
                raise errors.client_not_found(client.id)
            current.session_configuration = {"SSOSession": request["SSOSession"]}
            tx.put(current)
            return current

        return _shown_client(await self._records.store.write(change))

    @operation("GetUserPoolClientSessionConfiguration")
    async def get_user_pool_client_session_configuration(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        return _shown_client(await self._records.client(pool, request["ClientId"]))


def _shown_pool(pool: Pool) -> dict[str, Any]:
    return {"UserPoolId": pool.id, **_DEFAULTS, **pool.session_configuration}


def _shown_client(client: Client) -> dict[str, Any]:
    default = {"SSOSession": {"MaxValidityMinutes": DEFAULT_MINUTES}}
    return {"UserPoolId": client.pool_id, "ClientId": client.id, **default, **client.session_configuration}
