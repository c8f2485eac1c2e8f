"""What the strategies work with, and the few steps that they share: the user, his status, making a challenge."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from forecourt.services.cognito import errors, secret_hash
from forecourt.services.cognito.auth.attempt import Attempt, Challenge, Visit
from forecourt.services.cognito.credentials import Passwords
from forecourt.services.cognito.issuer import Issuer
from forecourt.services.cognito.messenger import Messenger
from forecourt.services.cognito.model import Client, Device, User
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.threat import Threat
from forecourt.services.cognito.triggers import Triggers, user_attributes

PURPOSE = "cognito.session"


class Kit(msgspec.Struct, frozen=True, kw_only=True):
    records: Records
    passwords: Passwords
    triggers: Triggers
    messenger: Messenger
    issuer: Issuer
    threat: Threat
    # Attempts of clients that do not send their session along with DEVICE_SRP_AUTH.
    device_attempts: dict[tuple[str, ...], Attempt]

    def new_attempt(self, visit: Visit, username: str, user: User | None) -> Attempt:
        return Attempt(
            id=self.records.ids.uuid(),
            pool_id=visit.pool.id,
            client_id=visit.client.id,
            flow=visit.flow,
            username=username,
            user_key=user.key if user else "",
            expires_at=self.session_end(visit.client),
            maker=self.records.maker,
            device_key=visit.proven_device or visit.parameters.get("DEVICE_KEY", ""),
            passed=["DEVICE"] if visit.proven_device else [],
        )

    def session_end(self, client: Client) -> float:
        return self.records.clock.now() + 60 * int(client.settings.get("AuthSessionValidity", 3))

    def challenge(
        self, visit: Visit, attempt: Attempt, name: str, parameters: Mapping[str, str], available: tuple[str, ...] = ()
    ) -> Challenge:
        """The next question: a fresh token id, so that the one before is of no more use."""
        asked = msgspec.structs.replace(
            attempt,
            id=self.records.ids.uuid(),
            challenges=[name],
            expires_at=self.session_end(visit.client),
            unspent="",
        )
        return Challenge(name, asked, dict(parameters), available)

    async def user_of(self, attempt: Attempt) -> User | None:
        return await self.records.user_by_key(attempt.pool_id, attempt.user_key) if attempt.user_key else None

    async def known_user(self, attempt: Attempt) -> User:
        """Where only an existing user can have come so far."""
        user = await self.user_of(attempt)
        if user is None:
            raise errors.incorrect_credentials()
        return user

    async def device_of(self, attempt: Attempt) -> Device | None:
        if not attempt.device_key or not attempt.user_key:
            return None
        return await self.records.store.get(Device, attempt.pool_id, attempt.user_key, attempt.device_key)

    async def find_user(self, visit: Visit, username: str) -> User | None:
        """None for nobody where that must not be known; else raises."""
        user = await self.records.find_user(visit.pool, username)
        if user is None and not visit.hides_users:
            raise errors.user_not_found()
        return user

    async def pre_authentication(self, visit: Visit, username: str, user: User | None) -> None:
        if not self.triggers.configured(visit.pool, "PreAuthentication"):
            return
        request = {
            "userAttributes": user_attributes(user) if user else {},
            "validationData": dict(visit.occasion.validation_data) or None,
            **visit.found(user),
        }
        source = "PreAuthentication_Authentication"
        name = user.username if user else username
        await self.triggers.fire(visit.occasion, "PreAuthentication", source, name, request, {})

    def check_secret_hash(self, visit: Visit, given: str | None, *names: str) -> None:
        """The hosted pages are ours: they act for a client with a secret without showing it."""
        if visit.door != "browser":
            check_secret_hash(self.records, visit.client, given, *names)

    def check_status(self, user: User) -> None:
        """Raises where a right password is not enough."""
        if not user.enabled:
            raise errors.NotAuthorizedException("User is disabled.")
        if user.status == "UNCONFIRMED":
            raise errors.UserNotConfirmedException("User is not confirmed.")
        if user.status == "RESET_REQUIRED":
            raise errors.PasswordResetRequiredException("Password reset required for the user")
        ends = user.password_expires_at
        if user.status == "FORCE_CHANGE_PASSWORD" and ends is not None and ends <= self.records.clock.now():
            raise errors.NotAuthorizedException("Temporary password has expired and must be reset by an administrator.")


def check_secret_hash(records: Records, client: Client, given: str | None, *names: str) -> None:
    """`names`: what the user may have called himself in the hash."""
    if not client.secrets:
        if given:
            raise errors.NotAuthorizedException(f"Unable to verify secret hash for client {client.id}")
        return
    if not given:
        raise errors.NotAuthorizedException(
            f"Client {client.id} is configured with secret but SECRET_HASH was not received"
        )
    if not secret_hash.matches(records.client_secrets(client), [name for name in names if name], client.id, given):
        raise errors.NotAuthorizedException(f"Unable to verify secret hash for client {client.id}")


def names_of(user: User | None) -> list[str]:
    """Every name that the user answers to."""
    return [user.username, user.sub, user.key, *(value for _, value in user.aliases)] if user else []


def required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name, "")
    if not value:
        raise errors.InvalidParameterException(f"Missing required parameter {name}")
    return value
