"""Layers: every publication is a new version; a version never changes, and its number is never given again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, Shared, limit_of, page, position_of
from forecourt.services.functions.api.code_source import CodeSource
from forecourt.services.functions.api.permissions import policy_document, statement_not_found
from forecourt.services.functions.code import code_sha256
from forecourt.services.functions.downloads import Downloads
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from forecourt.services.functions.model import Layer, LayerVersion, padded
from forecourt.services.functions.names import LayerId, parse_layer
from forecourt.services.functions.views import layer_item, layer_view
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        AddLayerVersionPermissionRequestTypeDef,
        DeleteLayerVersionRequestTypeDef,
        GetLayerVersionByArnRequestTypeDef,
        GetLayerVersionPolicyRequestTypeDef,
        GetLayerVersionRequestTypeDef,
        ListLayersRequestTypeDef,
        ListLayerVersionsRequestTypeDef,
        PublishLayerVersionRequestTypeDef,
        RemoveLayerVersionPermissionRequestTypeDef,
    )


class LayersApi(Api):
    def __init__(self, shared: Shared, code: CodeSource, downloads: Downloads) -> None:
        super().__init__(shared)
        self._code = code
        self._downloads = downloads

    @operation("PublishLayerVersion")
    async def publish_layer_version(
        self, context: CallContext, request: PublishLayerVersionRequestTypeDef
    ) -> dict[str, Any]:
        id = parse_layer(request["LayerName"], context.account, context.region)
        data = await self._code.read(context, request["Content"], "PublishLayerVersion")
        runtimes, architectures = request.get("CompatibleRuntimes"), request.get("CompatibleArchitectures")

        def create(tx: Tx, digest: str) -> LayerVersion:
            layer = tx.get(Layer, *id[:3]) or Layer(account=id.account, region=id.region, name=id.name)
            version = LayerVersion(
                account=id.account,
                region=id.region,
                name=id.name,
                number=padded(layer.next_version),
                code=digest,
                code_sha256=code_sha256(data),
                code_size=len(data),
                description=request.get("Description", ""),
                license_info=request.get("LicenseInfo", ""),
                runtimes=None if runtimes is None else list(runtimes),
                architectures=None if architectures is None else list(architectures),
                created_at=self._now(),
            )
            layer.next_version += 1
            tx.put(layer)
            tx.insert(version)
            return version

        return self._whole(context, await self._store.write_with_code(data, create))

    def _whole(self, context: CallContext, version: LayerVersion) -> dict[str, Any]:
        return layer_view(version, self._downloads.location(context.public_url, version.code))

    @operation("GetLayerVersion")
    async def get_layer_version(self, context: CallContext, request: GetLayerVersionRequestTypeDef) -> dict[str, Any]:
        id = parse_layer(request["LayerName"], context.account, context.region, request["VersionNumber"])
        return self._whole(context, await self._version(id))

    @operation("GetLayerVersionByArn")
    async def get_layer_version_by_arn(
        self, context: CallContext, request: GetLayerVersionByArnRequestTypeDef
    ) -> dict[str, Any]:
        version = await self._version(parse_layer(request["Arn"], context.account, context.region))
        return self._whole(context, version)

    @operation("ListLayers")
    async def list_layers(self, context: CallContext, request: ListLayersRequestTypeDef) -> dict[str, Any]:
        latest: dict[str, LayerVersion] = {}
        for version in await self._store.store.list(LayerVersion, context.account, context.region):
            if _matches(version, request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")):
                latest[version.name] = version
        after, limit = position_of(request.get("Marker")), limit_of(request.get("MaxItems"))
        found = [version for name, version in sorted(latest.items()) if after is None or (name,) > after]
        return page("Layers", found, limit, _layer_view, lambda version: (version.name,))

    @operation("ListLayerVersions")
    async def list_layer_versions(
        self, context: CallContext, request: ListLayerVersionsRequestTypeDef
    ) -> dict[str, Any]:
        id = parse_layer(request["LayerName"], context.account, context.region)
        versions = await self._store.store.list(LayerVersion, *id[:3], reverse=True)
        after, limit = position_of(request.get("Marker")), limit_of(request.get("MaxItems"))
        found = [
            version
            for version in versions
            if (after is None or (version.number,) < after)
            and _matches(version, request.get("CompatibleRuntime"), request.get("CompatibleArchitecture"))
        ]
        return page("LayerVersions", found, limit, layer_item, lambda version: (version.number,))

    @operation("DeleteLayerVersion")
    async def delete_layer_version(self, context: CallContext, request: DeleteLayerVersionRequestTypeDef) -> None:
        id = parse_layer(request["LayerName"], context.account, context.region, request["VersionNumber"])

        def delete(tx: Tx) -> tuple[None, list[str]]:
            key = (*id[:3], padded(id.version or 0))
            version = tx.get(LayerVersion, *key)
            tx.delete(LayerVersion, *key)
            return None, [] if version is None else [version.code]

        await self._store.write_and_sweep(delete)

    @operation("AddLayerVersionPermission")
    async def add_layer_version_permission(
        self, context: CallContext, request: AddLayerVersionPermissionRequestTypeDef
    ) -> dict[str, Any]:
        id = parse_layer(request["LayerName"], context.account, context.region, request["VersionNumber"])
        principal = request["Principal"]
        statement: dict[str, Any] = {
            "Sid": request["StatementId"],
            "Effect": "Allow",
            "Principal": "*" if principal == "*" else {"AWS": _account_arn(principal)},
            "Action": request["Action"],
            "Resource": id.version_arn,
        }
        if "OrganizationId" in request:
            statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}

        def add(tx: Tx) -> LayerVersion:
            version = _require(tx, id)
            if any(existing["Sid"] == statement["Sid"] for existing in version.statements):
                raise ResourceConflictException(
                    f"The statement id ({statement['Sid']}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            version.statements.append(statement)
            version.policy_revision_id = self._ids.uuid()
            tx.put(version)
            return version

        version = await self._store.write(add)
        return {"Statement": policy_document(statement), "RevisionId": version.policy_revision_id}

    @operation("GetLayerVersionPolicy")
    async def get_layer_version_policy(
        self, context: CallContext, request: GetLayerVersionPolicyRequestTypeDef
    ) -> dict[str, Any]:
        id = parse_layer(request["LayerName"], context.account, context.region, request["VersionNumber"])
        version = await self._version(id)
        if not version.statements:
            raise ResourceNotFoundException("No policy is associated with the given resource.")
        document = {"Version": "2012-10-17", "Id": "default", "Statement": version.statements}
        return {"Policy": policy_document(document), "RevisionId": version.policy_revision_id}

    @operation("RemoveLayerVersionPermission")
    async def remove_layer_version_permission(
        self, context: CallContext, request: RemoveLayerVersionPermissionRequestTypeDef
    ) -> None:
        id = parse_layer(request["LayerName"], context.account, context.region, request["VersionNumber"])

        def remove(tx: Tx) -> None:
            version = _require(tx, id)
            kept = [statement for statement in version.statements if statement["Sid"] != request["StatementId"]]
            if len(kept) == len(version.statements):
                raise statement_not_found(request["StatementId"])
            version.statements = kept
            version.policy_revision_id = self._ids.uuid()
            tx.put(version)

        await self._store.write(remove)

    async def _version(self, id: LayerId) -> LayerVersion:
        if id.version is None:
            raise InvalidParameterValueException("The layer version ARN is not valid.")
        version = await self._store.store.get(LayerVersion, *id[:3], padded(id.version))
        if version is None:
            raise _no_version(id)
        return version


def _require(tx: Tx, id: LayerId) -> LayerVersion:
    version = tx.get(LayerVersion, *id[:3], padded(id.version or 0))
    if version is None:
        raise _no_version(id)
    return version


def _no_version(id: LayerId) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Layer version {id.version_arn} does not exist.")


def _account_arn(principal: str) -> str:
    return f"arn:aws:iam::{principal}:root" if principal.isdigit() else principal


def _matches(version: LayerVersion, runtime: str | None, architecture: str | None) -> bool:
    return (runtime is None or runtime in (version.runtimes or ())) and (
        architecture is None or architecture in (version.architectures or ())
    )


def _layer_view(version: LayerVersion) -> dict[str, Any]:
    return {"LayerName": version.name, "LayerArn": version.arn, "LatestMatchingVersion": layer_item(version)}
