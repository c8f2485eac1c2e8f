"""What identity pools keep. Ids (`eu-west-1:…`) are unique by themselves: GetId is unsigned and names no account."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forecourt.store import Document, Index


class CognitoProvider(msgspec.Struct):
    """A user pool's app client. Members are named as in the API, which shows them whole."""

    ProviderName: str = ""
    ClientId: str = ""
    ServerSideTokenCheck: bool = False


class Rule(msgspec.Struct):
    Claim: str
    MatchType: str
    Value: str
    RoleARN: str


class Rules(msgspec.Struct):
    Rules: list[Rule]


class RoleMapping(msgspec.Struct, omit_defaults=True):
    Type: str
    AmbiguousRoleResolution: str | None = None
    RulesConfiguration: Rules | None = None


class PrincipalTagMap(msgspec.Struct):
    use_defaults: bool = False
    tags: dict[str, str] = {}


class IdentityPool(Document):
    __kind__ = "cognito-identity.IdentityPool"
    __key__ = ("id",)
    __indexes__ = (Index("by_account", fields=("account", "region", "id")),)

    id: str
    account: str
    region: str
    name: str
    created_at: float
    allow_unauthenticated: bool
    allow_classic: bool | None = None
    login_providers: dict[str, str] = {}
    developer_provider: str | None = None
    oidc_providers: list[str] = []
    cognito_providers: list[CognitoProvider] = []
    saml_providers: list[str] = []
    tags: dict[str, str] = {}
    roles: dict[str, str] = {}
    role_mappings: dict[str, RoleMapping] = {}
    # by identity provider's name
    principal_tags: dict[str, PrincipalTagMap] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:cognito-identity:{self.region}:{self.account}:identitypool/{self.id}"


def login_values(identity: Identity) -> Iterable[tuple[str, ...]]:
    linked = [(identity.pool, provider, subject) for provider, subject in identity.logins.items()]
    developer = [(identity.pool, provider, user) for provider, users in identity.developer.items() for user in users]
    return [*linked, *developer]


class Identity(Document):
    __kind__ = "cognito-identity.Identity"
    __key__ = ("id",)
    __indexes__ = (
        Index("by_pool", fields=("pool", "id")),
        Index("by_login", values=login_values, unique=True),
    )

    id: str
    pool: str
    created_at: float
    modified_at: float
    # provider -> the subject that the provider knows the user by
    logins: dict[str, str] = {}
    # developer provider -> the user identifiers that the developer's backend linked
    developer: dict[str, list[str]] = {}
    # merged into another identity, or all logins unlinked
    disabled: bool = False

    @property
    def is_authenticated(self) -> bool:
        return bool(self.logins or self.developer)


class SigningKey(Document):
    """The key of this installation's OpenID tokens, sealed."""

    __kind__ = "cognito-identity.SigningKey"
    __key__ = ("kid",)

    kid: str
    sealed: bytes
    created_at: float
