"""Randomness that repeats: the n-th draw of an execution is a function of the execution's seed and n.

The engine must decide the same from the same events, yet `States.UUID()` has to be unguessable and unique. So an
execution gets 16 random bytes when it starts, and each draw hashes them with a counter that is part of its state.
"""

from __future__ import annotations

import random
import uuid
from hashlib import blake2b


class Chance:
    __slots__ = ("draws", "seed")

    def __init__(self, seed: bytes, draws: int = 0) -> None:
        self.seed = seed
        self.draws = draws

    def bytes(self, count: int = 16) -> bytes:
        self.draws += 1
        return blake2b(self.draws.to_bytes(8, "big"), key=self.seed, digest_size=count).digest()

    def uuid(self) -> str:
        return str(uuid.UUID(bytes=self.bytes(16), version=4))

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return int.from_bytes(self.bytes(7), "big") / (1 << 56)

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high)."""
        return low + int(self.fraction() * (high - low))


def seeded_fraction(seed: int | float) -> float:
    """The number in [0, 1) that belongs to a seed which the definition gives (`States.MathRandom(1, 9, seed)`)."""
    return random.Random(seed).random()
