"""Tags of users, roles, policies, instance profiles and server certificates."""

from __future__ import annotations

from collections.abc import Callable

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.kit import IamApi, Request, Result, add_tags
from forecourt.services.iam.errors import NoSuchEntityException
from forecourt.services.iam.model import InstanceProfile, ManagedPolicy, Role, ServerCertificate, User
from forecourt.services.iam.store import page, shown_tags, tags_of
from forecourt.store import Tx

Tagged = User | Role | ManagedPolicy | InstanceProfile | ServerCertificate
Kind = type[User] | type[Role] | type[ManagedPolicy] | type[InstanceProfile] | type[ServerCertificate]


def _name(request: Request, member: str) -> str:
    name: str = request[member]
    return name.rpartition("/")[2] if member == "PolicyArn" else name


def _meant(found: Tagged, named: str) -> Tagged:
    """A policy is named by its ARN, path and all: that is what was authorized."""
    if isinstance(found, ManagedPolicy) and found.arn != named:
        raise NoSuchEntityException(f"Policy {named} was not found.")
    return found


class TagsApi(IamApi):
    async def _tag(self, kind: Kind, member: str, context: CallContext, request: Request) -> Result:
        more = tags_of(request)
        return await self._change(kind, member, context, request, lambda tags: add_tags(tags, more))

    async def _untag(self, kind: Kind, member: str, context: CallContext, request: Request) -> Result:
        def change(tags: dict[str, str]) -> None:
            for key in request["TagKeys"]:
                tags.pop(key, None)

        return await self._change(kind, member, context, request, change)

    async def _change(
        self, kind: Kind, member: str, context: CallContext, request: Request, change: Callable[[dict[str, str]], None]
    ) -> Result:
        def apply(found: Tagged, _: Tx) -> None:
            change(_meant(found, request[member]).tags)

        await self.directory.change(kind, context.account, _name(request, member), apply)
        return {}

    async def _list(self, kind: Kind, member: str, context: CallContext, request: Request) -> Result:
        found = _meant(await self.directory.get(kind, context.account, _name(request, member)), request[member])
        tags, more = page(shown_tags(found.tags), request, lambda tag: tag["Key"])
        return {"Tags": tags, **more}

    @operation("TagUser")
    async def tag_user(self, context: CallContext, request: Request) -> Result:
        return await self._tag(User, "UserName", context, request)

    @operation("UntagUser")
    async def untag_user(self, context: CallContext, request: Request) -> Result:
        return await self._untag(User, "UserName", context, request)

    @operation("ListUserTags")
    async def list_user_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list(User, "UserName", context, request)

    @operation("TagRole")
    async def tag_role(self, context: CallContext, request: Request) -> Result:
        return await self._tag(Role, "RoleName", context, request)

    @operation("UntagRole")
    async def untag_role(self, context: CallContext, request: Request) -> Result:
        return await self._untag(Role, "RoleName", context, request)

    @operation("ListRoleTags")
    async def list_role_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list(Role, "RoleName", context, request)

    @operation("TagPolicy")
    async def tag_policy(self, context: CallContext, request: Request) -> Result:
        return await self._tag(ManagedPolicy, "PolicyArn", context, request)

    @operation("UntagPolicy")
    async def untag_policy(self, context: CallContext, request: Request) -> Result:
        return await self._untag(ManagedPolicy, "PolicyArn", context, request)

    @operation("ListPolicyTags")
    async def list_policy_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list(ManagedPolicy, "PolicyArn", context, request)

    @operation("TagInstanceProfile")
    async def tag_instance_profile(self, context: CallContext, request: Request) -> Result:
        return await self._tag(InstanceProfile, "InstanceProfileName", context, request)

    @operation("UntagInstanceProfile")
    async def untag_instance_profile(self, context: CallContext, request: Request) -> Result:
        return await self._untag(InstanceProfile, "InstanceProfileName", context, request)

    @operation("ListInstanceProfileTags")
    async def list_instance_profile_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list(InstanceProfile, "InstanceProfileName", context, request)

    @operation("TagServerCertificate")
    async def tag_server_certificate(self, context: CallContext, request: Request) -> Result:
        return await self._tag(ServerCertificate, "ServerCertificateName", context, request)

    @operation("UntagServerCertificate")
    async def untag_server_certificate(self, context: CallContext, request: Request) -> Result:
        return await self._untag(ServerCertificate, "ServerCertificateName", context, request)

    @operation("ListServerCertificateTags")
    async def list_server_certificate_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list(ServerCertificate, "ServerCertificateName", context, request)
