"""AWS::ECR::Repository: what CDK's bootstrap stack has for images."""

from __future__ import annotations

from typing import Any

from forecourt.services.cloudformation.errors import NotTried
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, changed, refuse_unknown
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump

_APART = frozenset(("LifecyclePolicy", "RepositoryPolicyText", "EmptyOnDelete"))
_FIXED = frozenset(("EncryptionConfiguration", "RepositoryName"))


class Repository:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("RepositoryName", 256, lower=True).settle(work, properties)
        refuse_unknown(work, "ecr", "CreateRepository", given, _APART)
        params = shaped.parameters("ecr", "CreateRepository", given)
        found = (await work.call("ecr", "CreateRepository", **params))["repository"]
        name = given["RepositoryName"]
        async with work.undone(self, name, given):
            await self._settle(work, name, {}, given)
        return Made(name, {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        different = changed(old, new)
        if different & _FIXED:
            raise NotTried(f"Forecourt cannot change {', '.join(sorted(different & _FIXED))} of a repository")
        for name, verb in (
            ("ImageTagMutability", "PutImageTagMutability"),
            ("ImageScanningConfiguration", "PutImageScanningConfiguration"),
        ):
            if name in different:
                wanted: dict[str, Any] = {"ImageTagMutability": "MUTABLE", "ImageScanningConfiguration": {}}
                params = shaped.parameters("ecr", verb, {name: new.get(name, wanted[name])})
                await work.call("ecr", verb, repositoryName=physical_id, **params)
        await self._settle(work, physical_id, old, new)
        await retag(work, "ecr", work.arn("ecr", f"repository/{physical_id}"), old.get("Tags"), new.get("Tags"))
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        force = str(properties.get("EmptyOnDelete", False)).lower() == "true"
        await work.gone("ecr", "DeleteRepository", repositoryName=physical_id, force=force)

    async def _settle(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        if old.get("RepositoryPolicyText") != new.get("RepositoryPolicyText"):
            policy = new.get("RepositoryPolicyText")
            if policy:
                text = policy if isinstance(policy, str) else dump(policy)
                await work.call("ecr", "SetRepositoryPolicy", repositoryName=name, policyText=text)
            else:
                await work.gone("ecr", "DeleteRepositoryPolicy", repositoryName=name)
        if old.get("LifecyclePolicy") != new.get("LifecyclePolicy"):
            lifecycle = (new.get("LifecyclePolicy") or {}).get("LifecyclePolicyText")
            if lifecycle:
                await work.call("ecr", "PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=lifecycle)
            else:
                await work.gone("ecr", "DeleteLifecyclePolicy", repositoryName=name)


TYPES: dict[str, Handler] = {"AWS::ECR::Repository": Repository()}
