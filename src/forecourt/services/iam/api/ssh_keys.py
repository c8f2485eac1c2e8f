"""SSH public keys of users, which CodeCommit would take: kept, shown, and never used here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.kit import IamApi, Request, Result
from forecourt.services.iam.api.users import own_name
from forecourt.services.iam.errors import (
    DuplicateSSHPublicKeyException,
    InvalidInputException,
    InvalidPublicKeyException,
    LimitExceededException,
    NoSuchEntityException,
    UnrecognizedPublicKeyEncodingException,
)
from forecourt.services.iam.model import SshKey, User
from forecourt.services.iam.store import page
from forecourt.store import Tx

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_MAX_KEYS = 5
_PREFIX = "APKA"
# "The minimum bit-length of the public key is 2048 bits."
_MIN_BITS = 2048


class SshKeysApi(IamApi):
    @operation("UploadSSHPublicKey")
    async def upload(self, context: CallContext, request: Request) -> Result:
        public = _read(request["SSHPublicKeyBody"])
        key = SshKey(
            id=self.kit.unique_id(_PREFIX)[:20],
            body=_ssh(public),
            fingerprint=_fingerprint(public),
            uploaded_at=self.kit.clock.now(),
        )

        def change(user: User, _: Tx) -> str:
            if any(held.fingerprint == key.fingerprint for held in user.ssh_keys):
                raise DuplicateSSHPublicKeyException("The SSH public key is already associated with this user.")
            if len(user.ssh_keys) >= _MAX_KEYS:
                raise LimitExceededException(f"Cannot exceed quota for SSHPublicKeysPerUser: {_MAX_KEYS}")
            user.ssh_keys.append(key)
            return user.name

        owner = await self.directory.change(User, context.account, request["UserName"], change)
        return {"SSHPublicKey": _whole(owner, key, key.body)}

    @operation("GetSSHPublicKey")
    async def get(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, request["UserName"])
        key = _key(user, request["SSHPublicKeyId"])
        body = key.body if request["Encoding"] == "SSH" else _pem(_read(key.body))
        return {"SSHPublicKey": _whole(user.name, key, body)}

    @operation("ListSSHPublicKeys")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, own_name(context, request.get("UserName")))
        keys, more = page(user.ssh_keys, request, lambda key: key.id)
        return {"SSHPublicKeys": [_short(user.name, key) for key in keys], **more}

    @operation("UpdateSSHPublicKey")
    async def update(self, context: CallContext, request: Request) -> Result:
        if request["Status"] == "Expired":
            raise InvalidInputException("The status of an SSH public key is Active or Inactive.")

        def change(user: User, _: Tx) -> None:
            _key(user, request["SSHPublicKeyId"]).status = request["Status"]

        await self.directory.change(User, context.account, request["UserName"], change)
        return {}

    @operation("DeleteSSHPublicKey")
    async def delete(self, context: CallContext, request: Request) -> Result:
        def change(user: User, _: Tx) -> None:
            user.ssh_keys.remove(_key(user, request["SSHPublicKeyId"]))

        await self.directory.change(User, context.account, request["UserName"], change)
        return {}


def _key(user: User, id: str) -> SshKey:
    found = next((key for key in user.ssh_keys if key.id == id), None)
    if found is None:
        raise NoSuchEntityException(f"The Public Key with id {id} cannot be found.")
    return found


def _short(owner: str, key: SshKey) -> Result:
    return {"UserName": owner, "SSHPublicKeyId": key.id, "Status": key.status, "UploadDate": key.uploaded_at}


def _whole(owner: str, key: SshKey, body: str) -> Result:
    return _short(owner, key) | {"Fingerprint": key.fingerprint, "SSHPublicKeyBody": body}


def _read(text: str) -> RSAPublicKey:
    """Of either encoding. A start does not wait for the library."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    given = text.strip()
    if not given.startswith(("ssh-", "-----BEGIN")):
        raise UnrecognizedPublicKeyEncodingException("The public key is neither ssh-rsa nor PEM encoded.")
    try:
        load = load_ssh_public_key if given.startswith("ssh-") else load_pem_public_key
        public = load(given.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidPublicKeyException("The public key is malformed or otherwise invalid.") from None
    if not isinstance(public, RSAPublicKey) or public.key_size < _MIN_BITS:
        raise InvalidPublicKeyException(f"The public key must be an RSA key of {_MIN_BITS} bits or more.")
    return public


def _ssh(public: RSAPublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _pem(public: RSAPublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _fingerprint(public: RSAPublicKey) -> str:
    """MD5 in 16 pairs of digits: 47 characters, as AWS shows it (its model says 48)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.md5(der, usedforsecurity=False).digest().hex(":")
