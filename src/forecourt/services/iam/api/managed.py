"""Managed policies and their versions, the account's own and AWS's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from forecourt.auth.policy import compile_policy
from forecourt.base.call import CallContext, operation
from forecourt.services.iam import aws_managed, views
from forecourt.services.iam.api.kit import (
    MANAGED_QUOTA,
    IamApi,
    Request,
    Result,
    check_policy,
    check_size,
    insert,
    managed_document,
    new_tags,
)
from forecourt.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    NoSuchEntityException,
)
from forecourt.services.iam.model import Group, ManagedPolicy, PolicyVersion, Role, User
from forecourt.services.iam.store import Named, page
from forecourt.store import Tx

_MAX_VERSIONS = 5


_KINDS: dict[str, type[User] | type[Group] | type[Role]] = {"user": User, "group": Group, "role": Role}


def policy_not_found(arn: str) -> NoSuchEntityException:
    return NoSuchEntityException(f"Policy {arn} was not found.")


class ManagedPoliciesApi(IamApi):
    @operation("CreatePolicy")
    async def create_policy(self, context: CallContext, request: Request) -> Result:
        name, now = request["PolicyName"], self.kit.clock.now()
        text = check_policy(request["PolicyDocument"], "identity")
        check_size(text, MANAGED_QUOTA, "policy", name)
        policy = ManagedPolicy(
            account=context.account,
            key=name.lower(),
            name=name,
            path=request.get("Path") or "/",
            id=self.kit.unique_id("ANPA"),
            created_at=now,
            updated_at=now,
            versions=[PolicyVersion("v1", text, now)],
            default_version="v1",
            next_version=2,
            description=request.get("Description") or "",
            tags=new_tags(request),
        )
        if await self.store.get(ManagedPolicy, context.account, policy.key) is not None:
            raise EntityAlreadyExistsException(
                f"A policy called {name} already exists. Duplicate names are not allowed."
            )
        await self.store.write(lambda tx: insert(tx, policy, f"A policy called {name}"))
        return {"Policy": views.whole_policy(policy, 0, 0)}

    @operation("GetPolicy")
    async def get_policy(self, context: CallContext, request: Request) -> Result:
        arn = request["PolicyArn"]
        uses = await self._uses(context.account, arn)
        if (aws := await aws_managed.find(arn)) is not None:
            return {"Policy": views.aws_policy(aws, *uses)}
        return {"Policy": views.whole_policy(await self._own(context.account, arn), *uses)}

    @operation("ListPolicies")
    async def list_policies(self, context: CallContext, request: Request) -> Result:
        scope = request.get("Scope") or "All"
        candidates: list[Any] = []
        if scope in ("All", "Local"):
            candidates += await self.store.list(ManagedPolicy, context.account)
        if scope in ("All", "AWS"):
            candidates += (await aws_managed.policies()).values()
        used = await self._all_uses(context.account)
        path = request.get("PathPrefix") or "/"
        wanted = {"PermissionsPolicy": 0, "PermissionsBoundary": 1}.get(request.get("PolicyUsageFilter") or "")
        chosen = [
            policy
            for policy in candidates
            if policy.path.startswith(path)
            and (not request.get("OnlyAttached") or used.get(policy.arn, (0, 0))[0])
            and (wanted is None or used.get(policy.arn, (0, 0))[wanted])
        ]
        policies, more = page(chosen, request, lambda policy: str(policy.arn))
        shown = [
            (views.policy if isinstance(policy, ManagedPolicy) else views.aws_policy)(
                policy, *used.get(policy.arn, (0, 0))
            )
            for policy in policies
        ]
        return {"Policies": shown, **more}

    @operation("DeletePolicy")
    async def delete_policy(self, context: CallContext, request: Request) -> Result:
        arn = request["PolicyArn"]
        policy = await self._own(context.account, arn)
        attached, bounding = await self._uses(context.account, arn)
        if attached or bounding:
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise DeleteConflictException(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's "
                "versions. The default version is deleted with the policy."
            )
        await self.store.write(lambda tx: tx.delete(ManagedPolicy, context.account, policy.key))
        return {}

    @operation("ListEntitiesForPolicy")
    async def list_entities_for_policy(self, context: CallContext, request: Request) -> Result:
        arn = request["PolicyArn"]
        await self._check_exists(context.account, arn)
        index = "by_boundary" if request.get("PolicyUsageFilter") == "PermissionsBoundary" else "by_policy"
        found: list[Named] = []
        for kind in (Group, User, Role):
            if request.get("EntityFilter") in (None, kind.__name__):
                found += await self.store.find(kind, index, context.account, arn)
        path = request.get("PathPrefix") or "/"
        in_path = [entity for entity in found if entity.path.startswith(path)]
        chosen, more = page(in_path, request, lambda entity: f"{type(entity).__name__}/{entity.name}")

        def shown(kind: type[Any]) -> list[Result]:
            noun = kind.__name__
            return [{f"{noun}Name": e.name, f"{noun}Id": e.id} for e in chosen if isinstance(e, kind)]

        return {"PolicyGroups": shown(Group), "PolicyUsers": shown(User), "PolicyRoles": shown(Role), **more}

    @operation("ListPoliciesGrantingServiceAccess")
    async def list_granting_service_access(self, context: CallContext, request: Request) -> Result:
        subject = await self._subject(context.account, request["Arn"])
        texts = {arn: await managed_document(self.directory, context.account, arn) or "" for arn in subject.attached}
        answers = []
        for namespace in request["ServiceNamespaces"]:
            granting = []
            documents = [(name, "", text) for name, text in subject.inline.items()]
            documents += [(arn.rpartition("/")[2], arn, texts[arn]) for arn in subject.attached if texts[arn]]
            for name, found_arn, text in documents:
                if _grants(text, namespace):
                    granting.append(_granting(subject, name, found_arn))
            answers.append({"ServiceNamespace": namespace, "Policies": granting})
        return {"PoliciesGrantingServiceAccess": answers, "IsTruncated": False}

    # --- Versions ---

    @operation("CreatePolicyVersion")
    async def create_policy_version(self, context: CallContext, request: Request) -> Result:
        policy = await self._own(context.account, request["PolicyArn"])
        text = check_policy(request["PolicyDocument"], "identity")
        check_size(text, MANAGED_QUOTA, "policy", policy.name)
        now = self.kit.clock.now()

        def change(found: ManagedPolicy, _: Tx) -> Result:
            if len(found.versions) >= _MAX_VERSIONS:
                raise LimitExceededException(
                    f"A managed policy can have up to {_MAX_VERSIONS} versions. Before you create a new version, you "
                    "must delete an existing version."
                )
            version = PolicyVersion(f"v{found.next_version}", text, now)
            found.next_version += 1
            found.versions.append(version)
            if request.get("SetAsDefault"):
                found.default_version, found.updated_at = version.id, now
            return views.version(version, found.default_version)

        return {"PolicyVersion": await self.directory.change(ManagedPolicy, context.account, policy.name, change)}

    @operation("GetPolicyVersion")
    async def get_policy_version(self, context: CallContext, request: Request) -> Result:
        arn, id = request["PolicyArn"], request["VersionId"]
        if (aws := await aws_managed.find(arn)) is not None:
            if id != aws.version:
                raise NoSuchEntityException(f"Policy {arn} version {id} does not exist or is not attachable.")
            shown = views.version(PolicyVersion(id, aws.document, aws.updated_at), aws.version)
            return {"PolicyVersion": shown | {"Document": views.document(aws.document)}}
        policy = await self._own(context.account, arn)
        version = self._version(policy, id)
        shown = views.version(version, policy.default_version)
        return {"PolicyVersion": shown | {"Document": views.document(version.document)}}

    @operation("ListPolicyVersions")
    async def list_policy_versions(self, context: CallContext, request: Request) -> Result:
        arn = request["PolicyArn"]
        if (aws := await aws_managed.find(arn)) is not None:
            only = PolicyVersion(aws.version, aws.document, aws.updated_at)
            return {"Versions": [views.version(only, only.id)], "IsTruncated": False}
        policy = await self._own(context.account, arn)
        versions, more = page(policy.versions[::-1], request, lambda version: version.id)
        return {"Versions": [views.version(version, policy.default_version) for version in versions], **more}

    @operation("SetDefaultPolicyVersion")
    async def set_default_policy_version(self, context: CallContext, request: Request) -> Result:
        policy = await self._own(context.account, request["PolicyArn"])
        now = self.kit.clock.now()

        def change(found: ManagedPolicy, _: Tx) -> None:
            found.default_version = self._version(found, request["VersionId"]).id
            found.updated_at = now

        await self.directory.change(ManagedPolicy, context.account, policy.name, change)
        return {}

    @operation("DeletePolicyVersion")
    async def delete_policy_version(self, context: CallContext, request: Request) -> Result:
        policy = await self._own(context.account, request["PolicyArn"])

        def change(found: ManagedPolicy, _: Tx) -> None:
            version = self._version(found, request["VersionId"])
            if version.id == found.default_version:
                raise DeleteConflictException("Cannot delete the default version of a policy.")
            found.versions.remove(version)

        await self.directory.change(ManagedPolicy, context.account, policy.name, change)
        return {}

    def _version(self, policy: ManagedPolicy, id: str) -> PolicyVersion:
        version = policy.version(id)
        if version is None:
            raise NoSuchEntityException(f"Policy {policy.arn} version {id} does not exist or is not attachable.")
        return version

    async def _own(self, account: str, arn: str) -> ManagedPolicy:
        if not arn.startswith("arn:"):
            raise InvalidInputException(f"ARN {arn} is not valid.")
        policy = await self.store.get(ManagedPolicy, account, arn.rpartition("/")[2].lower())
        if policy is None or policy.arn != arn:
            raise policy_not_found(arn)
        return policy

    async def _check_exists(self, account: str, arn: str) -> None:
        if await aws_managed.find(arn) is None:
            await self._own(account, arn)

    async def _uses(self, account: str, arn: str) -> tuple[int, int]:
        attached = bounding = 0
        for kind in (User, Group, Role):
            attached += len(await self.store.find(kind, "by_policy", account, arn))
            bounding += len(await self.store.find(kind, "by_boundary", account, arn))
        return attached, bounding

    async def _all_uses(self, account: str) -> dict[str, tuple[int, int]]:
        uses: dict[str, tuple[int, int]] = {}
        for kind in (User, Group, Role):
            for subject in await self.store.list(kind, account):
                _count(uses, subject.attached, (1, 0))
                _count(uses, [subject.boundary] if subject.boundary else [], (0, 1))
        return uses

    async def _subject(self, account: str, arn: str) -> User | Group | Role:
        noun, _, name = arn.partition(f":{account}:")[2].partition("/")
        kind = _KINDS.get(noun)
        if kind is None:
            raise InvalidInputException(f"ARN {arn} is not valid.")
        return await self.directory.get(kind, account, name.rpartition("/")[2])


def _count(uses: dict[str, tuple[int, int]], arns: Iterable[str], more: tuple[int, int]) -> None:
    for arn in arns:
        attached, bounding = uses.get(arn, (0, 0))
        uses[arn] = (attached + more[0], bounding + more[1])


def _grants(document: str, namespace: str) -> bool:
    probe = f"{namespace.lower()}:"
    statements = compile_policy(document, "identity").statements
    texts = [action.lower() for statement in statements for action in statement.action_texts]
    return any(text == "*" or text.startswith(probe) for text in texts)


def _granting(subject: User | Group | Role, name: str, arn: str) -> Result:
    if arn:
        return {"PolicyName": name, "PolicyType": "MANAGED", "PolicyArn": arn}
    return {
        "PolicyName": name,
        "PolicyType": "INLINE",
        "EntityType": subject.noun.upper(),
        "EntityName": subject.name,
    }
