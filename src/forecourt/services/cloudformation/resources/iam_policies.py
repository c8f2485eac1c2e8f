"""AWS::IAM::*Policy: inline ones in roles, users and groups, and managed ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.resources.simple import Name
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump


def document_text(given: Any) -> str:
    return given if isinstance(given, str) else dump(given)


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
        document = document_text(new["PolicyDocument"])
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
        document = document_text(properties.get("PolicyDocument") or {})
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
            "PolicyDocument": document_text(given["PolicyDocument"]),
            "Path": given.get("Path"),
            "Description": given.get("Description"),
            "Tags": given.get("Tags"),
        }
        await work.make("iam", "CreatePolicy", **params)
        arn = f"arn:aws:iam::{work.account}:policy{given.get('Path', '/')}{given['ManagedPolicyName']}"
        await self._attach(work, arn, {}, given)
        return await self._made(work, arn)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old.get("PolicyDocument") != new["PolicyDocument"]:
            await self._make_room(work, physical_id)
            document = document_text(new["PolicyDocument"])
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


TYPES: dict[str, Handler] = {
    "AWS::IAM::Policy": InlinePolicy(),
    "AWS::IAM::RolePolicy": HeldPolicy("Role"),
    "AWS::IAM::UserPolicy": HeldPolicy("User"),
    "AWS::IAM::GroupPolicy": HeldPolicy("Group"),
    "AWS::IAM::ManagedPolicy": ManagedPolicy(),
}
