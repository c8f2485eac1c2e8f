"""AWS::IAM::*: roles, users and groups with their policies, keys, instance profiles, providers."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.resources import iam_policies as policies
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.iam_policies import document_text
from forecourt.services.cloudformation.resources.simple import Name, Simple
from forecourt.services.cloudformation.resources.tags import as_list, as_map
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work


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
        await work.make("iam", f"Create{self._noun}", **params)
        name = given[self._key]
        async with work.undone(self, name, given):
            await self._settle(work, name, {}, given)
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
                document = document_text(policy["PolicyDocument"])
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
            document = document_text(new["AssumeRolePolicyDocument"])
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
        await work.make("iam", "CreateInstanceProfile", InstanceProfileName=name, Path=given.get("Path"))
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
    **policies.TYPES,
    "AWS::IAM::Role": Role(),
    "AWS::IAM::User": User(),
    "AWS::IAM::Group": Group(),
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
