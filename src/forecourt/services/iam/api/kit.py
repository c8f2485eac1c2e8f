"""What IAM's operations work with, and the rules that they share: names, policies, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from forecourt.auth.policy import Policy, PolicyInvalid, compile_policy
from forecourt.auth.policy.parse import PolicyKind
from forecourt.auth.sessions import Sessions
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.iam import aws_managed
from forecourt.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidInputException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    NoSuchEntityException,
    PolicyNotAttachableException,
)
from forecourt.services.iam.key_uses import KeyUses
from forecourt.services.iam.model import (
    Access,
    Former,
    Group,
    InstanceProfile,
    ManagedPolicy,
    OidcProvider,
    Role,
    SamlProvider,
    ServerCertificate,
    Subject,
    User,
)
from forecourt.services.iam.store import Directory, tags_of
from forecourt.store import AlreadyExists, Tx
from forecourt.store.sealing import Sealer

Request = Mapping[str, Any]
Result = dict[str, Any]

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_ATTACHED = 10
MAX_TAGS = 50


class Quota(NamedTuple):
    name: str
    most: int


QUOTAS: Mapping[type[Any], Quota] = {
    User: Quota("UsersPerAccount", 5000),
    Group: Quota("GroupsPerAccount", 300),
    Role: Quota("RolesPerAccount", 1000),
    InstanceProfile: Quota("InstanceProfilesPerAccount", 1000),
    ManagedPolicy: Quota("PoliciesPerAccount", 1500),
    OidcProvider: Quota("OpenIdConnectProvidersPerAccount", 100),
    SamlProvider: Quota("SAMLProvidersPerAccount", 100),
    ServerCertificate: Quota("ServerCertificatesPerAccount", 20),
}
INLINE_QUOTA = {User: 2048, Group: 5120, Role: 10_240}
MANAGED_QUOTA = 6144
TRUST_QUOTA = 2048

Tagged = TypeVar("Tagged", User, Role, ManagedPolicy, InstanceProfile, ServerCertificate)


class Kit(NamedTuple):
    directory: Directory
    clock: Clock
    ids: Ids
    sealer: Sealer
    sessions: Sessions
    uses: KeyUses

    def unique_id(self, prefix: str) -> str:
        return prefix + self.ids.base32(17)


class IamApi:
    """The base of IAM's groups of operations."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.directory = kit.directory
        self.store = kit.directory.store


def check_policy(text: str, kind: PolicyKind) -> str:
    """Raises `MalformedPolicyDocument`."""
    _compiled(text, kind)
    return text


def check_trust(text: str) -> Policy:
    policy = _compiled(text, "trust")
    if len(re.sub(r"\s", "", text)) > TRUST_QUOTA:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {TRUST_QUOTA}")
    return policy


def _compiled(text: str, kind: PolicyKind) -> Policy:
    try:
        return compile_policy(text, kind)
    except PolicyInvalid as refused:
        raise MalformedPolicyDocumentException(str(refused)) from None


def check_size(text: str, quota: int, noun: str, name: str) -> None:
    """Raises `LimitExceeded` where the text is longer than its quota without blanks."""
    if len(re.sub(r"\s", "", text)) > quota:
        raise LimitExceededException(f"Maximum policy size of {quota} bytes exceeded for {noun} {name}")


async def check_attachable(directory: Directory, account: str, arn: str) -> None:
    if await managed_document(directory, account, arn) is None:
        raise NoSuchEntityException(f"Policy {arn} does not exist or is not attachable.")


async def managed_document(directory: Directory, account: str, arn: str) -> str | None:
    """The default version of a managed policy, AWS's or the account's own."""
    if arn.startswith(aws_managed.ARN_PREFIX):
        found = await aws_managed.find(arn)
        return found.document if found else None
    own = await directory.store.get(ManagedPolicy, account, arn.rpartition("/")[2].lower())
    if own is None or own.arn != arn:
        return None
    version = own.version(own.default_version)
    return version.document if version else None


def attach(subject: Subject, arn: str) -> None:
    if arn in subject.attached:
        return
    if len(subject.attached) >= MAX_ATTACHED:
        raise LimitExceededException(f"Cannot exceed quota for PoliciesPer{subject.noun.capitalize()}: {MAX_ATTACHED}")
    if "/aws-service-role/" in arn and not subject.path.startswith("/aws-service-role/"):
        raise PolicyNotAttachableException("Cannot attach a Service Role Policy to a Customer Role.")
    subject.attached.append(arn)


def detach(subject: Subject, arn: str) -> None:
    if arn not in subject.attached:
        raise NoSuchEntityException(f"Policy {arn} was not found.")
    subject.attached.remove(arn)


def check_detached(subject: Subject) -> None:
    if subject.attached:
        raise DeleteConflictException("Cannot delete entity, must detach all policies first.")
    if subject.inline:
        raise DeleteConflictException("Cannot delete entity, must delete policies first.")


def inline_document(subject: Subject, policy_name: str) -> str:
    if policy_name not in subject.inline:
        raise missing_inline(subject, policy_name)
    return subject.inline[policy_name]


def missing_inline(subject: Subject, policy_name: str) -> NoSuchEntityException:
    return NoSuchEntityException(f"The {subject.noun} policy with name {policy_name} cannot be found.")


def insert(tx: Tx, entity: Any, label: str) -> None:
    """Raises `EntityAlreadyExists`, or `LimitExceeded` where the account may have no more of the kind.

    Of a name that another had before it is kept since when it is this one's.
    """
    quota = QUOTAS.get(type(entity))
    if quota is not None and tx.count(type(entity), entity.account) >= quota.most:
        raise LimitExceededException(f"Cannot exceed quota for {quota.name}: {quota.most}")
    if isinstance(entity, User | Role):
        entity.since = entity.created_at if tx.get(Former, entity.arn) is not None else 0.0
    try:
        tx.insert(entity)
    except AlreadyExists:
        raise EntityAlreadyExistsException(f"{label} already exists.") from None


def remove(tx: Tx, entity: User | Role) -> None:
    tx.delete(type(entity), entity.account, entity.key)
    tx.put(Former(arn=entity.arn))
    for access in tx.list(Access, entity.account, entity.arn):
        tx.delete(Access, entity.account, entity.arn, access.service)


def add_tags(tags: dict[str, str], more: Mapping[str, str]) -> None:
    for key in more:
        check_tag_key(key)
    # Keys are one another's whatever their case; the way it was written last is shown.
    folded = {key.lower() for key in more}
    merged = {key: value for key, value in tags.items() if key.lower() not in folded or key in more} | dict(more)
    if len(merged) > MAX_TAGS:
        raise LimitExceededException(f"The number of tags has reached the maximum limit of {MAX_TAGS}.")
    tags.clear()
    tags.update(merged)


def check_tag_key(key: str) -> None:
    if key.lower().startswith("aws:"):
        raise InvalidInputException('Tag keys beginning with the prefix "aws:" are reserved for system use.')


def new_tags(request: Request) -> dict[str, str]:
    tags: dict[str, str] = {}
    add_tags(tags, tags_of(request))
    return tags
