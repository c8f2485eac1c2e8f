"""Code signing configurations: which signed code a function takes.

Nothing here is signed, since there is no AWS Signer: a configuration that warns lets every package in, one that
enforces lets none in.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, limit_of, page, position_of
from forecourt.services.functions.errors import (
    CodeSigningConfigNotFoundException,
    CodeVerificationFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from forecourt.services.functions.model import CodeSigningConfig, Function
from forecourt.services.functions.store import require
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        CreateCodeSigningConfigRequestTypeDef,
        DeleteCodeSigningConfigRequestTypeDef,
        DeleteFunctionCodeSigningConfigRequestTypeDef,
        GetCodeSigningConfigRequestTypeDef,
        GetFunctionCodeSigningConfigRequestTypeDef,
        ListCodeSigningConfigsRequestTypeDef,
        ListFunctionsByCodeSigningConfigRequestTypeDef,
        PutFunctionCodeSigningConfigRequestTypeDef,
        UpdateCodeSigningConfigRequestTypeDef,
    )

_PREFIX = "code-signing-config:"
_WARN, _ENFORCE = "Warn", "Enforce"


class CodeSigningApi(Api):
    @operation("CreateCodeSigningConfig")
    async def create_code_signing_config(
        self, context: CallContext, request: CreateCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        config = CodeSigningConfig(
            account=context.account,
            region=context.region,
            id=f"csc-{self._ids.lower(17)}",
            description=request.get("Description", ""),
            publishers=list(request["AllowedPublishers"]["SigningProfileVersionArns"]),
            policy=request.get("CodeSigningPolicies", {}).get("UntrustedArtifactOnDeployment", _WARN),
            last_modified=self._now(),
            tags=dict(request.get("Tags") or {}),
        )
        await self._store.write(lambda tx: tx.insert(config))
        return {"CodeSigningConfig": _view(config)}

    @operation("GetCodeSigningConfig")
    async def get_code_signing_config(
        self, context: CallContext, request: GetCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        arn = request["CodeSigningConfigArn"]
        return {"CodeSigningConfig": _view(_found(await self._store.store.get(CodeSigningConfig, *_key(arn)), arn))}

    @operation("UpdateCodeSigningConfig")
    async def update_code_signing_config(
        self, context: CallContext, request: UpdateCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        arn = request["CodeSigningConfigArn"]

        def update(tx: Tx) -> CodeSigningConfig:
            config = _found(tx.get(CodeSigningConfig, *_key(arn)), arn)
            config.description = request.get("Description", config.description)
            if "AllowedPublishers" in request:
                config.publishers = list(request["AllowedPublishers"]["SigningProfileVersionArns"])
            policies = request.get("CodeSigningPolicies", {})
            config.policy = policies.get("UntrustedArtifactOnDeployment", config.policy)
            config.last_modified = self._now()
            tx.put(config)
            return config

        return {"CodeSigningConfig": _view(await self._store.write(update))}

    @operation("DeleteCodeSigningConfig")
    async def delete_code_signing_config(
        self, context: CallContext, request: DeleteCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        arn = request["CodeSigningConfigArn"]

        def delete(tx: Tx) -> None:
            config = _found(tx.get(CodeSigningConfig, *_key(arn)), arn)
            functions = tx.list(Function, config.account, config.region)
            if any(function.code_signing_config == arn for function in functions):
                raise ResourceConflictException(
                    f"The code signing configuration {arn} is used by functions. Detach it from them first."
                )
            tx.delete(CodeSigningConfig, *_key(arn))

        await self._store.write(delete)
        return {}

    @operation("ListCodeSigningConfigs")
    async def list_code_signing_configs(
        self, context: CallContext, request: ListCodeSigningConfigsRequestTypeDef
    ) -> dict[str, Any]:
        limit, after = limit_of(request.get("MaxItems")), position_of(request.get("Marker"))
        found = await self._store.store.list(
            CodeSigningConfig, context.account, context.region, after=after, limit=limit + 1
        )
        return page("CodeSigningConfigs", found, limit, _view, lambda c: (c.account, c.region, c.id))

    @operation("ListFunctionsByCodeSigningConfig")
    async def list_functions_by_code_signing_config(
        self, context: CallContext, request: ListFunctionsByCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        arn = request["CodeSigningConfigArn"]
        config = _found(await self._store.store.get(CodeSigningConfig, *_key(arn)), arn)
        limit, after = limit_of(request.get("MaxItems")), position_of(request.get("Marker"))
        functions = await self._store.store.list(Function, config.account, config.region, after=after)
        found = [function for function in functions if function.code_signing_config == arn]
        return page("FunctionArns", found, limit, lambda f: f.arn, lambda f: (f.account, f.region, f.name))

    @operation("PutFunctionCodeSigningConfig")
    async def put_function_code_signing_config(
        self, context: CallContext, request: PutFunctionCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        id, arn = self._id(context, request["FunctionName"]), request["CodeSigningConfigArn"]

        def put(tx: Tx) -> None:
            function = require(tx, id)
            used_by_function(tx, arn)
            function.code_signing_config = arn
            tx.put(function)

        await self._store.write(put)
        return {"CodeSigningConfigArn": arn, "FunctionName": id.name}

    @operation("GetFunctionCodeSigningConfig")
    async def get_function_code_signing_config(
        self, context: CallContext, request: GetFunctionCodeSigningConfigRequestTypeDef
    ) -> dict[str, Any]:
        function = await self._store.function(self._id(context, request["FunctionName"]))
        arn = function.code_signing_config
        return {"FunctionName": function.name, **({"CodeSigningConfigArn": arn} if arn else {})}

    @operation("DeleteFunctionCodeSigningConfig")
    async def delete_function_code_signing_config(
        self, context: CallContext, request: DeleteFunctionCodeSigningConfigRequestTypeDef
    ) -> None:
        id = self._id(context, request["FunctionName"])

        def delete(tx: Tx) -> None:
            function = require(tx, id)
            function.code_signing_config = ""
            tx.put(function)

        await self._store.write(delete)


def used_by_function(tx: Tx, arn: str) -> CodeSigningConfig:
    """What a function names. Raises `CodeSigningConfigNotFoundException`."""
    config = tx.get(CodeSigningConfig, *_key(arn))
    if config is None:
        raise CodeSigningConfigNotFoundException(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            f"{arn}."
        )
    return config


def check_deployment(tx: Tx, function: Function) -> None:
    """Whether code that nobody signed may become the function's. Raises `CodeVerificationFailedException`."""
    if function.code_signing_config and used_by_function(tx, function.code_signing_config).policy == _ENFORCE:
        raise CodeVerificationFailedException(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            "client is not configured to accept. Check the provided signature for unsigned."
        )


def _found(config: CodeSigningConfig | None, arn: str) -> CodeSigningConfig:
    if config is None:
        raise ResourceNotFoundException(f"The Lambda code signing configuration {arn} can not be found.")
    return config


def _key(text: str) -> tuple[str, str, str]:
    arn = Arn.parse(text)
    return arn.account, arn.region, arn.resource.removeprefix(_PREFIX)


def _view(config: CodeSigningConfig) -> dict[str, Any]:
    return {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": config.publishers},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": config.last_modified,
    }
