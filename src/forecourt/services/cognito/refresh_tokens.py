"""Refresh tokens: who holds one, holds a sign-in.

A token is random, and sealed together with the name of its grant. So nobody makes one up, the grant is found by its key
(a sign-in keeps no index for it), and a token whose grant is gone is told from one that never was. The grant keeps the
hash of the one token that is good, and for the grace period of the one before: any other that names it was used before.
"""

from __future__ import annotations

import msgspec

from forecourt.services.cognito import sealed
from forecourt.services.cognito.model import Grant
from forecourt.services.cognito.store import Records, token_hash

_PURPOSE = "cognito.refresh-token"
_SECRET_BYTES = 32


class _Token(msgspec.Struct, array_like=True, frozen=True):
    pool_id: str
    user_key: str
    grant_id: str
    secret: bytes


def renew(records: Records, grant: Grant) -> str:
    """A new token, the only good one from now on. The caller keeps the grant."""
    token = _Token(grant.pool_id, grant.user_key, grant.id, records.ids.bytes(_SECRET_BYTES))
    text = sealed.seal_text(records.sealer, _PURPOSE, token)
    grant.refresh_hash = token_hash(text)
    return text


async def grant_of(records: Records, text: str) -> Grant | None:
    """The grant that a token was made for, whether or not it is still the good one; None where it was revoked.

    Raises `BrokenToken` where the token is none of ours.
    """
    token = sealed.unseal_text(records.sealer, _PURPOSE, _Token, text)
    return await records.store.get(Grant, token.pool_id, token.user_key, token.grant_id)
