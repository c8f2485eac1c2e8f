"""Password hashes: argon2id, off the event loop, behind a bounded queue.

Parameters are OWASP's (19 MiB, two passes, one lane: about 22 ms of one core). As many hashes run at a time as there
are cores; as many more wait as are worth waiting for; beyond that a sign-in is told to come back later, so that a flood
of sign-ins can take neither all memory nor the event loop. A check of a user who does not exist costs the same: it
verifies against a hash of nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from forecourt.services.cognito.errors import TooManyRequestsException

_T = TypeVar("_T")
TIME_COST, MEMORY_KIB, LANES = 2, 19 * 1024, 1
LONGEST_QUEUE = 256


class Hashing:
    def __init__(self, workers: int = 0, longest_queue: int = LONGEST_QUEUE) -> None:
        self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="argon2")
        self._longest_queue = longest_queue
        self._waiting = 0
        self._nobody = self._hasher.hash("no password is this one")

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, password_hash: str, password: str) -> bool:
        """An empty hash (no user, no password) never matches and takes as long."""
        matched = await self._run(lambda: self._verify(password_hash or self._nobody, password))
        return matched and bool(password_hash)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Other slow cryptography that releases the interpreter (RSA key generation)."""
        return await self._run(work)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= self._longest_queue:
            raise TooManyRequestsException("Too many requests")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
