"""Groups of users, and who is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Group, Membership, Pool, User
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.users.shown import shown_user
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t


class GroupsApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("CreateGroup")
    async def create_group(self, context: CallContext, request: t.CreateGroupRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        now = self._records.clock.now()
        group = Group(pool_id=pool.id, name=request["GroupName"], created_at=now, modified_at=now)
        _fill(group, request)

        def insert(tx: Tx) -> None:
            need_room(tx.count(Group, pool.id), self._records.quotas.groups, "groups of this user pool")
            tx.insert(group)

        try:
            await self._records.store.write(insert)
        except AlreadyExists:
            raise errors.GroupExistsException("A group with the name already exists.") from None
        return {"Group": shown(group)}

    @operation("GetGroup")
    async def get_group(self, context: CallContext, request: t.GetGroupRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        return {"Group": shown(await self._group(pool, request["GroupName"]))}

    @operation("UpdateGroup")
    async def update_group(self, context: CallContext, request: t.UpdateGroupRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])

        def update(tx: Tx) -> Group:
            group = tx.get(Group, pool.id, request["GroupName"])
            if group is None:
                raise _no_group()
            _fill(group, request)
            group.modified_at = self._records.clock.now()
            tx.put(group)
            return group

        return {"Group": shown(await self._records.store.write(update))}

    @operation("DeleteGroup")
    async def delete_group(self, context: CallContext, request: t.DeleteGroupRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        name = request["GroupName"]

        def delete(tx: Tx) -> None:
            if not tx.delete(Group, pool.id, name):
                raise _no_group()
            tx.delete_all(Membership, pool.id, name)

        await self._records.store.write(delete)
        return {}

    @operation("ListGroups")
    async def list_groups(self, context: CallContext, request: t.ListGroupsRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        groups, token = await paging.page(
            self._records.store, Group, pool.id, token=request.get("NextToken"), limit=request.get("Limit")
        )
        return paging.with_token({"Groups": [shown(group) for group in groups]}, "NextToken", token)

    @operation("AdminAddUserToGroup")
    async def admin_add_user_to_group(
        self, context: CallContext, request: t.AdminAddUserToGroupRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        user = await self._records.user(pool, request["Username"])
        name = request["GroupName"]

        def add(tx: Tx) -> None:
            if tx.get(Group, pool.id, name) is None:
                raise _no_group()
            if tx.get(Membership, pool.id, name, user.key) is not None:
                return
            if len(tx.find(Membership, "by_user", pool.id, user.key)) >= self._records.quotas.groups_per_user:
                raise errors.InvalidParameterException("User cannot be in more groups.")
            tx.put(Membership(pool_id=pool.id, group=name, user_key=user.key))

        await self._records.store.write(add)
        return {}

    @operation("AdminRemoveUserFromGroup")
    async def admin_remove_user_from_group(
        self, context: CallContext, request: t.AdminRemoveUserFromGroupRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        user = await self._records.user(pool, request["Username"])
        group = await self._group(pool, request["GroupName"])
        await self._records.store.write(lambda tx: tx.delete(Membership, pool.id, group.name, user.key))
        return {}

    @operation("AdminListGroupsForUser")
    async def admin_list_groups_for_user(
        self, context: CallContext, request: t.AdminListGroupsForUserRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        user = await self._records.user(pool, request["Username"])
        memberships, token = await paging.page_by(
            self._records.store,
            Membership,
            "by_user",
            pool.id,
            user.key,
            token=request.get("NextToken"),
            limit=request.get("Limit"),
        )
        groups = [await self._records.store.get(Group, pool.id, m.group) for m in memberships]
        return paging.with_token({"Groups": [shown(group) for group in groups if group]}, "NextToken", token)

    @operation("ListUsersInGroup")
    async def list_users_in_group(
        self, context: CallContext, request: t.ListUsersInGroupRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        group = await self._group(pool, request["GroupName"])
        memberships, token = await paging.page(
            self._records.store,
            Membership,
            pool.id,
            group.name,
            token=request.get("NextToken"),
            limit=request.get("Limit"),
        )
        users = [await self._records.store.get(User, pool.id, m.user_key) for m in memberships]
        return paging.with_token({"Users": [shown_user(user) for user in users if user]}, "NextToken", token)

    async def _group(self, pool: Pool, name: str) -> Group:
        group = await self._records.store.get(Group, pool.id, name)
        if group is None:
            raise _no_group()
        return group


def _fill(group: Group, request: Mapping[str, Any]) -> None:
    group.description = request.get("Description", group.description)
    group.role_arn = request.get("RoleArn", group.role_arn)
    group.precedence = request.get("Precedence", group.precedence)


def shown(group: Group) -> dict[str, Any]:
    optional = {"Description": group.description, "RoleArn": group.role_arn, "Precedence": group.precedence}
    return {
        "GroupName": group.name,
        "UserPoolId": group.pool_id,
        **{name: value for name, value in optional.items() if value is not None},
        "LastModifiedDate": group.modified_at,
        "CreationDate": group.created_at,
    }


def _no_group() -> errors.ResourceNotFoundException:
    return errors.ResourceNotFoundException("Group not found.")
