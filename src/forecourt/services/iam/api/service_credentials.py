"""Service-specific credentials: a user's name and password for CodeCommit or Keyspaces, an API key for Bedrock.

Those services are not here, so they are kept and shown, and never used. The secret is shown once and kept as a hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.kit import IamApi, Request, Result
from forecourt.services.iam.api.users import own_name
from forecourt.services.iam.errors import (
    LimitExceededException,
    NoSuchEntityException,
    ServiceNotSupportedException,
)
from forecourt.services.iam.model import ServiceCredential, User
from forecourt.services.iam.store import page
from forecourt.store import Tx

T = TypeVar("T")

_MAX_PER_SERVICE = 2
_PREFIX = "ACCA"
_DAY = 86_400


class Kind(NamedTuple):
    """`name` and `secret`: what the credential's two halves are called. Only an API key may expire."""

    name: str
    secret: str
    expires: bool


_PASSWORD = Kind("ServiceUserName", "ServicePassword", False)
_API_KEY = Kind("ServiceCredentialAlias", "ServiceCredentialSecret", True)
_SERVICES = {
    "codecommit.amazonaws.com": _PASSWORD,
    "cassandra.amazonaws.com": _PASSWORD,
    "bedrock.amazonaws.com": _API_KEY,
}


class ServiceCredentialsApi(IamApi):
    @operation("CreateServiceSpecificCredential")
    async def create(self, context: CallContext, request: Request) -> Result:
        service, now = request["ServiceName"], self.kit.clock.now()
        kind = _kind(service)
        days = request.get("CredentialAgeDays") if kind.expires else None
        secret = self._secret(kind)

        def change(user: User, _: Tx) -> tuple[str, ServiceCredential]:
            held = [credential for credential in user.service_credentials if credential.service == service]
            if len(held) >= _MAX_PER_SERVICE:
                raise LimitExceededException(
                    f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {_MAX_PER_SERVICE}"
                )
            credential = ServiceCredential(
                id=(_PREFIX + self.kit.ids.base32(17))[:20],
                service=service,
                user_name=_user_name(user, [one.user_name for one in held]),
                password_hash=_hashed(secret),
                created_at=now,
                expires_at=now + days * _DAY if days else None,
            )
            user.service_credentials.append(credential)
            return user.name, credential

        owner, credential = await self.directory.change(User, context.account, request["UserName"], change)
        return {"ServiceSpecificCredential": _shown(owner, credential) | {kind.secret: secret}}

    @operation("ListServiceSpecificCredentials")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        wanted = request.get("ServiceName")
        if wanted is not None:
            _kind(wanted)
        if request.get("AllUsers"):
            users = await self.store.list(User, context.account)
        else:
            users = [await self.directory.get(User, context.account, own_name(context, request.get("UserName")))]
        found = [(user.name, one) for user in users for one in user.service_credentials]
        chosen, more = page(
            [held for held in found if wanted in (None, held[1].service)], request, lambda held: held[1].id
        )
        return {"ServiceSpecificCredentials": [_shown(owner, credential) for owner, credential in chosen], **more}

    @operation("ResetServiceSpecificCredential")
    async def reset(self, context: CallContext, request: Request) -> Result:
        def change(user: User, _: Tx) -> tuple[str, ServiceCredential, str]:
            credential = _credential(user, request["ServiceSpecificCredentialId"])
            secret = self._secret(_kind(credential.service))
            credential.password_hash = _hashed(secret)
            return user.name, credential, secret

        owner, credential, secret = await self._change(context, request, change)
        shown = _shown(owner, credential) | {_kind(credential.service).secret: secret}
        return {"ServiceSpecificCredential": shown}

    @operation("UpdateServiceSpecificCredential")
    async def update(self, context: CallContext, request: Request) -> Result:
        def change(user: User, _: Tx) -> None:
            _credential(user, request["ServiceSpecificCredentialId"]).status = request["Status"]

        await self._change(context, request, change)
        return {}

    @operation("DeleteServiceSpecificCredential")
    async def delete(self, context: CallContext, request: Request) -> Result:
        def change(user: User, _: Tx) -> None:
            user.service_credentials.remove(_credential(user, request["ServiceSpecificCredentialId"]))

        await self._change(context, request, change)
        return {}

    async def _change(self, context: CallContext, request: Request, change: Callable[[User, Tx], T]) -> T:
        return await self.directory.change(User, context.account, own_name(context, request.get("UserName")), change)

    def _secret(self, kind: Kind) -> str:
        return ("ABSK" if kind.expires else "") + self.kit.ids.alnum(44)


def _kind(service: str) -> Kind:
    if service not in _SERVICES:
        raise ServiceNotSupportedException(f"{service} does not support service-specific credentials.")
    return _SERVICES[service]


def _credential(user: User, id: str) -> ServiceCredential:
    found = next((one for one in user.service_credentials if one.id == id), None)
    if found is None:
        raise NoSuchEntityException(f"The Service Specific Credential with id {id} cannot be found.")
    return found


def _user_name(user: User, taken: list[str]) -> str:
    """`anna-at-111122223333`, and of a second one `anna+1-at-111122223333`."""
    names = [f"{user.name}{f'+{number}' if number else ''}-at-{user.account}" for number in range(_MAX_PER_SERVICE)]
    return next(name for name in names if name not in taken)


def _hashed(secret: str) -> str:
    """Of 44 random characters, which nobody guesses: a plain digest is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _shown(owner: str, credential: ServiceCredential) -> Result:
    shown: Result = {
        "UserName": owner,
        "Status": credential.status,
        "CreateDate": credential.created_at,
        "ServiceSpecificCredentialId": credential.id,
        "ServiceName": credential.service,
        _kind(credential.service).name: credential.user_name,
    }
    return shown | ({"ExpirationDate": credential.expires_at} if credential.expires_at is not None else {})
