"""Time-based one-time passwords (RFC 6238 over RFC 4226): SHA-1, six digits, steps of 30 seconds, as Cognito has them.

A code is accepted from one step before to one step after now. The step that matched is returned so that the caller can
remember it: RFC 6238, 5.2 forbids accepting a code twice.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote

STEP_SECONDS = 30
DRIFT_STEPS = 1
SEED_BYTES = 32


def code(seed: bytes, step: int) -> str:
    digest = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def matching_step(seed: bytes, given: str, now: float) -> int | None:
    """The latest step whose code `given` is."""
    current = int(now) // STEP_SECONDS
    steps = range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1)
    matched = [step for step in steps if hmac.compare_digest(code(seed, step).encode(), given.encode())]
    return max(matched, default=None)


def encode_seed(seed: bytes) -> str:
    """Base-32 without padding: what authenticator apps take."""
    return base64.b32encode(seed).decode().rstrip("=")


def provisioning_uri(issuer: str, account: str, seed: bytes) -> str:
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?secret={encode_seed(seed)}&issuer={quote(issuer)}"
