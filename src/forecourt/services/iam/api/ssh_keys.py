"""SSH public keys of users, which CodeCommit would take: kept, shown, and never used here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.holdings import Holdings
from forecourt.services.iam.api.kit import IamApi, Kit, Request, Result
from forecourt.services.iam.api.users import own_name
from forecourt.services.iam.errors import (
    DuplicateSSHPublicKeyException,
    InvalidPublicKeyException,
    UnrecognizedPublicKeyEncodingException,
)
from forecourt.services.iam.model import SshKey, User
from forecourt.services.iam.store import page

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_MAX_KEYS = 5
_PREFIX = "APKA"
# "The minimum bit-length of the public key is 2048 bits."
_MIN_BITS = 2048


class SshKeysApi(IamApi):
    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._keys: Holdings[SshKey] = Holdings(
            self.directory, lambda user: user.ssh_keys, "SSH public key", "SSHPublicKeysPerUser", _MAX_KEYS
        )

    @operation("UploadSSHPublicKey")
    async def upload(self, context: CallContext, request: Request) -> Result:
        public = _read(request["SSHPublicKeyBody"])
        key = SshKey(
            id=self.kit.unique_id(_PREFIX)[:20],
            body=_ssh(public),
            fingerprint=_fingerprint(public),
            uploaded_at=self.kit.clock.now(),
        )
        owner = await self._keys.add(
            context.account,
            request["UserName"],
            key,
            lambda held: held.fingerprint == key.fingerprint,
            DuplicateSSHPublicKeyException,
        )
        return {"SSHPublicKey": _whole(owner, key, key.body)}

    @operation("GetSSHPublicKey")
    async def get(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, request["UserName"])
        key = self._keys.find(user, request["SSHPublicKeyId"])
        body = key.body if request["Encoding"] == "SSH" else _pem(_read(key.body))
        return {"SSHPublicKey": _whole(user.name, key, body)}

    @operation("ListSSHPublicKeys")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, own_name(context, request.get("UserName")))
        keys, more = page(user.ssh_keys, request, lambda key: key.id)
        return {"SSHPublicKeys": [_short(user.name, key) for key in keys], **more}

    @operation("UpdateSSHPublicKey")
    async def update(self, context: CallContext, request: Request) -> Result:
        id, status = request["SSHPublicKeyId"], request["Status"]
        await self._keys.set_status(context.account, request["UserName"], id, status)
        return {}

    @operation("DeleteSSHPublicKey")
    async def delete(self, context: CallContext, request: Request) -> Result:
        await self._keys.delete(context.account, request["UserName"], request["SSHPublicKeyId"])
        return {}


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
