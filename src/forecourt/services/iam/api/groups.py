"""Groups and who is in them."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.iam import views
from forecourt.services.iam.api.kit import IamApi, Request, Result, check_detached, insert
from forecourt.services.iam.errors import DeleteConflictException, LimitExceededException, NoSuchEntityException
from forecourt.services.iam.model import Group, User
from forecourt.services.iam.store import missing, name_of, page
from forecourt.store import Tx

_MAX_GROUPS_PER_USER = 10


class GroupsApi(IamApi):
    @operation("CreateGroup")
    async def create_group(self, context: CallContext, request: Request) -> Result:
        name = request["GroupName"]
        group = Group(
            account=context.account,
            key=name.lower(),
            name=name,
            path=request.get("Path") or "/",
            id=self.kit.unique_id(Group.prefix),
            created_at=self.kit.clock.now(),
        )
        await self.store.write(lambda tx: insert(tx, group, f"Group with name {name}"))
        return {"Group": views.group(group)}

    @operation("GetGroup")
    async def get_group(self, context: CallContext, request: Request) -> Result:
        group = await self.directory.get(Group, context.account, request["GroupName"])
        members = await self.store.find(User, "by_group", context.account, group.key)
        users, more = page(members, request, name_of)
        return {"Group": views.group(group), "Users": [views.user(user) for user in users], **more}

    @operation("ListGroups")
    async def list_groups(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.under_path(Group, context.account, request.get("PathPrefix"))
        groups, more = page(found, request, name_of)
        return {"Groups": [views.group(group) for group in groups], **more}

    @operation("ListGroupsForUser")
    async def list_groups_for_user(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, request["UserName"])
        names, more = page(sorted(user.groups), request, lambda name: name)
        found = [await self.directory.get(Group, context.account, name) for name in names]
        return {"Groups": [views.group(group) for group in found], **more}

    @operation("UpdateGroup")
    async def update_group(self, context: CallContext, request: Request) -> Result:
        old, new = request["GroupName"], request.get("NewGroupName")

        def change(tx: Tx) -> None:
            group = tx.get(Group, context.account, old.lower())
            if group is None:
                raise missing(Group, old)
            group.path = request.get("NewPath") or group.path
            if not new:
                tx.put(group)
                return
            members = tx.find(User, "by_group", context.account, group.key)
            if new.lower() != group.key:
                tx.delete(Group, context.account, group.key)
                former, group.key, group.name = group.name, new.lower(), new
                insert(tx, group, f"Group with name {new}")
            else:
                former, group.name = group.name, new
                tx.put(group)
            for user in members:
                user.groups = [new if name == former else name for name in user.groups]
                tx.put(user)

        await self.store.write(change)
        return {}

    @operation("DeleteGroup")
    async def delete_group(self, context: CallContext, request: Request) -> Result:
        name = request["GroupName"]

        def change(tx: Tx) -> None:
            group = tx.get(Group, context.account, name.lower())
            if group is None:
                raise missing(Group, name)
            if tx.find(User, "by_group", context.account, group.key, limit=1):
                raise DeleteConflictException("Cannot delete entity, must remove users from group first.")
            check_detached(group)
            tx.delete(Group, context.account, group.key)

        await self.store.write(change)
        return {}

    @operation("AddUserToGroup")
    async def add_user_to_group(self, context: CallContext, request: Request) -> Result:
        def change(user: User, tx: Tx) -> None:
            group = tx.get(Group, context.account, request["GroupName"].lower())
            if group is None:
                raise missing(Group, request["GroupName"])
            if group.name in user.groups:
                return
            if len(user.groups) >= _MAX_GROUPS_PER_USER:
                raise LimitExceededException(f"Cannot exceed quota for GroupsPerUser: {_MAX_GROUPS_PER_USER}")
            user.groups.append(group.name)

        await self.directory.change(User, context.account, request["UserName"], change)
        return {}

    @operation("RemoveUserFromGroup")
    async def remove_user_from_group(self, context: CallContext, request: Request) -> Result:
        await self.directory.get(Group, context.account, request["GroupName"])

        def change(user: User, _: Tx) -> None:
            left = [name for name in user.groups if name.lower() != request["GroupName"].lower()]
            if len(left) == len(user.groups):
                raise NoSuchEntityException(f"User {user.name} is not in group {request['GroupName']}.")
            user.groups = left

        await self.directory.change(User, context.account, request["UserName"], change)
        return {}
