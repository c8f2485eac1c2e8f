"""Task tokens: which execution, frame and attempt an answer belongs to.

A token is not secret data but an unguessable name: the nonce is drawn from the execution's seed, and an answer counts
only while the frame waits with that very nonce.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

import msgspec


class Token(NamedTuple):
    execution_arn: str
    frame: int
    nonce: str


def encode_token(execution_arn: str, frame: int, nonce: str) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((execution_arn, frame, nonce))).decode().rstrip("=")


def decode_token(text: str) -> Token:
    """Raises `ValueError` where `text` is no token."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return Token(*msgspec.msgpack.decode(data, type=tuple[str, int, str]))
    except (binascii.Error, msgspec.DecodeError, UnicodeError) as error:
        raise ValueError("not a task token") from error
