"""Sealed tokens: state that a client carries for us between two calls (a session, a SECRET_BLOCK, a CSRF token).

The value is encrypted and authenticated with the master key under a purpose of its own, so that a token made for one
thing is no good for another. It names its own id and its end; `Sessions.spend` (store) makes it single-use.
"""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from forecourt.store.sealing import SealBroken, Sealer

_E = TypeVar("_E", bound=msgspec.Struct)


class BrokenToken(ValueError):
    """Not sealed by us, or for something else."""


def seal(sealer: Sealer, purpose: str, value: msgspec.Struct) -> bytes:
    return sealer.seal(msgspec.msgpack.encode(value), purpose)


def unseal(sealer: Sealer, purpose: str, kind: type[_E], data: bytes) -> _E:
    """Raises `BrokenToken`."""
    try:
        return msgspec.msgpack.decode(sealer.open(data, purpose), type=kind)
    except (SealBroken, msgspec.DecodeError) as error:
        raise BrokenToken from error


def to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """Raises `BrokenToken`, also of what is not written as `to_text` writes it: a token has one form only."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BrokenToken from error
    if to_text(data) != text:
        raise BrokenToken
    return data


def seal_text(sealer: Sealer, purpose: str, value: msgspec.Struct) -> str:
    return to_text(seal(sealer, purpose, value))


def unseal_text(sealer: Sealer, purpose: str, kind: type[_E], text: str) -> _E:
    """Raises `BrokenToken`."""
    return unseal(sealer, purpose, kind, from_text(text))
