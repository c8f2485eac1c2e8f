"""SECRET_HASH: how a client that has a secret proves it, bound to the user's name.

`Base64(HMAC-SHA256(client secret, username ‖ client id))`. A client may have several secrets while they are rotated.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable


def compute(secret: str, username: str, client_id: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), (username + client_id).encode(), "sha256")).decode()


def matches(secrets: Iterable[str], usernames: Iterable[str], client_id: str, given: str) -> bool:
    """Whether `given` is the hash by any of the secrets for any of the names that the user may have called himself."""
    wanted = given.encode()
    candidates = [compute(secret, name, client_id).encode() for name in usernames for secret in secrets]
    return sum(hmac.compare_digest(candidate, wanted) for candidate in candidates) > 0


def secret_matches(secrets: Iterable[str], given: str) -> bool:
    return sum(hmac.compare_digest(secret.encode(), given.encode()) for secret in secrets) > 0
