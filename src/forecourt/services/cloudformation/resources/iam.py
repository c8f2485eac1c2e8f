"""AWS::IAM::*: roles, users, groups with their policies; policies; keys; instance profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, Simple
from forecourt.services.cloudformation.resources.tags import as_list, as_map
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work, is_taken
from forecourt.services.cloudformation.template.document import dump


def _document(given: Any) -> str:
    return given if isinstance(given, str) else dump(given)


class Identity:
    """A role, a user or a group: `noun` is IAM's word for it, `extra` the calls that change what is its own."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._key = f"{noun}Name"
        self._name = Name(self._key)
        self._id = f"{noun}Id"

    async def create(self, work: Work, properties: Properties) -> Made:
        given = self._name.settle(work, properties)
        params = shaped.parameters("iam", f"Create{self._noun}", given)
        if "PermissionsBoundary" in given:
            params["PermissionsBoundary"] = given["PermissionsBoundary"]
        try:
            await work.call("iam", f"Create{self._noun}", **params)
        except ServiceError as error:
            if not work.again or not is_taken(error):
                raise
        name = given[self._key]
        try:
            await self._settle(work, name, {}, given)
        except ServiceError:
            # It has no physical id yet by which a rollback would find it.
            await self.delete(work, name, given)
            raise
        return await self._made(work, name)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        await self._change(work, physical_id, old, new)
        await self._settle(work, physical_id, old, new)
        await self._retag(work, physical_id, as_map(old.get("Tags")), as_map(new.get("Tags")))
        return await self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        key = {self._key: physical_id}
        try:
            inline = await work.call("iam", f"List{self._noun}Policies", **key)
        except ServiceError:
            await work.gone("iam", f"Delete{self._noun}", **key)
            return
        for name in inline.get("PolicyNames", ()):
            await work.gone("iam", f"Delete{self._noun}Policy", **key, PolicyName=name)
        attached = await work.call("iam", f"ListAttached{self._noun}Policies", **key)
        for policy in attached.get("AttachedPolicies", ()):
            await work.gone("iam", f"Detach{self._noun}Policy", **key, PolicyArn=policy["PolicyArn"])
        await self._empty(work, physical_id)
        await work.gone("iam", f"Delete{self._noun}", **key)

    async def _settle(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        """Its inline and attached policies."""
        key = {self._key: name}
        before = {policy["PolicyName"]: policy for policy in old.get("Policies") or ()}
        after = {policy["PolicyName"]: policy for policy in new.get("Policies") or ()}
        for policy in after.values():
            if before.get(policy["PolicyName"]) != policy:
                document = _document(policy["PolicyDocument"])
                await work.call(
                    "iam", f"Put{self._noun}Policy", **key, PolicyName=policy["PolicyName"], PolicyDocument=document
                )
        for gone in sorted(set(before) - set(after)):
            await work.gone("iam", f"Delete{self._noun}Policy", **key, PolicyName=gone)
        had, has = set(old.get("ManagedPolicyArns") or ()), set(new.get("ManagedPolicyArns") or ())
        for arn in sorted(has - had):
            await work.call("iam", f"Attach{self._noun}Policy", **key, PolicyArn=arn)
        for arn in sorted(had - has):
            await work.gone("iam", f"Detach{self._noun}Policy", **key, PolicyArn=arn)

    async def _change(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        """What only this noun has."""

    async def _empty(self, work: Work, name: str) -> None:
        """What else stands in the way of its deletion."""

    async def _retag(self, work: Work, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        if old == new:
            return
        gone = sorted(set(old) - set(new))
        if gone:
            await work.call("iam", f"Untag{self._noun}", **{self._key: name}, TagKeys=gone)
        if new:
            await work.call("iam", f"Tag{self._noun}", **{self._key: name}, Tags=as_list(new))

    async def _made(self, work: Work, name: str) -> Made:
        found = (await work.call("iam", f"Get{self._noun}", **{self._key: name}))[self._noun]
        return Made(name, {"Arn": found["Arn"], self._id: found[self._id]})


async def _boundary(work: Work, noun: str, name: str, old: Properties, new: Properties) -> None:
    wanted = new.get("PermissionsBoundary")
    if wanted == old.get("PermissionsBoundary"):
        return
    key = {f"{noun}Name": name}
    if wanted is None:
        await work.gone("iam", f"Delete{noun}PermissionsBoundary", **key)
    else:
        await work.call("iam", f"Put{noun}PermissionsBoundary", **key, PermissionsBoundary=wanted)


class Role(Identity):
    def __init__(self) -> None:
        super().__init__("Role")

    async def _change(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        if old.get("AssumeRolePolicyDocument") != new["AssumeRolePolicyDocument"]:
            document = _document(new["AssumeRolePolicyDocument"])
            await work.call("iam", "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=document)
        own = ("Description", "MaxSessionDuration")
        if any(old.get(key) != new.get(key) for key in own):
            seconds = int(new.get("MaxSessionDuration", 3600))
            await work.call(
                "iam", "UpdateRole", RoleName=name, Description=new.get("Description", ""), MaxSessionDuration=seconds
            )
        await _boundary(work, "Role", name, old, new)

    async def _empty(self, work: Work, name: str) -> None:
        profiles = await work.call("iam", "ListInstanceProfilesForRole", RoleName=name)
        for profile in profiles.get("InstanceProfiles", ()):
            await work.gone(
                "iam",
                "RemoveRoleFromInstanceProfile",
                RoleName=name,
                InstanceProfileName=profile["InstanceProfileName"],
            )


class User(Identity):
    def __init__(self) -> None:
        super().__init__("User")

    async def create(self, work: Work, properties: Properties) -> Made:
        made = await super().create(work, properties)
        await self._change(work, made.physical_id, {}, {**properties, "PermissionsBoundary": None})
        return made

    async def _change(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        await _boundary(work, "User", name, old, new)
        had, has = set(old.get("Groups") or ()), set(new.get("Groups") or ())
        for group in sorted(has - had):
            await work.call("iam", "AddUserToGroup", UserName=name, GroupName=group)
        for group in sorted(had - has):
            await work.gone("iam", "RemoveUserFromGroup", UserName=name, GroupName=group)
        login = new.get("LoginProfile")
        if login and login != old.get("LoginProfile"):
            what = "UpdateLoginProfile" if old.get("LoginProfile") else "CreateLoginProfile"
            await work.call("iam", what, UserName=name, **shaped.parameters("iam", what, login))
        if old.get("LoginProfile") and not login:
            await work.gone("iam", "DeleteLoginProfile", UserName=name)

    async def _empty(self, work: Work, name: str) -> None:
        groups = await work.call("iam", "ListGroupsForUser", UserName=name)
        for group in groups.get("Groups", ()):
            await work.gone("iam", "RemoveUserFromGroup", UserName=name, GroupName=group["GroupName"])
        await work.gone("iam", "DeleteLoginProfile", UserName=name)


class Group(Identity):
    def __init__(self) -> None:
        super().__init__("Group")

    async def _retag(self, work: Work, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Groups have no tags."""


class InlinePolicy:
    """AWS::IAM::Policy: one document in any number of roles, users and groups."""

    _NOUNS = ("Role", "User", "Group")

    async def create(self, work: Work, properties: Properties) -> Made:
        await self._put(work, properties["PolicyName"], {}, properties)
        return Made(work.name(64))

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        await self._put(work, new["PolicyName"], old if old["PolicyName"] == new["PolicyName"] else {}, new)
        if old["PolicyName"] != new["PolicyName"]:
            await self.delete(work, physical_id, old)
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        for noun in self._NOUNS:
            await self._remove(work, noun, properties["PolicyName"], properties.get(f"{noun}s") or ())

    async def _put(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        document = _document(new["PolicyDocument"])
        for noun in self._NOUNS:
            had, has = set(old.get(f"{noun}s") or ()), set(new.get(f"{noun}s") or ())
            for holder in sorted(has):
                key = {f"{noun}Name": holder}
                await work.call("iam", f"Put{noun}Policy", **key, PolicyName=name, PolicyDocument=document)
            await self._remove(work, noun, name, sorted(had - has))

    async def _remove(self, work: Work, noun: str, name: str, holders: Iterable[str]) -> None:
        for holder in holders:
            await work.gone("iam", f"Delete{noun}Policy", **{f"{noun}Name": holder}, PolicyName=name)


class HeldPolicy:
    """AWS::IAM::RolePolicy and its like: one document in one role, user or group."""

    def __init__(self, noun: str) -> None:
        self._noun = noun

    async def create(self, work: Work, properties: Properties) -> Made:
        key = f"{self._noun}Name"
        document = _document(properties.get("PolicyDocument") or {})
        await work.call(
            "iam",
            f"Put{self._noun}Policy",
            **{key: properties[key]},
            PolicyName=properties["PolicyName"],
            PolicyDocument=document,
        )
        return Made(f"{properties['PolicyName']}|{properties[key]}")

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return await self.create(work, new)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        key = f"{self._noun}Name"
        await work.gone(
            "iam", f"Delete{self._noun}Policy", **{key: properties[key]}, PolicyName=properties["PolicyName"]
        )


class ManagedPolicy:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("ManagedPolicyName", 128).settle(work, properties)
        params = {
            "PolicyName": given["ManagedPolicyName"],
            "PolicyDocument": _document(given["PolicyDocument"]),
            "Path": given.get("Path"),
            "Description": given.get("Description"),
            "Tags": given.get("Tags"),
        }
        arn = f"arn:aws:iam::{work.account}:policy{given.get('Path', '/')}{given['ManagedPolicyName']}"
        try:
            arn = (await work.call("iam", "CreatePolicy", **params))["Policy"]["Arn"]
        except ServiceError as error:
            if not work.again or not is_taken(error):
                raise
        await self._attach(work, arn, {}, given)
        return await self._made(work, arn)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old.get("PolicyDocument") != new["PolicyDocument"]:
            await self._make_room(work, physical_id)
            document = _document(new["PolicyDocument"])
            await work.call(
                "iam", "CreatePolicyVersion", PolicyArn=physical_id, PolicyDocument=document, SetAsDefault=True
            )
        await self._attach(work, physical_id, old, new)
        return await self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        try:
            holders = await work.call("iam", "ListEntitiesForPolicy", PolicyArn=physical_id)
        except ServiceError:
            await work.gone("iam", "DeletePolicy", PolicyArn=physical_id)
            return
        for noun in ("Role", "User", "Group"):
            for holder in holders.get(f"Policy{noun}s", ()):
                name = {f"{noun}Name": holder[f"{noun}Name"]}
                await work.gone("iam", f"Detach{noun}Policy", PolicyArn=physical_id, **name)
        for version in await self._old_versions(work, physical_id):
            await work.gone("iam", "DeletePolicyVersion", PolicyArn=physical_id, VersionId=version)
        await work.gone("iam", "DeletePolicy", PolicyArn=physical_id)

    async def _attach(self, work: Work, arn: str, old: Properties, new: Properties) -> None:
        for noun in ("Role", "User", "Group"):
            had, has = set(old.get(f"{noun}s") or ()), set(new.get(f"{noun}s") or ())
            for holder in sorted(has - had):
                await work.call("iam", f"Attach{noun}Policy", PolicyArn=arn, **{f"{noun}Name": holder})
            for holder in sorted(had - has):
                await work.gone("iam", f"Detach{noun}Policy", PolicyArn=arn, **{f"{noun}Name": holder})

    async def _make_room(self, work: Work, arn: str) -> None:
        """A policy has five versions at most."""
        versions = await self._old_versions(work, arn)
        if len(versions) >= 4:
            await work.gone("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=versions[-1])

    async def _old_versions(self, work: Work, arn: str) -> list[str]:
        found = await work.call("iam", "ListPolicyVersions", PolicyArn=arn)
        return [version["VersionId"] for version in found["Versions"] if not version["IsDefaultVersion"]]

    async def _made(self, work: Work, arn: str) -> Made:
        policy = (await work.call("iam", "GetPolicy", PolicyArn=arn))["Policy"]
        names = ("AttachmentCount", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount", "PolicyId")
        return Made(arn, {"PolicyArn": arn, **{name: policy[name] for name in names if name in policy}})


class AccessKey:
    async def create(self, work: Work, properties: Properties) -> Made:
        key = (await work.call("iam", "CreateAccessKey", UserName=properties["UserName"]))["AccessKey"]
        made = Made(key["AccessKeyId"], {"SecretAccessKey": key["SecretAccessKey"]})
        if properties.get("Status") == "Inactive":
            await self._switch(work, made.physical_id, properties)
        return made

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old.get("Serial") != new.get("Serial"):
            return await self.create(work, new)
        await self._switch(work, physical_id, new)
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("iam", "DeleteAccessKey", UserName=properties["UserName"], AccessKeyId=physical_id)

    async def _switch(self, work: Work, key_id: str, properties: Properties) -> None:
        status = properties.get("Status", "Active")
        await work.call("iam", "UpdateAccessKey", UserName=properties["UserName"], AccessKeyId=key_id, Status=status)


class InstanceProfile:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("InstanceProfileName", 128).settle(work, properties)
        name = given["InstanceProfileName"]
        try:
            await work.call("iam", "CreateInstanceProfile", InstanceProfileName=name, Path=given.get("Path"))
        except ServiceError as error:
            if not work.again or not is_taken(error):
                raise
        return await self.update(work, name, {}, given)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        had, has = set(old.get("Roles") or ()), set(new.get("Roles") or ())
        for role in sorted(had - has):
            await work.gone("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=physical_id, RoleName=role)
        for role in sorted(has - had):
            await work.call("iam", "AddRoleToInstanceProfile", InstanceProfileName=physical_id, RoleName=role)
        found = await work.call("iam", "GetInstanceProfile", InstanceProfileName=physical_id)
        return Made(physical_id, {"Arn": found["InstanceProfile"]["Arn"]})

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        for role in properties.get("Roles") or ():
            await work.gone("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=physical_id, RoleName=role)
        await work.gone("iam", "DeleteInstanceProfile", InstanceProfileName=physical_id)


class UserToGroupAddition:
    async def create(self, work: Work, properties: Properties) -> Made:
        return await self.update(work, work.name(64), {}, properties)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old and old["GroupName"] != new["GroupName"]:
            await self.delete(work, physical_id, old)
            old = {}
        had, has = set(old.get("Users") or ()), set(new["Users"])
        for user in sorted(has - had):
            await work.call("iam", "AddUserToGroup", GroupName=new["GroupName"], UserName=user)
        for user in sorted(had - has):
            await work.gone("iam", "RemoveUserFromGroup", GroupName=new["GroupName"], UserName=user)
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        for user in properties["Users"]:
            await work.gone("iam", "RemoveUserFromGroup", GroupName=properties["GroupName"], UserName=user)


TYPES: dict[str, Handler] = {
    "AWS::IAM::Role": Role(),
    "AWS::IAM::User": User(),
    "AWS::IAM::Group": Group(),
    "AWS::IAM::Policy": InlinePolicy(),
    "AWS::IAM::RolePolicy": HeldPolicy("Role"),
    "AWS::IAM::UserPolicy": HeldPolicy("User"),
    "AWS::IAM::GroupPolicy": HeldPolicy("Group"),
    "AWS::IAM::ManagedPolicy": ManagedPolicy(),
    "AWS::IAM::AccessKey": AccessKey(),
    "AWS::IAM::InstanceProfile": InstanceProfile(),
    "AWS::IAM::UserToGroupAddition": UserToGroupAddition(),
    "AWS::IAM::OIDCProvider": Simple(
        service="iam",
        makes="CreateOpenIDConnectProvider",
        id="OpenIDConnectProviderArn",
        deletes="DeleteOpenIDConnectProvider",
        keys={"OpenIDConnectProviderArn": "@"},
        attributes={"Arn": "@"},
    ),
    "AWS::IAM::SAMLProvider": Simple(
        service="iam",
        makes="CreateSAMLProvider",
        id="SAMLProviderArn",
        changes="UpdateSAMLProvider",
        deletes="DeleteSAMLProvider",
        keys={"SAMLProviderArn": "@"},
        attributes={"Arn": "@"},
        name=Name("Name", 128),
        rename={"SamlMetadataDocument": "SAMLMetadataDocument"},
    ),
}
