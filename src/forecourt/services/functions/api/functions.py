"""Functions: create, read, change, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from forecourt.base.call import CallContext, operation
from forecourt.base.errors import AccessDenied
from forecourt.base.ports import RoleSessions
from forecourt.services.functions import validation
from forecourt.services.functions.api.base import Api, Shared, check_revision, limit_of, page, position_of
from forecourt.services.functions.api.code_signing import check_deployment
from forecourt.services.functions.api.code_source import CodeSource
from forecourt.services.functions.code import code_sha256
from forecourt.services.functions.downloads import Downloads
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
)
from forecourt.services.functions.model import (
    Alias,
    Configuration,
    Function,
    LayerReference,
    LayerVersion,
    Version,
    codes,
    padded,
)
from forecourt.services.functions.names import LATEST, FunctionId, parse_layer
from forecourt.services.functions.publish import publish
from forecourt.services.functions.store import VersionOf, delete_function, require
from forecourt.services.functions.views import configuration_view
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        CreateFunctionRequestTypeDef,
        DeleteFunctionRequestTypeDef,
        GetFunctionConfigurationRequestTypeDef,
        GetFunctionRequestTypeDef,
        ListFunctionsRequestTypeDef,
        UpdateFunctionCodeRequestTypeDef,
        UpdateFunctionConfigurationRequestTypeDef,
    )

_NO_ROLE = "The role defined for the function cannot be assumed by Lambda."


class FunctionsApi(Api):
    def __init__(self, shared: Shared, code: CodeSource, roles: RoleSessions, downloads: Downloads) -> None:
        super().__init__(shared)
        self._code = code
        self._roles = roles
        self._downloads = downloads

    @operation("CreateFunction")
    async def create_function(self, context: CallContext, request: CreateFunctionRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        validation.check_supported(request)
        validation.check_runtime(request.get("Runtime"), request.get("Handler"))
        await self._check_role(request["Role"], id.name)
        data = await self._code.read(context, request["Code"], "CreateFunction")
        configuration = Configuration(
            code="",
            code_sha256=code_sha256(data),
            code_size=len(data),
            runtime=request["Runtime"],
            handler=request["Handler"],
            role=request["Role"],
            revision_id=self._ids.uuid(),
            last_modified=self._now(),
        )
        configuration = await self._configured(context, configuration, request)
        function = Function(
            account=id.account,
            region=id.region,
            name=id.name,
            configuration=configuration,
            tags=dict(request.get("Tags") or {}),
            code_signing_config=request.get("CodeSigningConfigArn", ""),
        )

        def create(tx: Tx, digest: str) -> Function | Version:
            check_deployment(tx, function)
            function.configuration.code = digest
            tx.insert(function)
            return publish(tx, function, "", self._now(), self._ids.uuid()) if request.get("Publish") else function

        try:
            return self._view(await self._store.write_with_code(data, create))
        except AlreadyExists:
            raise ResourceConflictException(f"Function already exist: {id.name}") from None

    @operation("GetFunction")
    async def get_function(self, context: CallContext, request: GetFunctionRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        found = await self._store.resolve(id)
        answer: dict[str, Any] = {
            "Configuration": self._view_of(found, id),
            "Code": {
                "RepositoryType": "S3",
                "Location": self._downloads.location(context.public_url, found.configuration.code),
            },
        }
        if found.function.tags:
            answer["Tags"] = found.function.tags
        if found.function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": found.function.reserved_concurrency}
        return answer

    @operation("GetFunctionConfiguration")
    async def get_function_configuration(
        self, context: CallContext, request: GetFunctionConfigurationRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        return self._view_of(await self._store.resolve(id), id)

    @operation("ListFunctions")
    async def list_functions(self, context: CallContext, request: ListFunctionsRequestTypeDef) -> dict[str, Any]:
        limit = limit_of(request.get("MaxItems"))
        after = position_of(request.get("Marker"))
        scope = (context.account, context.region)
        if request.get("FunctionVersion") != "ALL":
            functions = await self._store.store.list(Function, *scope, after=after, limit=limit + 1)
            return page("Functions", functions, limit, self._view, lambda f: (f.account, f.region, f.name))
        # Every version: `$LATEST` first, then by number, function by function.
        everything: list[Function | Version] = [
            *await self._store.store.list(Function, *scope),
            *await self._store.store.list(Version, *scope),
        ]
        rest = sorted(item for item in map(_position, everything) if after is None or item > after)[: limit + 1]
        by_position = {_position(item): item for item in everything}
        found = [by_position[position] for position in rest]
        return page("Functions", found, limit, lambda item: self._view(item, item.version), _position)

    @operation("UpdateFunctionCode")
    async def update_function_code(
        self, context: CallContext, request: UpdateFunctionCodeRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        validation.check_supported(request)
        if request.get("ImageUri"):
            raise InvalidParameterValueException(
                "Please don't provide ImageUri when updating a function with packageType Zip."
            )
        current = await self._store.function(id)
        check_revision(request.get("RevisionId"), current.configuration.revision_id)
        data = await self._code.read(context, request, "UpdateFunctionCode")

        def changed(function: Function, digest: str) -> Configuration:
            return msgspec.structs.replace(
                function.configuration,
                code=digest,
                code_sha256=code_sha256(data),
                code_size=len(data),
                architectures=list(request.get("Architectures") or function.configuration.architectures),
                revision_id=self._ids.uuid(),
                last_modified=self._now(),
            )

        if request.get("DryRun"):
            current.configuration = changed(current, current.configuration.code)
            return self._view(current)

        def update(tx: Tx, digest: str) -> tuple[Function | Version, str]:
            function = require(tx, id)
            check_revision(request.get("RevisionId"), function.configuration.revision_id)
            check_deployment(tx, function)
            old = function.configuration.code
            function.configuration = changed(function, digest)
            tx.put(function)
            result = publish(tx, function, "", self._now(), self._ids.uuid()) if request.get("Publish") else function
            return result, old

        result, old = await self._store.write_with_code(data, update)
        await self._store.sweep([old])
        return self._view(result)

    @operation("UpdateFunctionConfiguration")
    async def update_function_configuration(
        self, context: CallContext, request: UpdateFunctionConfigurationRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        validation.check_supported(request)
        current = await self._store.function(id)
        if "Runtime" in request or "Handler" in request:
            runtime = request.get("Runtime", current.configuration.runtime)
            validation.check_runtime(runtime, request.get("Handler", current.configuration.handler))
        if "Role" in request:
            await self._check_role(request["Role"], id.name)
        old = current.configuration
        new = await self._configured(context, msgspec.structs.replace(old), request)
        changes = {
            field: getattr(new, field)
            for field in Configuration.__struct_fields__
            if getattr(new, field) != getattr(old, field)
        }

        def update(tx: Tx) -> Function:
            function = require(tx, id)
            check_revision(request.get("RevisionId"), function.configuration.revision_id)
            function.configuration = msgspec.structs.replace(
                function.configuration, **changes, revision_id=self._ids.uuid(), last_modified=self._now()
            )
            tx.put(function)
            return function

        return self._view(await self._store.write(update))

    @operation("DeleteFunction")
    async def delete_function(self, context: CallContext, request: DeleteFunctionRequestTypeDef) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"], request.get("Qualifier"))
        if not id.qualifier:
            await self._store.write_and_sweep(lambda tx: delete_function(tx, id))
            return {"StatusCode": 204}
        if id.qualifier == LATEST:
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        if not id.qualifier.isdecimal():
            raise InvalidParameterValueException("Deletion of aliases is not currently supported.")
        number = padded(int(id.qualifier))

        def delete_version(tx: Tx) -> tuple[None, list[str]]:
            require(tx, id)
            version = tx.get(Version, *id.function, number)
            aliases = [a.alias for a in tx.list(Alias, *id.function) if id.qualifier in (a.version, *a.weights)]
            if aliases:
                raise ResourceConflictException(
                    f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]"
                )
            if version is None:
                return None, []
            tx.delete(Version, *id.function, number)
            return None, codes(version.configuration)

        await self._store.write_and_sweep(delete_version)
        return {"StatusCode": 204}

    async def _check_role(self, role: str, name: str) -> None:
        try:
            await self._roles.assume(role, name, "lambda.amazonaws.com", {})
        except AccessDenied:
            raise InvalidParameterValueException(_NO_ROLE) from None

    async def _configured(
        self, context: CallContext, configuration: Configuration, request: Mapping[str, Any]
    ) -> Configuration:
        """`configuration` with what `request` sets, all of it checked."""
        for member, (field, check) in _PLAIN.items():
            if request.get(member) is not None:
                if check is not None:
                    check(request[member])
                setattr(configuration, field, request[member])
        if "Environment" in request:
            variables = request["Environment"].get("Variables") or {}
            validation.check_variables(variables)
            configuration.variables = self._store.seal(variables)
        if "EphemeralStorage" in request:
            validation.check_ephemeral_storage(request["EphemeralStorage"]["Size"])
            configuration.ephemeral_storage = request["EphemeralStorage"]["Size"]
        if "Layers" in request:
            configuration.layers = await self._layers(context, request["Layers"])
        if "LoggingConfig" in request:
            _set_logging(configuration, request["LoggingConfig"])
        if "VpcConfig" in request:
            configuration.subnet_ids = list(request["VpcConfig"].get("SubnetIds") or [])
            configuration.security_group_ids = list(request["VpcConfig"].get("SecurityGroupIds") or [])
        configuration.dead_letter_arn = request.get("DeadLetterConfig", {}).get(
            "TargetArn", configuration.dead_letter_arn
        )
        configuration.tracing_mode = request.get("TracingConfig", {}).get("Mode", configuration.tracing_mode)
        configuration.snap_start = request.get("SnapStart", {}).get("ApplyOn", configuration.snap_start)
        if configuration.snap_start != "None":
            validation.check_snap_start(configuration.runtime, configuration.ephemeral_storage)
        return configuration

    async def _layers(self, context: CallContext, arns: list[str]) -> list[LayerReference]:
        validation.check_layers(arns)
        references = []
        for arn in arns:
            id = parse_layer(arn, context.account, context.region)
            layer = None
            if id.version is not None and id.region == context.region:
                layer = await self._store.store.get(LayerVersion, id.account, id.region, id.name, padded(id.version))
            if layer is None:
                raise InvalidParameterValueException(f"Layer version {arn} does not exist.")
            references.append(LayerReference(arn, layer.code, layer.code_size))
        return references

    def _view(self, item: Function | Version, qualifier: str | None = None) -> dict[str, Any]:
        configuration = item.configuration
        if isinstance(item, Version):
            qualifier = item.version
        variables = self._store.open(configuration.variables) if configuration.variables else None
        return configuration_view(
            item.account, item.region, item.name, item.version, configuration, variables, qualifier
        )

    def _view_of(self, found: VersionOf, id: FunctionId) -> dict[str, Any]:
        configuration = found.configuration
        variables = self._store.open(configuration.variables) if configuration.variables else None
        return configuration_view(*id.function, found.version, configuration, variables, id.qualifier)


_PLAIN: dict[str, tuple[str, Any]] = {
    "Runtime": ("runtime", None),
    "Handler": ("handler", None),
    "Role": ("role", None),
    "Description": ("description", None),
    "Timeout": ("timeout", validation.check_timeout),
    "MemorySize": ("memory_size", validation.check_memory),
    "Architectures": ("architectures", None),
    "KMSKeyArn": ("kms_key_arn", None),
    "FileSystemConfigs": ("file_systems", None),
}


def _set_logging(configuration: Configuration, logging: Mapping[str, Any]) -> None:
    configuration.log_format = logging.get("LogFormat", configuration.log_format)
    configuration.log_group = logging.get("LogGroup", configuration.log_group)
    levels = logging.get("ApplicationLogLevel"), logging.get("SystemLogLevel")
    if configuration.log_format == "Text" and any(levels):
        raise InvalidParameterValueException(
            "Invalid value for ApplicationLogLevel or SystemLogLevel: log levels need the JSON log format."
        )
    configuration.application_log_level = levels[0] or configuration.application_log_level
    configuration.system_log_level = levels[1] or configuration.system_log_level


def _position(item: Function | Version) -> tuple[str, ...]:
    return item.account, item.region, item.name, item.number if isinstance(item, Version) else ""
