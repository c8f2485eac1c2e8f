"""What IAM keeps. IAM is global: everything is keyed by account, and names count without regard to case.

`key` is the name in lower case; `name` is as it was given.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forecourt.store import Document, Index


class Subject(Document, kw_only=True):
    """What users, groups and roles have in common: a name in a path, and policies."""

    __key__ = ("account", "key")

    account: str
    key: str
    name: str
    path: str
    id: str
    created_at: float
    inline: dict[str, str] = {}
    attached: list[str] = []
    tags: dict[str, str] = {}
    boundary: str | None = None

    # When it got its name, where somebody else had that before
    since: float = 0.0

    noun = ""
    prefix = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:{self.noun}{self.path}{self.name}"


def attachments(subject: Subject) -> Iterable[tuple[str, str]]:
    return [(subject.account, arn) for arn in subject.attached]


def boundaries(subject: Subject) -> Iterable[tuple[str, str]]:
    return [(subject.account, subject.boundary)] if subject.boundary else []


_BY_POLICY = (Index("by_policy", values=attachments), Index("by_boundary", values=boundaries))


class LoginProfile(msgspec.Struct):
    """The password is kept as an Argon2 hash."""

    password_hash: str
    created_at: float
    reset_required: bool = False
    history: list[str] = []


class MfaDevice(msgspec.Struct):
    serial: str
    enabled_at: float


class SshKey(msgspec.Struct):
    id: str
    body: str
    fingerprint: str
    uploaded_at: float
    status: str = "Active"


class SigningCertificate(msgspec.Struct):
    id: str
    body: str
    uploaded_at: float
    status: str = "Active"


class ServiceCredential(msgspec.Struct):
    id: str
    service: str
    user_name: str
    password_hash: str
    created_at: float
    status: str = "Active"
    expires_at: float | None = None


class User(Subject):
    __kind__ = "iam.User"
    __indexes__ = (
        *_BY_POLICY,
        Index("by_group", values=lambda user: [(user.account, group.lower()) for group in user.groups]),
    )

    groups: list[str] = []
    login: LoginProfile | None = None
    mfa: list[MfaDevice] = []
    ssh_keys: list[SshKey] = []
    signing_certificates: list[SigningCertificate] = []
    service_credentials: list[ServiceCredential] = []

    noun = "user"
    prefix = "AIDA"


class LastAccess(msgspec.Struct, frozen=True):
    at: float
    region: str


class Access(Document):
    """Of a user or role to a service: when each action was asked for last."""

    __kind__ = "iam.Access"
    __key__ = ("account", "arn", "service")

    account: str
    arn: str
    service: str
    actions: dict[str, LastAccess] = {}

    @property
    def last(self) -> LastAccess:
        return max(self.actions.values(), key=lambda last: last.at)


class AccessReport(Document):
    """A job of the access advisor."""

    __kind__ = "iam.AccessReport"
    __key__ = ("account", "id")

    account: str
    id: str
    arn: str
    granularity: str
    created_at: float


class Former(Document):
    """The ARN of a user or role that is gone, or goes by another name now."""

    __kind__ = "iam.Former"
    __key__ = ("arn",)

    arn: str


class Group(Subject):
    __kind__ = "iam.Group"
    __indexes__ = _BY_POLICY

    noun = "group"
    prefix = "AGPA"


class Role(Subject):
    __kind__ = "iam.Role"
    __indexes__ = _BY_POLICY

    trust: str
    trusted_at: float = 0.0
    description: str = ""
    max_session_seconds: int = 3600
    last_used_at: float | None = None
    last_used_region: str = ""
    # `CreateServiceLinkedRole`: the service that owns it
    linked_service: str = ""

    noun = "role"
    prefix = "AROA"


class PolicyVersion(msgspec.Struct):
    id: str
    document: str
    created_at: float


class ManagedPolicy(Document):
    """A customer managed policy. AWS's own are not stored: see `aws_managed`."""

    __kind__ = "iam.ManagedPolicy"
    __key__ = ("account", "key")

    account: str
    key: str
    name: str
    path: str
    id: str
    created_at: float
    updated_at: float
    versions: list[PolicyVersion]
    default_version: str
    next_version: int
    description: str = ""
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"

    def version(self, id: str) -> PolicyVersion | None:
        return next((version for version in self.versions if version.id == id), None)


class AccessKey(Document):
    """`user` is empty for a key of the account's root. The secret is sealed: signatures need its value."""

    __kind__ = "iam.AccessKey"
    __key__ = ("id",)
    __indexes__ = (Index("by_user", fields=("account", "user")),)

    id: str
    account: str
    user: str
    sealed_secret: bytes
    created_at: float
    status: str = "Active"
    last_used_at: float | None = None
    last_used_service: str = "N/A"
    last_used_region: str = "N/A"


class InstanceProfile(Document):
    __kind__ = "iam.InstanceProfile"
    __key__ = ("account", "key")

    account: str
    key: str
    name: str
    path: str
    id: str
    created_at: float
    role: str | None = None
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:instance-profile{self.path}{self.name}"


class OidcProvider(Document):
    """`url` without its scheme, as AWS shows it and as it stands in the provider's ARN."""

    __kind__ = "iam.OidcProvider"
    __key__ = ("account", "url")

    account: str
    url: str
    created_at: float
    client_ids: list[str] = []
    thumbprints: list[str] = []
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:oidc-provider/{self.url}"


class SamlProvider(Document):
    __kind__ = "iam.SamlProvider"
    __key__ = ("account", "name")

    account: str
    name: str
    uuid: str
    created_at: float
    valid_until: float
    metadata: str
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:saml-provider/{self.name}"


class ServerCertificate(Document):
    __kind__ = "iam.ServerCertificate"
    __key__ = ("account", "key")

    account: str
    key: str
    name: str
    path: str
    id: str
    uploaded_at: float
    expires_at: float
    body: str
    chain: str = ""
    sealed_private_key: bytes = b""
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:server-certificate{self.path}{self.name}"


class VirtualMfa(Document):
    __kind__ = "iam.VirtualMfa"
    __key__ = ("account", "serial")

    account: str
    serial: str
    sealed_seed: bytes
    created_at: float
    user: str | None = None
    enabled_at: float | None = None
    # the step of the last code that was taken: a code counts once
    last_step: int = -1
    tags: dict[str, str] = {}


class PasswordPolicy(msgspec.Struct):
    """Defaults are those that AWS applies to members left out of UpdateAccountPasswordPolicy."""

    MinimumPasswordLength: int = 6
    RequireSymbols: bool = False
    RequireNumbers: bool = False
    RequireUppercaseCharacters: bool = False
    RequireLowercaseCharacters: bool = False
    AllowUsersToChangePassword: bool = False
    MaxPasswordAge: int | None = None
    PasswordReusePrevention: int | None = None
    HardExpiry: bool | None = None


class Account(Document):
    __kind__ = "iam.Account"
    __key__ = ("account",)

    account: str
    alias: str = ""
    password_policy: PasswordPolicy | None = None
    sts_token_version: str = "v1Token"
    report_at: float | None = None


class DeletionTask(Document):
    """The deletion of a service-linked role, which AWS performs later and we at once."""

    __kind__ = "iam.DeletionTask"
    __key__ = ("account", "id")

    account: str
    id: str
