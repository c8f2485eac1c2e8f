"""The state of one attempt to sign in, and what an answer leads to.

`Attempt` is sealed into the session token. Nothing in it is believed because the client sent it: it is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from forecourt.services.cognito.model import Client, Pool, User
from forecourt.services.cognito.triggers import Occasion

Door = Literal["client", "admin", "browser"]


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the flow: who asks, by which door, and with which parameters or responses."""

    occasion: Occasion
    client: Client
    flow: str
    parameters: Mapping[str, str]
    door: Door = "client"
    ip: str = ""
    user_agent: str = ""
    # The device of the user that his browser has proven by its cookie.
    proven_device: str = ""

    @property
    def pool(self) -> Pool:
        return self.occasion.pool

    @property
    def hides_users(self) -> bool:
        return str(self.client.settings.get("PreventUserExistenceErrors")) == "ENABLED"

    def found(self, user: User | None) -> dict[str, bool]:
        """What triggers are told where the client hides who exists: they are asked for nobody, too."""
        return {"userNotFound": user is None} if self.hides_users else {}

    @property
    def proven_by_aws(self) -> bool:
        """The caller signed with AWS credentials, so he need not fear that we tell who exists."""
        return self.door == "admin"


class ChallengeResult(msgspec.Struct):
    """One entry of the custom flow's session, named as the triggers see it."""

    challengeName: str
    challengeResult: bool
    challengeMetadata: str | None = None


class NewAddress(msgspec.Struct, frozen=True):
    """An address that its owner named in MFA_SETUP and that waits for its code."""

    attribute: str
    value: str


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    pool_id: str
    client_id: str
    flow: str
    # As the client wrote it, and the user's key; the key is empty where there is no such user (and nobody may know).
    username: str
    user_key: str
    expires_at: float
    # `Records.maker` where the attempt began.
    maker: str = ""
    # What may be answered now.
    challenges: list[str] = []
    # Factors proven so far: PASSWORD, EMAIL_OTP, SMS_MFA, DEVICE, …
    passed: list[str] = []
    device_key: str = ""
    # Keyed hash of a code that was sent.
    code_hash: bytes = b""
    new_address: NewAddress | None = None
    # A TOTP seed that is being set up, and whether its first code was right.
    seed: bytes = b""
    seed_verified: bool = False
    seed_name: str = ""
    # The step of a TOTP code that was accepted: it may not be accepted again.
    totp_step: int = -1
    webauthn_challenge: bytes = b""
    passkey_id: str = ""
    passkey_sign_count: int = 0
    custom: list[ChallengeResult] = []
    private: dict[str, str] = {}
    # What a hosted page shows of the challenge, for the page that asks again after a wrong answer.
    shown: dict[str, str] = {}
    # Risk assessment asked for a second factor (MFA_REQUIRED), or noted what it saw.
    risk: str = ""
    mfa_demanded: bool = False
    # Whether everybody knows the password that was given.
    compromised: bool | None = None
    # The id that a notice gave this sign-in.
    event_id: str = ""
    new_password_set: bool = False
    # The id of the token that brought us here and that is not marked as used yet.
    unspent: str = ""


class Challenge(msgspec.Struct, frozen=True):
    name: str
    attempt: Attempt
    parameters: dict[str, str]
    available: tuple[str, ...] = ()


class Passed(msgspec.Struct, frozen=True):
    """Everything asked for is proven."""

    user: User
    attempt: Attempt


Outcome = Challenge | Passed


class SrpRound(msgspec.Struct, kw_only=True):
    """What SECRET_BLOCK seals: the server's side of one SRP exchange."""

    attempt: Attempt
    secret: bytes
    client_public: bytes
    server_public: bytes
    # The user's id in the hash; for a device its key, and the group's key in `name`.
    user_id: str
    name: str
