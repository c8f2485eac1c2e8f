"""Roles, service-linked roles and instance profiles."""

from __future__ import annotations

from forecourt.auth.supplies import Mode
from forecourt.base.call import CallContext, operation
from forecourt.services.iam import aws_managed, views
from forecourt.services.iam.api.kit import (
    IamApi,
    Kit,
    Request,
    Result,
    check_attachable,
    check_detached,
    check_trust,
    insert,
    new_tags,
    remove,
)
from forecourt.services.iam.api.policies_of import check_modifiable
from forecourt.services.iam.errors import (
    DeleteConflictException,
    InvalidInputException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
    ValidationError,
)
from forecourt.services.iam.model import DeletionTask, InstanceProfile, Role
from forecourt.services.iam.store import missing, name_of, page
from forecourt.store import Tx

_LINKED_TRUST = (
    '{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{}"}},'
    '"Action":"sts:AssumeRole"}}]}}'
)
# The part of AWSServiceRoleFor… where it is not the service's name with a capital.
_LINKED_NAMES = {
    "ops.apigateway.amazonaws.com": "APIGateway",
    "replicator.lambda.amazonaws.com": "LambdaReplicator",
    "email.cognito-idp.amazonaws.com": "AmazonCognitoIdpEmailService",
    "cognito-idp.amazonaws.com": "AmazonCognitoIdp",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "autoscaling.amazonaws.com": "AutoScaling",
    "ecs.amazonaws.com": "ECS",
}


class RolesApi(IamApi):
    def __init__(self, kit: Kit, mode: Mode) -> None:
        super().__init__(kit)
        self._mode = mode

    async def _checked_trust(self, text: str) -> str:
        """Raises `MalformedPolicyDocument`. Where nothing is enforced, whoever it trusts may come later."""
        trusted = check_trust(text).principals
        if self._mode == "enforce" and (unknown := await self.directory.unknown(trusted)):
            raise MalformedPolicyDocumentException(f'Invalid principal in policy: "AWS":"{unknown}"')
        return text

    @operation("CreateRole")
    async def create_role(self, context: CallContext, request: Request) -> Result:
        name, boundary = request["RoleName"], request.get("PermissionsBoundary")
        trust = await self._checked_trust(request["AssumeRolePolicyDocument"])
        if boundary:
            await check_attachable(self.directory, context.account, boundary)
        path = request.get("Path") or "/"
        if path.startswith("/aws-service-role/"):
            raise InvalidInputException(f"The path {path} is reserved for service-linked roles.")
        role = Role(
            account=context.account,
            key=name.lower(),
            name=name,
            path=path,
            id=self.kit.unique_id(Role.prefix),
            created_at=self.kit.clock.now(),
            trust=trust,
            trusted_at=self.kit.clock.now(),
            description=request.get("Description") or "",
            max_session_seconds=request.get("MaxSessionDuration") or 3600,
            tags=new_tags(request),
            boundary=boundary,
        )
        await self.store.write(lambda tx: insert(tx, role, f"Role with name {name}"))
        return {"Role": views.whole_role(role)}

    @operation("GetRole")
    async def get_role(self, context: CallContext, request: Request) -> Result:
        return {"Role": views.whole_role(await self.directory.get(Role, context.account, request["RoleName"]))}

    @operation("ListRoles")
    async def list_roles(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.under_path(Role, context.account, request.get("PathPrefix"))
        roles, more = page(found, request, name_of)
        return {"Roles": [views.role(role) for role in roles], **more}

    @operation("UpdateRole")
    async def update_role(self, context: CallContext, request: Request) -> Result:
        def change(role: Role, _: Tx) -> None:
            check_modifiable(role)
            role.description = request.get("Description", role.description)
            role.max_session_seconds = request.get("MaxSessionDuration", role.max_session_seconds)

        await self.directory.change(Role, context.account, request["RoleName"], change)
        return {}

    @operation("UpdateRoleDescription")
    async def update_role_description(self, context: CallContext, request: Request) -> Result:
        def change(role: Role, _: Tx) -> Role:
            role.description = request["Description"]
            return role

        role = await self.directory.change(Role, context.account, request["RoleName"], change)
        return {"Role": views.whole_role(role)}

    @operation("UpdateAssumeRolePolicy")
    async def update_assume_role_policy(self, context: CallContext, request: Request) -> Result:
        trust = await self._checked_trust(request["PolicyDocument"])

        def change(role: Role, _: Tx) -> None:
            check_modifiable(role)
            role.trust, role.trusted_at = trust, self.kit.clock.now()

        await self.directory.change(Role, context.account, request["RoleName"], change)
        return {}

    @operation("DeleteRole")
    async def delete_role(self, context: CallContext, request: Request) -> Result:
        await self.store.write(lambda tx: _delete_role(tx, context.account, request["RoleName"]))
        return {}

    # --- Service-linked roles ---

    @operation("CreateServiceLinkedRole")
    async def create_service_linked_role(self, context: CallContext, request: Request) -> Result:
        service = request["AWSServiceName"]
        if not service.endswith(".amazonaws.com"):
            raise InvalidInputException(f"Service-Linked Role Template not found for service principal: {service}")
        short = _LINKED_NAMES.get(service) or service.split(".")[0].replace("-", " ").title().replace(" ", "")
        suffix = f"_{request['CustomSuffix']}" if request.get("CustomSuffix") else ""
        name = f"AWSServiceRoleFor{short}{suffix}"
        policy = f"{aws_managed.ARN_PREFIX}/aws-service-role/{short}ServiceRolePolicy"
        role = Role(
            account=context.account,
            key=name.lower(),
            name=name,
            path=f"/aws-service-role/{service}/",
            id=self.kit.unique_id(Role.prefix),
            created_at=self.kit.clock.now(),
            trust=_LINKED_TRUST.format(service),
            description=request.get("Description") or "",
            linked_service=service,
            attached=[policy] if await aws_managed.find(policy) else [],
        )
        taken = f"Service role name {name} has been taken in this account, please try a different suffix."
        if await self.store.get(Role, context.account, role.key) is not None:
            raise InvalidInputException(taken)
        await self.store.write(lambda tx: insert(tx, role, f"Role with name {name}"))
        return {"Role": views.role(role)}

    @operation("DeleteServiceLinkedRole")
    async def delete_service_linked_role(self, context: CallContext, request: Request) -> Result:
        role = await self.directory.get(Role, context.account, request["RoleName"])
        if not role.linked_service:
            raise NoSuchEntityException(f"The role with name {role.name} is not a service-linked role.")
        task = DeletionTask(account=context.account, id=f"task{role.path}{role.name}/{self.kit.ids.uuid()}")

        def change(tx: Tx) -> None:
            remove(tx, role)
            tx.put(task)

        await self.store.write(change)
        return {"DeletionTaskId": task.id}

    @operation("GetServiceLinkedRoleDeletionStatus")
    async def get_deletion_status(self, context: CallContext, request: Request) -> Result:
        if await self.store.get(DeletionTask, context.account, request["DeletionTaskId"]) is None:
            raise NoSuchEntityException(f"Deletion task {request['DeletionTaskId']} cannot be found.")
        return {"Status": "SUCCEEDED"}

    # --- Instance profiles ---

    @operation("CreateInstanceProfile")
    async def create_instance_profile(self, context: CallContext, request: Request) -> Result:
        name = request["InstanceProfileName"]
        profile = InstanceProfile(
            account=context.account,
            key=name.lower(),
            name=name,
            path=request.get("Path") or "/",
            id=self.kit.unique_id("AIPA"),
            created_at=self.kit.clock.now(),
            tags=new_tags(request),
        )
        await self.store.write(lambda tx: insert(tx, profile, f"Instance Profile {name}"))
        return {"InstanceProfile": views.instance_profile(profile, None)}

    @operation("GetInstanceProfile")
    async def get_instance_profile(self, context: CallContext, request: Request) -> Result:
        profile = await self.directory.get(InstanceProfile, context.account, request["InstanceProfileName"])
        return {"InstanceProfile": await self._with_role(profile)}

    @operation("ListInstanceProfiles")
    async def list_instance_profiles(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.under_path(InstanceProfile, context.account, request.get("PathPrefix"))
        profiles, more = page(found, request, name_of)
        return {"InstanceProfiles": [await self._with_role(profile) for profile in profiles], **more}

    @operation("ListInstanceProfilesForRole")
    async def list_instance_profiles_for_role(self, context: CallContext, request: Request) -> Result:
        role = await self.directory.get(Role, context.account, request["RoleName"])
        every = await self.store.list(InstanceProfile, context.account)
        profiles, more = page([profile for profile in every if profile.role == role.key], request, name_of)
        return {"InstanceProfiles": [await self._with_role(profile) for profile in profiles], **more}

    @operation("AddRoleToInstanceProfile")
    async def add_role_to_instance_profile(self, context: CallContext, request: Request) -> Result:
        role = await self.directory.get(Role, context.account, request["RoleName"])

        def change(profile: InstanceProfile, _: Tx) -> None:
            if profile.role is not None:
                raise LimitExceededException("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
            profile.role = role.key

        await self.directory.change(InstanceProfile, context.account, request["InstanceProfileName"], change)
        return {}

    @operation("RemoveRoleFromInstanceProfile")
    async def remove_role_from_instance_profile(self, context: CallContext, request: Request) -> Result:
        def change(profile: InstanceProfile, _: Tx) -> None:
            if profile.role != request["RoleName"].lower():
                raise missing(Role, request["RoleName"])
            profile.role = None

        await self.directory.change(InstanceProfile, context.account, request["InstanceProfileName"], change)
        return {}

    @operation("DeleteInstanceProfile")
    async def delete_instance_profile(self, context: CallContext, request: Request) -> Result:
        name = request["InstanceProfileName"]

        def change(tx: Tx) -> None:
            profile = tx.get(InstanceProfile, context.account, name.lower())
            if profile is None:
                raise missing(InstanceProfile, name)
            if profile.role is not None:
                raise DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
            tx.delete(InstanceProfile, context.account, profile.key)

        await self.store.write(change)
        return {}

    async def _with_role(self, profile: InstanceProfile) -> Result:
        role = await self.store.get(Role, profile.account, profile.role) if profile.role else None
        return views.instance_profile(profile, role)


def _delete_role(tx: Tx, account: str, name: str) -> None:
    role = tx.get(Role, account, name.lower())
    if role is None:
        raise missing(Role, name)
    if role.linked_service:
        raise ValidationError("Service-linked roles are deleted by DeleteServiceLinkedRole.")
    if any(profile.role == role.key for profile in tx.list(InstanceProfile, account)):
        raise DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
    check_detached(role)
    remove(tx, role)
