"""Function URLs. `urls/` answers their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, config_position, limit_of, page, position_of
from forecourt.services.functions.errors import (
    ResourceConflictException,
    ResourceNotFoundException,
)
from forecourt.services.functions.model import UrlConfig
from forecourt.services.functions.store import require_qualifier
from forecourt.services.functions.views import url_view
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        CreateFunctionUrlConfigRequestTypeDef,
        DeleteFunctionUrlConfigRequestTypeDef,
        GetFunctionUrlConfigRequestTypeDef,
        ListFunctionUrlConfigsRequestTypeDef,
        UpdateFunctionUrlConfigRequestTypeDef,
    )


class UrlsApi(Api):
    @operation("CreateFunctionUrlConfig")
    async def create_function_url_config(
        self, context: CallContext, request: CreateFunctionUrlConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        now = self._now()
        config = UrlConfig(
            account=id.account,
            region=id.region,
            name=id.name,
            qualifier=id.qualifier or "",
            id=self._ids.lower(32),
            auth_type=request["AuthType"],
            invoke_mode=request.get("InvokeMode", "BUFFERED"),
            cors=dict(request["Cors"]) if "Cors" in request else None,
            created_at=now,
            last_modified=now,
        )

        def create(tx: Tx) -> None:
            require_qualifier(tx, id)
            tx.insert(config)

        try:
            await self._store.write(create)
        except AlreadyExists:
            raise ResourceConflictException(
                f"Failed to create function url config for [functionArn = {id.arn}]. Error message:  "
                "FunctionUrlConfig exists for this Lambda function"
            ) from None
        return url_view(config, context.public_url)

    @operation("GetFunctionUrlConfig")
    async def get_function_url_config(
        self, context: CallContext, request: GetFunctionUrlConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        config = await self._store.store.get(UrlConfig, *id.function, id.qualifier or "")
        if config is None:
            raise _no_url()
        return {**url_view(config, context.public_url), "LastModifiedTime": config.last_modified}

    @operation("UpdateFunctionUrlConfig")
    async def update_function_url_config(
        self, context: CallContext, request: UpdateFunctionUrlConfigRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))

        def update(tx: Tx) -> UrlConfig:
            config = tx.get(UrlConfig, *id.function, id.qualifier or "")
            if config is None:
                raise _no_url()
            config.auth_type = request.get("AuthType", config.auth_type)
            config.invoke_mode = request.get("InvokeMode", config.invoke_mode)
            config.cors = dict(request["Cors"]) if "Cors" in request else config.cors
            config.last_modified = self._now()
            tx.put(config)
            return config

        config = await self._store.write(update)
        return {**url_view(config, context.public_url), "LastModifiedTime": config.last_modified}

    @operation("DeleteFunctionUrlConfig")
    async def delete_function_url_config(
        self, context: CallContext, request: DeleteFunctionUrlConfigRequestTypeDef
    ) -> None:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))

        def delete(tx: Tx) -> None:
            if not tx.delete(UrlConfig, *id.function, id.qualifier or ""):
                raise _no_url()

        await self._store.write(delete)

    @operation("ListFunctionUrlConfigs")
    async def list_function_url_configs(
        self, context: CallContext, request: ListFunctionUrlConfigsRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        await self._store.function(id)
        limit, after = limit_of(request.get("MaxItems")), position_of(request.get("Marker"))
        configs = await self._store.store.list(UrlConfig, *id.function, after=after, limit=limit + 1)
        return page(
            "FunctionUrlConfigs",
            configs,
            limit,
            lambda config: {**url_view(config, context.public_url), "LastModifiedTime": config.last_modified},
            config_position,
        )


def _no_url() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")
