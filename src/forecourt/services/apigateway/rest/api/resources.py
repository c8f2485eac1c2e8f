"""Resource: the tree of paths. Every resource but the root has one path part below its parent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import errors, patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.model import Resource, describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found, page_of, patched

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import (
        CreateResourceRequestTypeDef,
        DeleteResourceRequestTypeDef,
        GetResourceRequestTypeDef,
        GetResourcesRequestTypeDef,
        UpdateResourceRequestTypeDef,
    )

_PATH_PART = re.compile(r"[a-zA-Z0-9._:\-]+|\{[a-zA-Z0-9._:\-]+\+?\}")


class ResourcesApi(Noun):
    @operation("CreateResource")
    async def create_resource(self, context: CallContext, request: CreateResourceRequestTypeDef) -> Reply:
        def change(found: Found) -> Resource:
            api_id = request["restApiId"]
            parent = found.get(Resource, api_id, request["parentId"])
            siblings = found.all(Resource, api_id)
            need_room(len(siblings), self.quotas.resources, "resources")
            resource = new_resource(parent, request["pathPart"], self.ids.lower(6))
            need_place(resource, parent, siblings)
            return found.put(resource)

        return describe_resource(await self.configuration.write(context, change), ())

    @operation("GetResource")
    async def get_resource(self, context: CallContext, request: GetResourceRequestTypeDef) -> Reply:
        resource = await self.configuration.get(context, Resource, request["restApiId"], request["resourceId"])
        return describe_resource(resource, request.get("embed") or ())

    @operation("GetResources")
    async def get_resources(self, context: CallContext, request: GetResourcesRequestTypeDef) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        resources = await self.configuration.all(context, Resource, api.id)
        page = page_of(sorted(resources, key=lambda resource: resource.path), request)
        embed = request.get("embed") or ()
        return {**page, "items": [_shown(item, embed) for item in page["items"]]}

    @operation("UpdateResource")
    async def update_resource(self, context: CallContext, request: UpdateResourceRequestTypeDef) -> Reply:
        def change(found: Found) -> Resource:
            api_id = request["restApiId"]
            before = found.get(Resource, api_id, request["resourceId"])
            resource = patched(before, patches.RESOURCE, request.get("patchOperations"))
            if before.parent_id is None:
                _need_root_unchanged(before, resource)
                return before
            others = found.all(Resource, api_id)
            parent = found.get(Resource, api_id, resource.parent_id or "")
            if parent.id in {child.id for child in subtree(before, others)}:
                raise BadRequestException("Resources cannot be cyclical.")
            need_place(resource, parent, others)
            for moved in moved_subtree(before, resource, parent, others):
                found.put(moved)
            return found.get(Resource, api_id, resource.id)

        return describe_resource(await self.configuration.write(context, change), ())

    @operation("DeleteResource")
    async def delete_resource(self, context: CallContext, request: DeleteResourceRequestTypeDef) -> None:
        def change(found: Found) -> None:
            api_id = request["restApiId"]
            resource = found.get(Resource, api_id, request["resourceId"])
            if resource.parent_id is None:
                raise BadRequestException("Root resource cannot be deleted")
            for gone in subtree(resource, found.all(Resource, api_id)):
                found.delete(Resource, api_id, gone.id)

        await self.configuration.write(context, change)


def describe_resource(resource: Resource, embed: Sequence[str]) -> Reply:
    return _shown(describe(resource), embed)


def _shown(described: Reply, embed: Sequence[str]) -> Reply:
    """Methods are named; what they are only with `embed=methods`."""
    methods = described.pop("resourceMethods", {})
    if not methods:
        return described
    return {**described, "resourceMethods": methods if "methods" in embed else {name: {} for name in methods}}


def new_resource(parent: Resource, path_part: str, resource_id: str) -> Resource:
    return Resource(
        account=parent.account,
        region=parent.region,
        rest_api_id=parent.rest_api_id,
        id=resource_id,
        parent_id=parent.id,
        path_part=path_part,
        path=join(parent.path, path_part),
    )


def join(parent_path: str, path_part: str) -> str:
    return f"{parent_path.rstrip('/')}/{path_part}"


def need_place(resource: Resource, parent: Resource, others: Sequence[Resource]) -> None:
    """AWS's rules of where a path part may stand."""
    part = resource.path_part or ""
    if not _PATH_PART.fullmatch(part):
        raise BadRequestException(
            "Resource's path part only allow a-zA-Z0-9._-: and curly braces at the beginning and the end and an "
            "optional plus sign before the closing brace."
        )
    if (parent.path_part or "").endswith("+}"):
        raise BadRequestException(
            f"Cannot create a child of a resource with a greedy path variable: {parent.path_part}"
        )
    siblings = [other.path_part or "" for other in others if other.parent_id == parent.id and other.id != resource.id]
    if part in siblings:
        raise ConflictException(f"Another resource with the same parent already has this name: {part}")
    variables = [sibling for sibling in siblings if sibling.startswith("{")]
    if part.startswith("{") and variables:
        raise BadRequestException(
            f"A sibling ({variables[0]}) of this resource already has a variable path part -- only one is allowed"
        )


def _need_root_unchanged(before: Resource, after: Resource) -> None:
    for name, member in (("pathPart", "path_part"), ("parentId", "parent_id")):
        if getattr(before, member) != getattr(after, member):
            raise BadRequestException(f"Root resource cannot update its {name}.")


def subtree(top: Resource, resources: Sequence[Resource]) -> list[Resource]:
    """`top` and everything below it."""
    found = [top]
    for resource in found:
        found.extend(other for other in resources if other.parent_id == resource.id)
    return found


def moved_subtree(before: Resource, after: Resource, parent: Resource, resources: Sequence[Resource]) -> list[Resource]:
    """The subtree of `before` with the paths that it has as `after`, below `parent`."""
    if after.path_part is None:
        raise errors.no_resource()
    after.path = join(parent.path, after.path_part)
    below = subtree(before, resources)[1:]
    for resource in below:
        resource.path = after.path + resource.path.removeprefix(before.path)
    return [after, *below]
