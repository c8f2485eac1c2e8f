"""Entities as the API shows them. Policy documents are URL-encoded there (RFC 3986), as AWS's page says of each."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from forecourt.services.iam.aws_managed import AwsManagedPolicy
from forecourt.services.iam.model import AccessKey, Group, InstanceProfile, ManagedPolicy, PolicyVersion, Role, User
from forecourt.services.iam.store import shown_tags

View = dict[str, Any]


def document(text: str) -> str:
    return quote(text, safe="")


def _boundary(subject: User | Role) -> View:
    if not subject.boundary:
        return {}
    return {
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": subject.boundary,
        }
    }


def _tags(tags: dict[str, str]) -> View:
    return {"Tags": shown_tags(tags)} if tags else {}


def user(found: User) -> View:
    """Without tags and boundary, as lists show it."""
    return {
        "Path": found.path,
        "UserName": found.name,
        "UserId": found.id,
        "Arn": found.arn,
        "CreateDate": found.created_at,
    }


def whole_user(found: User) -> View:
    return user(found) | _boundary(found) | _tags(found.tags)


def group(found: Group) -> View:
    return {
        "Path": found.path,
        "GroupName": found.name,
        "GroupId": found.id,
        "Arn": found.arn,
        "CreateDate": found.created_at,
    }


def role(found: Role) -> View:
    """As lists and instance profiles show it."""
    view: View = {
        "Path": found.path,
        "RoleName": found.name,
        "RoleId": found.id,
        "Arn": found.arn,
        "CreateDate": found.created_at,
        "AssumeRolePolicyDocument": document(found.trust),
        "MaxSessionDuration": found.max_session_seconds,
    }
    return view | ({"Description": found.description} if found.description else {})


def whole_role(found: Role) -> View:
    used: View = {}
    if found.last_used_at is not None:
        used = {"LastUsedDate": found.last_used_at, "Region": found.last_used_region}
    return role(found) | _boundary(found) | _tags(found.tags) | {"RoleLastUsed": used}


def instance_profile(found: InstanceProfile, held: Role | None) -> View:
    view: View = {
        "Path": found.path,
        "InstanceProfileName": found.name,
        "InstanceProfileId": found.id,
        "Arn": found.arn,
        "CreateDate": found.created_at,
        "Roles": [role(held)] if held is not None else [],
    }
    return view | _tags(found.tags)


def policy(found: ManagedPolicy, attached: int, as_boundary: int) -> View:
    view: View = {
        "PolicyName": found.name,
        "PolicyId": found.id,
        "Arn": found.arn,
        "Path": found.path,
        "DefaultVersionId": found.default_version,
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": as_boundary,
        "IsAttachable": True,
        "CreateDate": found.created_at,
        "UpdateDate": found.updated_at,
    }
    return view


def whole_policy(found: ManagedPolicy, attached: int, as_boundary: int) -> View:
    description = {"Description": found.description} if found.description else {}
    return policy(found, attached, as_boundary) | description | _tags(found.tags)


def aws_policy(found: AwsManagedPolicy, attached: int, as_boundary: int) -> View:
    return {
        "PolicyName": found.name,
        "PolicyId": found.id,
        "Arn": found.arn,
        "Path": found.path,
        "DefaultVersionId": found.version,
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": as_boundary,
        "IsAttachable": True,
        "CreateDate": found.created_at,
        "UpdateDate": found.updated_at,
    }


def version(found: PolicyVersion, default: str) -> View:
    return {"VersionId": found.id, "IsDefaultVersion": found.id == default, "CreateDate": found.created_at}


def access_key(found: AccessKey) -> View:
    return {
        "UserName": found.user,
        "AccessKeyId": found.id,
        "Status": found.status,
        "CreateDate": found.created_at,
    }


def attached_policies(arns: list[str]) -> list[View]:
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
