"""Temporary credentials that carry everything themselves.

A session token is the sealed (AES-256-GCM) `Principal`: kind, ARN, session policies, tags, expiry. The access key id is
the seal's associated data and the secret is derived from key id and token nonce, so credentials are verified without a
look-up, cannot be altered, and cannot be recombined with those of another session.

Every access key id that Forecourt makes is recognisable by it, and by nobody without the master key: prefix, then 16
base-32 letters that hold the account (40 bits, as AWS's ids do), a nonce (20 bits) and a tag (19 bits). That is how
credentials that were issued here stay refused after they were deleted or tampered with, instead of passing for
credentials of strangers, which on a loopback address are trusted.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections import OrderedDict
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from forecourt.base.ids import Ids
from forecourt.base.principal import Principal

TEMPORARY = "ASIA"
LONG_TERM = "AKIA"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ACCOUNT_BITS, _NONCE_BITS, _TAG_BITS = 40, 20, 19
_VERSION = b"\x01"
_NONCE_BYTES = 12
_REMEMBERED = 10_000


class SessionCredentials(msgspec.Struct, frozen=True):
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float


class Session(NamedTuple):
    """An opened session token. It may have expired: `principal.expires_at`."""

    secret: str
    principal: Principal


class TokenInvalid(Exception):
    """The token was not sealed here for this access key id."""


class KeyIds:
    """Makes access key ids, and recognises those that were made with the same master key."""

    def __init__(self, master_key: bytes) -> None:
        self._key = hmac.digest(master_key, b"forecourt access key ids", "sha256")

    def make(self, prefix: str, account: str, ids: Ids) -> str:
        nonce = int.from_bytes(ids.bytes(4), "big") & ((1 << _NONCE_BITS) - 1)
        value = (int(account) << _NONCE_BITS | nonce) << _TAG_BITS | self._tag(prefix, int(account), nonce)
        return prefix + "".join(_BASE32[value >> shift & 31] for shift in range(75, -1, -5))

    def is_ours(self, access_key_id: str) -> bool:
        value = _number(access_key_id)
        if value is None:
            return False
        tag = value & ((1 << _TAG_BITS) - 1)
        nonce = value >> _TAG_BITS & ((1 << _NONCE_BITS) - 1)
        return tag == self._tag(access_key_id[:4], value >> (_TAG_BITS + _NONCE_BITS), nonce)

    def _tag(self, prefix: str, account: int, nonce: int) -> int:
        digest = hmac.digest(self._key, f"{prefix}{account}/{nonce}".encode(), "sha256")
        return int.from_bytes(digest[:4], "big") & ((1 << _TAG_BITS) - 1)


def account_of(access_key_id: str) -> str | None:
    """The account that an access key id names (AWS's ids have the same layout), or None where it names none."""
    value = _number(access_key_id)
    if value is None:
        return None
    account = value >> (_TAG_BITS + _NONCE_BITS) & ((1 << _ACCOUNT_BITS) - 1)
    return f"{account:012d}" if account <= 999_999_999_999 else None


def _number(access_key_id: str) -> int | None:
    letters = access_key_id[4:]
    if len(letters) != 16:
        return None
    value = 0
    for letter in letters:
        digit = _BASE32.find(letter)
        if digit < 0:
            return None
        value = value << 5 | digit
    return value


class Sessions:
    """Seals and opens session credentials."""

    def __init__(self, master_key: bytes, ids: Ids) -> None:
        self.key_ids = KeyIds(master_key)
        self._ids = ids
        self._cipher = AESGCM(hmac.digest(master_key, b"forecourt session tokens", "sha256"))
        self._secret_key = hmac.digest(master_key, b"forecourt session secrets", "sha256")
        self._opened: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def issue(self, principal: Principal, expires_at: float) -> SessionCredentials:
        """Credentials that act as `principal` until `expires_at` (epoch seconds)."""
        access_key_id = self.key_ids.make(TEMPORARY, principal.account, self._ids)
        nonce = self._ids.bytes(_NONCE_BYTES)
        named = msgspec.structs.replace(principal, access_key_id=access_key_id, expires_at=expires_at)
        sealed = self._cipher.encrypt(nonce, msgspec.msgpack.encode(named), access_key_id.encode())
        token = base64.b64encode(_VERSION + nonce + sealed).decode()
        return SessionCredentials(access_key_id, self._secret(access_key_id, nonce), token, expires_at)

    def open(self, access_key_id: str, token: str) -> Session:
        """Raises `TokenInvalid`. The expiry is for the caller to check."""
        known = self._opened.get((access_key_id, token))
        if known is not None:
            return known
        session = self._unseal(access_key_id, token)
        self._opened[access_key_id, token] = session
        if len(self._opened) > _REMEMBERED:
            self._opened.popitem(last=False)
        return session

    def _unseal(self, access_key_id: str, token: str) -> Session:
        try:
            raw = base64.b64decode(token, validate=True)
            if raw[:1] != _VERSION:
                raise TokenInvalid
            nonce, sealed = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
            plain = self._cipher.decrypt(nonce, sealed, access_key_id.encode())
            principal = msgspec.msgpack.decode(plain, type=Principal)
        except (binascii.Error, InvalidTag, ValueError, msgspec.DecodeError) as error:
            raise TokenInvalid from error
        return Session(self._secret(access_key_id, nonce), principal)

    def _secret(self, access_key_id: str, nonce: bytes) -> str:
        digest = hmac.digest(self._secret_key, access_key_id.encode() + nonce, "sha256")
        return base64.b64encode(digest[:30]).decode()
