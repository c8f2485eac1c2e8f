"""Opaque page tokens: where a listing goes on, readable by us, meaningless to the client."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec


def encode_token(position: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(list(position))).decode().rstrip("=")


def decode_token(token: str) -> tuple[str, ...]:
    """Raises `ValueError` where the token is not one of ours."""
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return tuple(msgspec.json.decode(data, type=list[str]))
    except (ValueError, msgspec.MsgspecError) as error:
        raise ValueError("the page token is not valid") from error
