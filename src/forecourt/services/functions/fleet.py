"""Execution environments and who gets one.

Per version of a function a `Pool`: warm environments are reused (the last one used first, so that the others age), one
invocation at a time each. Where none is free, the invocation waits in line and an environment is made for it; it
takes whichever is ready first. The `Fleet` bounds what a machine can bear: environments in all, cold starts at a time,
invocations in line. It reaps what was idle for long, watches memory, and replaces what was made from an older revision.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

import msgspec

from forecourt.base.clock import Clock, Timer
from forecourt.services.functions.code import CodeFolders, remove_folder
from forecourt.services.functions.errors import TooManyRequestsException
from forecourt.services.functions.making import Maker
from forecourt.services.functions.pool import Pool
from forecourt.services.functions.runtime.environment import Environment
from forecourt.services.functions.runtime.guardian import Guardian
from forecourt.services.functions.runtime.spec import FunctionSpec

_log = logging.getLogger("forecourt.functions")

_MEMORY_WATCH_SECONDS = 0.025
_RETURN_SECONDS = 0.02


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine can bear."""

    environments: int = 100
    starting: int = max(2, 2 * (os.cpu_count() or 1))
    waiting: int = 1000
    idle_seconds: float = 300.0


class Fleet:
    def __init__(self, maker: Maker, code: CodeFolders, *, endpoint_url: str, clock: Clock, limits: Limits) -> None:
        self._maker = maker
        self._code = code
        self._endpoint_url = endpoint_url
        self._clock = clock
        self.limits = limits
        self._guardian = Guardian()
        self._pools: dict[tuple[str, str, str, str], Pool] = {}
        # Retired pools that still have environments, or invocations in line
        self._draining: list[Pool] = []
        # Every environment with its pool, whatever it is doing
        self._owner: dict[Environment, Pool] = {}
        self._busy: set[Environment] = set()
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaper: Timer | None = None
        self._memory_watch: asyncio.TimerHandle | None = None
        # Somebody waits for whom there was no room
        self._starved = False
        self._stopping = False
        self._emptied = asyncio.Event()

    # Who gets one

    async def acquire(self, spec: FunctionSpec) -> Environment:
        """A ready environment, which comes back by itself once its runtime asks for more.

        Raises `TooManyRequestsException` where the line is full, and what kept an environment from starting.
        """
        pool = self.pool(spec)
        environment = self._take_idle(pool) or await self._wait(pool)
        if not environment.answers:
            # It ended between being handed over and being taken.
            environment = await self._wait(pool)
        self._begin(environment)
        return environment

    def _begin(self, environment: Environment) -> None:
        """It is at work: its memory is watched."""
        self._busy.add(environment)
        if self._memory_watch is None:
            self._watch_memory()

    def pool(self, spec: FunctionSpec) -> Pool:
        key = (*spec.function, spec.version)
        pool = self._pools.get(key)
        if pool is not None and pool.spec.revision == spec.revision:
            return pool
        if pool is not None:
            self._retire(pool)
        opt = self._code.hold(spec.layers)
        pool = self._pools[key] = Pool(spec, self._code.hold((spec.code,)), opt)
        return pool

    def _take_idle(self, pool: Pool) -> Environment | None:
        while pool.idle:
            environment = pool.idle.pop()
            if environment.usable and environment.fresh_until > self._clock.now():
                return environment
            environment.stop()
        return None

    async def _wait(self, pool: Pool) -> Environment:
        if sum(len(other.waiting) for other in self._all()) >= self.limits.waiting:
            raise TooManyRequestsException("Rate Exceeded.", Reason="ConcurrentInvocationLimitExceeded")
        waiter: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
        pool.waiting.append(waiter)
        if any(environment.responded and self._owner[environment] is pool for environment in self._busy):
            # It will be back in a moment: a runtime sends its answer and its next question one after the other.
            asyncio.get_running_loop().call_later(_RETURN_SECONDS, self._grow)
        else:
            self._grow()
        try:
            return await waiter
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                pool.waiting.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._idle(waiter.result())
            raise

    # How many there are

    def provision(self, spec: FunctionSpec, count: int) -> None:
        """Keeps `count` environments warm, as far as the machine bears it."""
        self.pool(spec).provisioned = min(count, self.limits.environments // 2)
        self._grow()

    def _grow(self) -> None:
        """Starts what is wanted, as far as the machine bears it."""
        if self._stopping:
            return
        self._starved = False
        for pool in self._all():
            while pool.short_of > 0 and self._starting < self.limits.starting:
                if sum(other.size for other in self._all()) >= self.limits.environments:
                    self._starved = True
                    self._evict()
                    return
                self._spawn(pool)

    def _all(self) -> list[Pool]:
        return [*self._pools.values(), *self._draining]

    def _evict(self) -> None:
        """Makes room: the environment that was idle longest goes. What waits is served when it has ended."""
        idle = [pool.idle[0] for pool in self._pools.values() if pool.idle and not pool.waiting]
        if idle:
            environment = min(idle, key=lambda environment: environment.idle_since)
            self._owner[environment].idle.remove(environment)
            environment.stop()

    def _spawn(self, pool: Pool) -> None:
        pool.starting += 1
        pool.size += 1
        self._starting += 1
        task = asyncio.ensure_future(self._start(pool))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, pool: Pool) -> None:
        try:
            environment = await self._make(pool)
        except Exception as error:
            self._failed(pool, error)
            return
        finally:
            pool.starting -= 1
            self._starting -= 1
        self._deliver(pool, environment)
        self._grow()

    async def _make(self, pool: Pool) -> Environment:
        """Raises what keeps it from being started; what goes wrong in the worker is the environment's to tell."""
        try:
            environment, log_stream, credentials = await self._maker.make(pool, self._guardian, self._idle, self._gone)
        except BaseException:
            pool.size -= 1
            raise
        self._owner[environment] = pool
        self._begin(environment)
        try:
            await environment.initialize(self._endpoint_url, log_stream, credentials)
        except Exception:
            environment.stop()
            raise
        return environment

    def _failed(self, pool: Pool, error: Exception) -> None:
        """Nothing could be started: whoever waited longest hears why."""
        while pool.waiting:
            waiter = pool.waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return
        _log.warning("An environment of %s could not be started: %s", pool.spec.arn, error)

    def _deliver(self, pool: Pool, environment: Environment) -> None:
        """A new environment. One that failed to initialize tells the first in line why."""
        if environment not in self._owner and not pool.waiting:
            return
        if environment.usable:
            self._idle(environment)
        elif not pool.hand_over(environment):
            pool.provisioned = 0
            environment.stop()

    def _idle(self, environment: Environment) -> None:
        self._busy.discard(environment)
        pool = self._owner.get(environment)
        if pool is None or self._stopping:
            environment.stop()
        elif pool.hand_over(environment):
            pass
        elif pool.retired:
            environment.stop()
        else:
            environment.idle_since = self._clock.now()
            pool.idle.append(environment)
            self._arm_reaper()
            if self._starved:
                self._grow()

    def _gone(self, environment: Environment) -> None:
        self._busy.discard(environment)
        pool = self._owner.pop(environment, None)
        asyncio.get_running_loop().run_in_executor(None, remove_folder, environment.folders.tmp)
        self._emptied.set()
        if pool is None:
            return
        pool.size -= 1
        if environment in pool.idle:
            pool.idle.remove(environment)
        self._release_retired(pool)
        self._grow()

    # What goes

    def retire(self, account: str, region: str, name: str) -> None:
        """The function has changed or is gone: what is idle ends now, what is busy when it is done."""
        for pool in [pool for pool in self._pools.values() if pool.spec.function == (account, region, name)]:
            self._retire(pool)

    def _retire(self, pool: Pool) -> None:
        self._pools.pop((*pool.spec.function, pool.spec.version), None)
        pool.retired = True
        pool.provisioned = 0
        self._draining.append(pool)
        idle, pool.idle = pool.idle, []
        for environment in idle:
            environment.stop()
        self._release_retired(pool)

    def _release_retired(self, pool: Pool) -> None:
        if pool in self._draining and pool.size == 0 and not pool.waiting:
            self._draining.remove(pool)
            self._code.release(pool.task)
            self._code.release(pool.opt)

    def _arm_reaper(self) -> None:
        if self._reaper is None:
            self._reaper = self._clock.call_later(self.limits.idle_seconds, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        longest = self._clock.now() - self.limits.idle_seconds
        for pool in self._pools.values():
            spare = max(len(pool.idle) - pool.provisioned, 0)
            old = [environment for environment in pool.idle[:spare] if environment.idle_since <= longest]
            pool.idle = pool.idle[len(old) :]
            for environment in old:
                environment.stop()
        oldest = [pool.idle[0].idle_since for pool in self._pools.values() if len(pool.idle) > pool.provisioned]
        if oldest:
            self._reaper = self._clock.call_at(min(oldest) + self.limits.idle_seconds, self._reap)

    def _watch_memory(self) -> None:
        self._memory_watch = None
        for environment in self._busy:
            environment.watch_memory()
        if self._busy:
            self._memory_watch = asyncio.get_running_loop().call_later(_MEMORY_WATCH_SECONDS, self._watch_memory)

    async def stop(self) -> None:
        """Ends every environment and waits until they have ended."""
        self._stopping = True
        for timer in (self._reaper, self._memory_watch):
            if timer is not None:
                timer.cancel()
        for pool in self._all():
            for waiter in list(pool.waiting):
                waiter.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end_all()
        self._guardian.close()
        await asyncio.to_thread(remove_folder, self._maker.folder)

    async def reset(self) -> None:
        """Ends everything and starts from nothing."""
        for pool in self._all():
            for waiter in list(pool.waiting):
                waiter.cancel()
            pool.waiting.clear()
        for pool in list(self._pools.values()):
            self._retire(pool)
        await self._end_all()

    async def _end_all(self) -> None:
        for environment in list(self._owner):
            environment.stop()
        while self._owner:
            self._emptied.clear()
            await self._emptied.wait()
