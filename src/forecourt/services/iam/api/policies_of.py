"""Inline and attached policies, boundaries and tags of users, groups and roles: the same operations three times."""

from __future__ import annotations

from typing import TypeVar

from forecourt.base.call import CallContext, operation
from forecourt.services.iam import views
from forecourt.services.iam.api.kit import (
    INLINE_QUOTA,
    IamApi,
    Request,
    Result,
    attach,
    check_attachable,
    check_policy,
    check_size,
    detach,
    inline_document,
    missing_inline,
)
from forecourt.services.iam.errors import NoSuchEntityException, UnmodifiableEntityException
from forecourt.services.iam.model import Group, Role, User
from forecourt.services.iam.store import page

Kind = type[User] | type[Group] | type[Role]
S = TypeVar("S", User, Group, Role, User | Role, User | Group | Role)
_MEMBER: dict[Kind, str] = {User: "UserName", Group: "GroupName", Role: "RoleName"}


def _itself(name: str) -> str:
    return name


def check_modifiable(role: Role) -> None:
    if role.linked_service:
        raise UnmodifiableEntityException(
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by AWS"
        )


def _modifiable(subject: S) -> S:
    if isinstance(subject, Role):
        check_modifiable(subject)
    return subject


class PoliciesOfApi(IamApi):
    async def _put(self, kind: Kind, context: CallContext, request: Request) -> Result:
        name, policy = request[_MEMBER[kind]], request["PolicyName"]
        text = check_policy(request["PolicyDocument"], "identity")

        def change(subject: User | Group | Role) -> None:
            _modifiable(subject).inline[policy] = text
            # The quota is for all of them together.
            check_size("".join(subject.inline.values()), INLINE_QUOTA[kind], kind.noun, name)

        await self.directory.change(kind, context.account, name, lambda subject, _: change(subject))
        return {}

    async def _get(self, kind: Kind, context: CallContext, request: Request) -> Result:
        subject = await self.directory.get(kind, context.account, request[_MEMBER[kind]])
        text = inline_document(subject, request["PolicyName"])
        member = _MEMBER[kind]
        return {
            member: subject.name,
            "PolicyName": request["PolicyName"],
            "PolicyDocument": views.document(text),
        }

    async def _delete(self, kind: Kind, context: CallContext, request: Request) -> Result:
        def change(subject: User | Group | Role) -> None:
            if _modifiable(subject).inline.pop(request["PolicyName"], None) is None:
                raise missing_inline(subject, request["PolicyName"])

        await self.directory.change(kind, context.account, request[_MEMBER[kind]], lambda subject, _: change(subject))
        return {}

    async def _list(self, kind: Kind, context: CallContext, request: Request) -> Result:
        subject = await self.directory.get(kind, context.account, request[_MEMBER[kind]])
        names, more = page(sorted(subject.inline), request, _itself)
        return {"PolicyNames": names, **more}

    async def _attach(self, kind: Kind, context: CallContext, request: Request) -> Result:
        name, arn = request[_MEMBER[kind]], request["PolicyArn"]
        await self.directory.get(kind, context.account, name)
        await check_attachable(self.directory, context.account, arn)
        await self.directory.change(kind, context.account, name, lambda subject, _: attach(_modifiable(subject), arn))
        return {}

    async def _detach(self, kind: Kind, context: CallContext, request: Request) -> Result:
        name, arn = request[_MEMBER[kind]], request["PolicyArn"]
        await self.directory.change(kind, context.account, name, lambda subject, _: detach(_modifiable(subject), arn))
        return {}

    async def _list_attached(self, kind: Kind, context: CallContext, request: Request) -> Result:
        subject = await self.directory.get(kind, context.account, request[_MEMBER[kind]])
        path = request.get("PathPrefix") or "/"
        attached = views.attached_policies(subject.attached)
        found = [view for view in attached if view["PolicyArn"].partition("policy")[2].startswith(path)]
        chosen, more = page(found, request, lambda view: str(view["PolicyArn"]))
        return {"AttachedPolicies": chosen, **more}

    async def _put_boundary(self, kind: type[User] | type[Role], context: CallContext, request: Request) -> Result:
        arn = request["PermissionsBoundary"]
        await check_attachable(self.directory, context.account, arn)

        def change(subject: User | Role) -> None:
            _modifiable(subject).boundary = arn

        await self.directory.change(kind, context.account, request[_MEMBER[kind]], lambda subject, _: change(subject))
        return {}

    async def _delete_boundary(self, kind: type[User] | type[Role], context: CallContext, request: Request) -> Result:
        name = request[_MEMBER[kind]]

        def change(subject: User | Role) -> None:
            if _modifiable(subject).boundary is None:
                raise NoSuchEntityException(f"{kind.noun.capitalize()} {name} does not have a permissions boundary.")
            subject.boundary = None

        await self.directory.change(kind, context.account, name, lambda subject, _: change(subject))
        return {}

    @operation("PutUserPolicy")
    async def put_user_policy(self, context: CallContext, request: Request) -> Result:
        return await self._put(User, context, request)

    @operation("GetUserPolicy")
    async def get_user_policy(self, context: CallContext, request: Request) -> Result:
        return await self._get(User, context, request)

    @operation("DeleteUserPolicy")
    async def delete_user_policy(self, context: CallContext, request: Request) -> Result:
        return await self._delete(User, context, request)

    @operation("ListUserPolicies")
    async def list_user_policies(self, context: CallContext, request: Request) -> Result:
        return await self._list(User, context, request)

    @operation("AttachUserPolicy")
    async def attach_user_policy(self, context: CallContext, request: Request) -> Result:
        return await self._attach(User, context, request)

    @operation("DetachUserPolicy")
    async def detach_user_policy(self, context: CallContext, request: Request) -> Result:
        return await self._detach(User, context, request)

    @operation("ListAttachedUserPolicies")
    async def list_attached_user_policies(self, context: CallContext, request: Request) -> Result:
        return await self._list_attached(User, context, request)

    @operation("PutGroupPolicy")
    async def put_group_policy(self, context: CallContext, request: Request) -> Result:
        return await self._put(Group, context, request)

    @operation("GetGroupPolicy")
    async def get_group_policy(self, context: CallContext, request: Request) -> Result:
        return await self._get(Group, context, request)

    @operation("DeleteGroupPolicy")
    async def delete_group_policy(self, context: CallContext, request: Request) -> Result:
        return await self._delete(Group, context, request)

    @operation("ListGroupPolicies")
    async def list_group_policies(self, context: CallContext, request: Request) -> Result:
        return await self._list(Group, context, request)

    @operation("AttachGroupPolicy")
    async def attach_group_policy(self, context: CallContext, request: Request) -> Result:
        return await self._attach(Group, context, request)

    @operation("DetachGroupPolicy")
    async def detach_group_policy(self, context: CallContext, request: Request) -> Result:
        return await self._detach(Group, context, request)

    @operation("ListAttachedGroupPolicies")
    async def list_attached_group_policies(self, context: CallContext, request: Request) -> Result:
        return await self._list_attached(Group, context, request)

    @operation("PutRolePolicy")
    async def put_role_policy(self, context: CallContext, request: Request) -> Result:
        return await self._put(Role, context, request)

    @operation("GetRolePolicy")
    async def get_role_policy(self, context: CallContext, request: Request) -> Result:
        return await self._get(Role, context, request)

    @operation("DeleteRolePolicy")
    async def delete_role_policy(self, context: CallContext, request: Request) -> Result:
        return await self._delete(Role, context, request)

    @operation("ListRolePolicies")
    async def list_role_policies(self, context: CallContext, request: Request) -> Result:
        return await self._list(Role, context, request)

    @operation("AttachRolePolicy")
    async def attach_role_policy(self, context: CallContext, request: Request) -> Result:
        return await self._attach(Role, context, request)

    @operation("DetachRolePolicy")
    async def detach_role_policy(self, context: CallContext, request: Request) -> Result:
        return await self._detach(Role, context, request)

    @operation("ListAttachedRolePolicies")
    async def list_attached_role_policies(self, context: CallContext, request: Request) -> Result:
        return await self._list_attached(Role, context, request)

    @operation("PutUserPermissionsBoundary")
    async def put_user_permissions_boundary(self, context: CallContext, request: Request) -> Result:
        return await self._put_boundary(User, context, request)

    @operation("DeleteUserPermissionsBoundary")
    async def delete_user_permissions_boundary(self, context: CallContext, request: Request) -> Result:
        return await self._delete_boundary(User, context, request)

    @operation("PutRolePermissionsBoundary")
    async def put_role_permissions_boundary(self, context: CallContext, request: Request) -> Result:
        return await self._put_boundary(Role, context, request)

    @operation("DeleteRolePermissionsBoundary")
    async def delete_role_permissions_boundary(self, context: CallContext, request: Request) -> Result:
        return await self._delete_boundary(Role, context, request)
