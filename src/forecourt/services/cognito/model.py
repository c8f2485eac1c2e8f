"""The entities of a user pool.

Settings are kept as AWS's documents (`settings` of a pool is a CreateUserPool request, completed with defaults), since
that is how they come and go. What the flows work with has fields of its own. Everything under a pool is keyed by the
pool's id, which is unique over accounts and regions: a caller without a signature brings no region.

No secret is stored in clear: passwords as argon2id hashes; refresh tokens, codes and cookies as SHA-256 of 32 random
bytes (codes: keyed with the master key, for they are short); TOTP seeds, client secrets, SRP verifiers and private keys
sealed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from forecourt.store import Document, Index


def moment(epoch_seconds: float) -> str:
    """A time as an index value: sorts as the number does."""
    return f"{int(epoch_seconds):012d}"


class Pool(Document):
    __kind__ = "cognito.Pool"
    __key__ = ("account", "region", "id")
    __indexes__ = (Index("by_id", fields=("id",), unique=True),)

    account: str
    region: str
    id: str
    name: str
    created_at: float
    modified_at: float
    settings: dict[str, Any]
    schema: list[dict[str, Any]]
    # SetUserPoolMfaConfig's documents; MfaConfiguration itself is among the settings.
    mfa: dict[str, Any] = {}
    session_configuration: dict[str, Any] = {}
    log_configurations: list[dict[str, Any]] = []
    # Sealed: the key of hashes of codes, and of what is made up for users who do not exist.
    pepper: bytes = b""

    @property
    def short_name(self) -> str:
        """What follows `_` in the id: SRP's name for the pool."""
        return self.id.split("_", 1)[1]

    @property
    def arn(self) -> str:
        return f"arn:aws:cognito-idp:{self.region}:{self.account}:userpool/{self.id}"

    @property
    def mfa_configuration(self) -> str:
        return str(self.settings.get("MfaConfiguration", "OFF"))

    @property
    def password_policy(self) -> dict[str, Any]:
        policy: dict[str, Any] = self.settings["Policies"]["PasswordPolicy"]
        return policy

    @property
    def triggers(self) -> dict[str, Any]:
        configured: dict[str, Any] = self.settings.get("LambdaConfig", {})
        return configured


class SigningKey(Document):
    """`sealed` is a PKCS #8 private key. The newest one signs."""

    __kind__ = "cognito.SigningKey"
    __key__ = ("pool_id", "kid")

    pool_id: str
    kid: str
    created_at: float
    sealed: bytes


class ClientSecret(msgspec.Struct):
    id: str
    sealed: bytes
    created_at: float


class Client(Document):
    __kind__ = "cognito.Client"
    __key__ = ("pool_id", "id")
    __indexes__ = (Index("by_id", fields=("id",), unique=True),)

    pool_id: str
    id: str
    name: str
    created_at: float
    modified_at: float
    settings: dict[str, Any]
    secrets: list[ClientSecret] = []
    session_configuration: dict[str, Any] = {}


class Domain(Document):
    """`name` is a prefix or, with a certificate, a whole host name."""

    __kind__ = "cognito.Domain"
    __key__ = ("name",)
    __indexes__ = (Index("by_pool", fields=("pool_id",)),)

    name: str
    pool_id: str
    account: str
    region: str
    custom: dict[str, Any] = {}
    managed_login_version: int = 1


class ResourceServer(Document):
    __kind__ = "cognito.ResourceServer"
    __key__ = ("pool_id", "identifier")

    pool_id: str
    identifier: str
    name: str
    scopes: list[dict[str, str]] = []


class Group(Document):
    __kind__ = "cognito.Group"
    __key__ = ("pool_id", "name")

    pool_id: str
    name: str
    created_at: float
    modified_at: float
    description: str | None = None
    role_arn: str | None = None
    precedence: int | None = None


class Membership(Document):
    __kind__ = "cognito.Membership"
    __key__ = ("pool_id", "group", "user_key")
    __indexes__ = (Index("by_user", fields=("pool_id", "user_key", "group")),)

    pool_id: str
    group: str
    user_key: str


class Totp(msgspec.Struct):
    sealed: bytes
    last_step: int = -1
    device_name: str = ""


class MfaPreference(msgspec.Struct):
    """What SetUserMFAPreference set: enabled factors, in AWS's names, and the preferred one."""

    enabled: list[str] = []
    preferred: str = ""


def _attribute_values(user: User) -> Iterable[tuple[str, ...]]:
    from forecourt.services.cognito.filters import SEARCHABLE

    values = {**user.attributes, "username": user.username, "sub": user.sub, "cognito:user_status": user.status}
    values["status"] = "Enabled" if user.enabled else "Disabled"
    return [(user.pool_id, name, values[name].lower()) for name in SEARCHABLE if values.get(name)]


class User(Document):
    """`key` is the username as the pool compares it. `aliases` are (attribute, folded value) pairs that sign in."""

    __kind__ = "cognito.User"
    __key__ = ("pool_id", "key")
    __indexes__ = (
        Index("by_sub", fields=("pool_id", "sub"), unique=True),
        Index("by_alias", values=lambda user: [(user.pool_id, *alias) for alias in user.aliases], unique=True),
        Index("by_attribute", values=_attribute_values),
    )

    pool_id: str
    key: str
    username: str
    sub: str
    created_at: float
    modified_at: float
    attributes: dict[str, str]
    aliases: list[tuple[str, str]] = []
    status: str = "UNCONFIRMED"
    enabled: bool = True
    # Empty where the user has none (passwordless, imported, federated).
    password_hash: str = ""
    # Sealed `srp.Verifier`; empty where no client of the pool allows SRP.
    srp_verifier: bytes = b""
    password_history: list[str] = []
    # A temporary password's end.
    password_expires_at: float | None = None
    totp: Totp | None = None
    mfa: MfaPreference = msgspec.field(default_factory=MfaPreference)
    # Whether a passkey stands for two factors; None where the pool's word is all there is.
    passkey_mfa: bool | None = None
    # SetUserSettings (the old way to turn on SMS).
    mfa_options: list[dict[str, str]] = []
    # New values that wait for their verification (AttributesRequireVerificationBeforeUpdate).
    pending_attributes: dict[str, str] = {}
    # Tokens issued before are void: GlobalSignOut, a changed password, a disabled user.
    tokens_valid_after: float = 0.0

    def all_attributes(self) -> dict[str, str]:
        return {"sub": self.sub, **self.attributes}


class Device(Document):
    __kind__ = "cognito.Device"
    __key__ = ("pool_id", "user_key", "device_key")

    pool_id: str
    user_key: str
    device_key: str
    group_key: str
    name: str
    created_at: float
    modified_at: float
    authenticated_at: float
    ip: str = ""
    # Sealed `srp.Verifier` made by the device; empty until ConfirmDevice.
    srp_verifier: bytes = b""
    # Of a browser instead: the hash of its cookie.
    browser_hash: str = ""
    remembered: bool = False

    @property
    def confirmed(self) -> bool:
        return bool(self.srp_verifier or self.browser_hash)


class OldRefreshToken(msgspec.Struct):
    """A refresh token that was rotated away and is still good, until the end of its grace period."""

    hash: str
    until: float


class Grant(Document, omit_defaults=True):
    """One sign-in: what its refresh tokens stand for. Deleting it revokes every token that came of it.

    Every sign-in writes one, so it has no index: its refresh tokens name it, and the expired are found by a walk.
    """

    __kind__ = "cognito.Grant"
    __key__ = ("pool_id", "user_key", "id")

    pool_id: str
    user_key: str
    # Also the `origin_jti` of the tokens.
    id: str
    client_id: str
    created_at: float
    expires_at: float
    auth_time: int
    scopes: list[str]
    # Of the refresh token that is good; empty where none was given.
    refresh_hash: str = ""
    hosted: bool = False
    old: list[OldRefreshToken] = []
    device_key: str = ""
    used_at: float = 0.0
    ip: str = ""
    user_agent: str = ""
    event_id: str = ""
    # The `BrowserSession` that it came from.
    browser_session: str = ""
    # RFC 8707: the audience of its access tokens.
    resource: str = ""


class Code(Document):
    """A code on its way to a user, one per purpose; `hash` is keyed with the master key."""

    __kind__ = "cognito.Code"
    __key__ = ("pool_id", "user_key", "purpose")
    __indexes__ = (Index("by_expiry", values=lambda code: [(moment(code.expires_at),)]),)

    pool_id: str
    user_key: str
    purpose: str
    hash: bytes
    expires_at: float
    destination: str = ""
    attempts: int = 0
    # When codes for this purpose were sent of late.
    sent_at: list[float] = []


class Spent(Document):
    """A sealed token that was used, or tried. Its key begins with the token's end: what has expired stands first, and a
    sign-in, which writes one, keeps no index for it."""

    __kind__ = "cognito.SpentToken"
    __key__ = ("until", "id")

    until: str
    id: str
    attempts: int = 0
    spent: bool = False


class Pending(Document):
    """What waits to be confirmed by its owner: a TOTP seed (sealed), a passkey's challenge."""

    __kind__ = "cognito.Pending"
    __key__ = ("id",)
    __indexes__ = (Index("by_expiry", values=lambda pending: [(moment(pending.expires_at),)]),)

    id: str
    expires_at: float
    body: bytes


class Tally(Document):
    """Failed attempts (`count`, `last`, `locked_until`) or messages sent (`sent`), by whom they concern."""

    __kind__ = "cognito.Tally"
    __key__ = ("pool_id", "purpose", "name")
    __indexes__ = (Index("by_expiry", values=lambda tally: [(moment(tally.expires_at),)]),)

    pool_id: str
    purpose: str
    name: str
    expires_at: float
    count: int = 0
    last: float = 0.0
    locked_until: float = 0.0
    sent: list[float] = []


class Passkey(Document):
    __kind__ = "cognito.Passkey"
    __key__ = ("pool_id", "user_key", "credential_id")
    __indexes__ = (Index("by_credential", fields=("pool_id", "credential_id"), unique=True),)

    pool_id: str
    user_key: str
    credential_id: str
    public_key: bytes
    sign_count: int
    name: str
    relying_party_id: str
    created_at: float
    transports: list[str] = []
    attachment: str | None = None


class AuthEvent(Document):
    """`id` sorts by time."""

    __kind__ = "cognito.AuthEvent"
    __key__ = ("pool_id", "user_key", "id")
    __indexes__ = (Index("by_expiry", values=lambda event: [(moment(event.expires_at),)]),)

    pool_id: str
    user_key: str
    id: str
    event_id: str
    type: str
    created_at: float
    expires_at: float
    response: str
    risk_level: str | None = None
    risk_decision: str = "NoRisk"
    compromised: bool | None = None
    challenges: list[dict[str, str]] = []
    ip: str = ""
    device_name: str = ""
    feedback: dict[str, Any] = {}


class RiskConfiguration(Document):
    """`client_id` is `ALL` for the pool's own."""

    __kind__ = "cognito.RiskConfiguration"
    __key__ = ("pool_id", "client_id")

    pool_id: str
    client_id: str
    modified_at: float
    settings: dict[str, Any]


class Customization(Document):
    """The classic hosted UI's CSS and logo; `client_id` is `ALL` for the pool's own."""

    __kind__ = "cognito.Customization"
    __key__ = ("pool_id", "client_id")

    pool_id: str
    client_id: str
    created_at: float
    modified_at: float
    css: str = ""
    image: bytes = b""
    version: str = ""


class Branding(Document):
    """A managed-login branding document."""

    __kind__ = "cognito.Branding"
    __key__ = ("pool_id", "id")
    __indexes__ = (Index("by_client", fields=("pool_id", "client_id"), unique=True),)

    pool_id: str
    id: str
    client_id: str
    created_at: float
    modified_at: float
    use_provided_values: bool = False
    settings: dict[str, Any] = {}
    assets: list[dict[str, Any]] = []


class Terms(Document):
    __kind__ = "cognito.Terms"
    __key__ = ("pool_id", "id")
    __indexes__ = (Index("by_client", fields=("pool_id", "client_id", "name"), unique=True),)

    pool_id: str
    id: str
    client_id: str
    name: str
    source: str
    enforcement: str
    links: dict[str, str]
    created_at: float
    modified_at: float


class ImportJob(Document):
    __kind__ = "cognito.ImportJob"
    __key__ = ("pool_id", "id")

    pool_id: str
    id: str
    name: str
    role_arn: str
    created_at: float
    upload_hash: str
    started_at: float | None = None
    completed_at: float | None = None
    status: str = "Created"
    imported: int = 0
    skipped: int = 0
    failed: int = 0
    # How many lines are done.
    position: int = 0
    message: str | None = None
    csv: bytes = b""


class BrowserSession(Document):
    """A signed-in browser on the hosted UI; the cookie's value is kept as a hash."""

    __kind__ = "cognito.BrowserSession"
    __key__ = ("pool_id", "hash")
    __indexes__ = (
        Index("by_user", fields=("pool_id", "user_key", "hash")),
        Index("by_expiry", values=lambda session: [(moment(session.expires_at),)]),
    )

    pool_id: str
    hash: str
    user_key: str
    expires_at: float
    auth_time: int
    client_id: str = ""
    used_at: float = 0.0
    ip: str = ""
    user_agent: str = ""

    @property
    def id(self) -> str:
        """A UUID of half the hash: it names the session, and opens nothing."""
        return str(UUID(self.hash[:32]))


class AuthorizationCode(Document):
    """RFC 6749, 4.1.2: bound to client and redirect URI, five minutes, once. `grant_id` is set when it was redeemed."""

    __kind__ = "cognito.AuthorizationCode"
    __key__ = ("hash",)
    __indexes__ = (Index("by_expiry", values=lambda code: [(moment(code.expires_at),)]),)

    hash: str
    pool_id: str
    user_key: str
    client_id: str
    redirect_uri: str
    scopes: list[str]
    expires_at: float
    auth_time: int
    nonce: str = ""
    browser_session: str = ""
    challenge: str = ""
    challenge_method: str = ""
    # RFC 8707: what the access token is for.
    resource: str = ""
    grant_id: str = ""


OF_A_POOL: tuple[type[Document], ...] = (
    SigningKey, Client, ResourceServer, Group, Membership, User, Device, Grant, Code, Passkey, AuthEvent,
    RiskConfiguration, Customization, Branding, Terms, ImportJob, BrowserSession, Tally,
)  # fmt: skip
OF_A_USER: tuple[type[Document], ...] = (Device, Grant, Code, Passkey, AuthEvent)
EXPIRING: tuple[type[Document], ...] = (Code, Pending, BrowserSession, AuthorizationCode, AuthEvent, Tally)
