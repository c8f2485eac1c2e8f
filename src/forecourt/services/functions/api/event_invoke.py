"""How asynchronous invocations of a function, version or alias are retried, and where their results go.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, config_position, limit_of, page, position_of
from forecourt.services.functions.errors import InvalidParameterValueException, ResourceNotFoundException
from forecourt.services.functions.model import EventInvokeConfig
from forecourt.services.functions.names import LATEST, FunctionId
from forecourt.services.functions.store import require_qualifier
from forecourt.services.functions.views import event_invoke_view
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        DeleteFunctionEventInvokeConfigRequestTypeDef,
        GetFunctionEventInvokeConfigRequestTypeDef,
        ListFunctionEventInvokeConfigsRequestTypeDef,
        PutFunctionEventInvokeConfigRequestTypeDef,
        UpdateFunctionEventInvokeConfigRequestTypeDef,
    )

_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


class EventInvokeApi(Api):
    @operation("PutFunctionEventInvokeConfig")
    async def put_function_event_invoke_config(
        self, context: CallContext, request: PutFunctionEventInvokeConfigRequestTypeDef
    ) -> dict[str, Any]:
        return await self._put(context, request, keep=False)

    @operation("UpdateFunctionEventInvokeConfig")
    async def update_function_event_invoke_config(
        self, context: CallContext, request: UpdateFunctionEventInvokeConfigRequestTypeDef
    ) -> dict[str, Any]:
        return await self._put(context, request, keep=True)

    async def _put(self, context: CallContext, request: Mapping[str, Any], *, keep: bool) -> dict[str, Any]:
        id = _qualified(self._id(context, request["FunctionName"], request.get("Qualifier")))
        _check(id, request)

        def put(tx: Tx) -> EventInvokeConfig:
            require_qualifier(tx, id)
            config = tx.get(EventInvokeConfig, *id.function, id.qualifier or "")
            if config is None and keep:
                raise _no_event_invoke_config(id)
            if config is None or not keep:
                config = EventInvokeConfig(
                    account=id.account, region=id.region, name=id.name, qualifier=id.qualifier or ""
                )
            _set_event_invoke(config, request)
            config.last_modified = self._clock.now()
            tx.put(config)
            return config

        return event_invoke_view(await self._store.write(put))

    @operation("GetFunctionEventInvokeConfig")
    async def get_function_event_invoke_config(
        self, context: CallContext, request: GetFunctionEventInvokeConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = _qualified(self._id(context, request["FunctionName"], request.get("Qualifier")))
        await self._store.resolve(id)
        config = await self._store.store.get(EventInvokeConfig, *id.function, id.qualifier or "")
        if config is None:
            raise _no_event_invoke_config(id)
        return event_invoke_view(config)

    @operation("ListFunctionEventInvokeConfigs")
    async def list_function_event_invoke_configs(
        self, context: CallContext, request: ListFunctionEventInvokeConfigsRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        await self._store.function(id)
        limit, after = limit_of(request.get("MaxItems")), position_of(request.get("Marker"))
        configs = await self._store.store.list(EventInvokeConfig, *id.function, after=after, limit=limit + 1)
        return page("FunctionEventInvokeConfigs", configs, limit, event_invoke_view, config_position)

    @operation("DeleteFunctionEventInvokeConfig")
    async def delete_function_event_invoke_config(
        self, context: CallContext, request: DeleteFunctionEventInvokeConfigRequestTypeDef
    ) -> None:
        id = _qualified(self._id(context, request["FunctionName"], request.get("Qualifier")))
        await self._store.resolve(id)

        def delete(tx: Tx) -> None:
            if not tx.delete(EventInvokeConfig, *id.function, id.qualifier or ""):
                raise _no_event_invoke_config(id)

        await self._store.write(delete)


def _check(id: FunctionId, request: Mapping[str, Any]) -> None:
    if not any(member in request for member in _SETTINGS):
        raise InvalidParameterValueException("You must specify at least one of error handling or destination setting.")
    for way in (request.get("DestinationConfig") or {}).values():
        target = way.get("Destination", "")
        if target == id._replace(qualifier=None).arn or target.startswith(f"{id._replace(qualifier=None).arn}:"):
            raise InvalidParameterValueException("You can't specify the function as a destination for itself.")


def _set_event_invoke(config: EventInvokeConfig, request: Mapping[str, Any]) -> None:
    if "MaximumRetryAttempts" in request:
        config.maximum_retry_attempts = request["MaximumRetryAttempts"]
    if "MaximumEventAgeInSeconds" in request:
        config.maximum_event_age = request["MaximumEventAgeInSeconds"]
    destinations = request.get("DestinationConfig") or {}
    if "OnSuccess" in destinations:
        config.on_success = destinations["OnSuccess"].get("Destination", "")
    if "OnFailure" in destinations:
        config.on_failure = destinations["OnFailure"].get("Destination", "")


def _no_event_invoke_config(id: FunctionId) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"The function {id.arn} doesn't have an EventInvokeConfig")


def _qualified(id: FunctionId) -> FunctionId:
    return id._replace(qualifier=id.qualifier or LATEST)
