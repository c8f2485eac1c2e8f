"""Time-based one-time passwords (RFC 6238) of virtual MFA devices: SHA-1, six digits, 30 seconds. Pure."""

from __future__ import annotations

import hmac
import struct

STEP_SECONDS = 30
# A code of the step before or after is taken: clocks differ.
_DRIFT_STEPS = 1


def code(seed: bytes, step: int) -> str:
    digest = hmac.digest(seed, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def matching_step(seed: bytes, given: str, now: float, after: int = -1) -> int | None:
    """The step that `given` is the code of, or None. Steps up to `after` are used up: a code counts once."""
    current = int(now) // STEP_SECONDS
    for step in range(current - _DRIFT_STEPS, current + _DRIFT_STEPS + 1):
        if step > after and hmac.compare_digest(code(seed, step).encode(), given.encode("utf-8", "replace")):
            return step
    return None
