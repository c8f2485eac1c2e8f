"""Identifiers and randomness as a value that is handed in.

`Ids()` is cryptographically random; `Ids(seed=1)` repeats.
"""

from __future__ import annotations

import os
import random
import secrets
import string

_ALNUM_LOWER = string.ascii_lowercase + string.digits
_ALNUM_UPPER = string.ascii_uppercase + string.digits
_ALNUM = string.ascii_letters + string.digits
# Access key ids and unique ids of IAM are base-32 words: no 0, 1, 8, 9.
_BASE32 = string.ascii_uppercase + "234567"


_AT_ONCE = 256
# A UUID's 17th digit: two bits say which kind it is, two are random.
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in string.hexdigits}


def _uuid(digits: str) -> str:
    """RFC 9562 section 5.4. Written out, since every request takes one and `uuid.UUID` is three times as slow."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


class _Uuids:
    """Random ones, made many at a time: asking the kernel costs more than what it gives.

    Each is given once, whatever thread asks (`pop` and `extend` are atomic), and no forked child gets ours.
    """

    def __init__(self) -> None:
        self._made: list[str] = []
        os.register_at_fork(after_in_child=self._made.clear)

    def take(self) -> str:
        try:
            return self._made.pop()
        except IndexError:
            digits = os.urandom(16 * _AT_ONCE).hex()
            first, *rest = [_uuid(digits[at : at + 32]) for at in range(0, len(digits), 32)]
            self._made.extend(rest)
            return first


_uuids = _Uuids()


class Ids:
    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = secrets.SystemRandom() if seed is None else random.Random(seed)
        self.uuid = _uuids.take if seed is None else self._seeded_uuid

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def _seeded_uuid(self) -> str:
        return _uuid(self._random.randbytes(16).hex())

    def choice(self, alphabet: str, count: int) -> str:
        """`count` letters of an alphabet of at most 256, from one draw.

        They are the digits of a random number; its eight bytes more than they need make each as likely as the next.
        """
        number = int.from_bytes(self._random.randbytes(count + 8), "big")
        letters = []
        for _ in range(count):
            number, letter = divmod(number, len(alphabet))
            letters.append(alphabet[letter])
        return "".join(letters)

    def lower(self, count: int) -> str:
        """Lower-case letters and digits: ids of APIs (10), resources (6), deployments (6)."""
        return self.choice(_ALNUM_LOWER, count)

    def upper(self, count: int) -> str:
        return self.choice(_ALNUM_UPPER, count)

    def alnum(self, count: int) -> str:
        return self.choice(_ALNUM, count)

    def base32(self, count: int) -> str:
        return self.choice(_BASE32, count)

    def digits(self, count: int) -> str:
        return self.choice(string.digits, count)

    def fraction(self) -> float:
        """A number in [0, 1): jitter, canary and alias weights."""
        return self._random.random()
