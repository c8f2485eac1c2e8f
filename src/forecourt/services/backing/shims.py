"""Forecourt's clock and a seeded randomness inside of moto.

moto asks `datetime`, `time`, `random`, `uuid` and `os.urandom` wherever it needs them. To answer a request again after
a restart exactly as it was answered the first time, and to let a moved clock show in a queue's delay, these names are
bound to stand-ins in moto's own modules, and only there. A request is run `at` a time and with a `seed`; another
thread of moto's (there are few) sees the clock as it goes.
"""

from __future__ import annotations

import contextlib
import datetime as real_datetime
import os
import random
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from forecourt.base.clock import Clock

_MOTO = "moto."


class _Stand:
    """A module of which some names are others."""

    def __init__(self, module: types.ModuleType, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Shims:
    """There is one moto in a process, and one of these (`SHIMS`)."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._fixed = threading.local()
        self._random: Any = None
        self._stands: dict[int, Any] = {}

    def use(self, clock: Clock) -> None:
        self._clock = clock

    def install(self) -> None:
        """Binds the stand-ins in the modules of moto that are loaded. Once more after others were."""
        if self._random is None:
            from moto.moto_api._internal import mock_random

            self._random = mock_random
            self._stands = {id(original): stand for original, stand in self._pairs()}
        for name, module in list(sys.modules.items()):
            if name.startswith(_MOTO) and module is not None and not name.startswith("moto.moto_api._internal"):
                self._bind(module)

    def _bind(self, module: types.ModuleType) -> None:
        for name, value in list(vars(module).items()):
            stand = self._stands.get(id(value))
            if stand is not None:
                setattr(module, name, stand)

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        shifted = _datetime_class(self.now)
        shifted_date = _date_class(self.now)
        yield real_datetime, _Stand(real_datetime, datetime=shifted, date=shifted_date)
        yield real_datetime.datetime, shifted
        yield real_datetime.date, shifted_date
        yield time, _Stand(time, time=self.now, time_ns=lambda: int(self.now() * 1e9))
        yield time.time, self.now
        yield random, _Stand(random, **{name: getattr(self._random, name) for name in _DRAWS})
        yield uuid, _Stand(uuid, uuid1=self._random.uuid1, uuid4=self._random.uuid4)
        yield uuid.uuid1, self._random.uuid1
        yield uuid.uuid4, self._random.uuid4
        yield os, _Stand(os, urandom=self._random.randbytes)
        yield os.urandom, self._random.randbytes

    def now(self) -> float:
        fixed: float | None = getattr(self._fixed, "at", None)
        return self._clock.now() if fixed is None else fixed

    @contextlib.contextmanager
    def fixed(self, at: float, seed: bytes) -> Iterator[None]:
        """What runs inside, on this thread, runs at this time and draws from this seed."""
        self._random.seed(int.from_bytes(seed, "big"))
        self._fixed.at = at
        try:
            yield
        finally:
            self._fixed.at = None


SHIMS = Shims()
_DRAWS = (
    "random",
    "randint",
    "randrange",
    "choice",
    "choices",
    "sample",
    "shuffle",
    "uniform",
    "getrandbits",
    "randbytes",
)


class _Lenient(type):
    """`isinstance(x, stand-in)` is true of the real ones too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.__mro__[1])

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__mro__[1])


def _datetime_class(now: Callable[[], float]) -> type:
    class datetime(real_datetime.datetime, metaclass=_Lenient):
        """Makes real datetimes, so that none of these is ever kept."""

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return real_datetime.datetime(*args, **kwargs)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real_datetime.datetime.fromtimestamp(now(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return real_datetime.datetime.fromtimestamp(now(), real_datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return real_datetime.datetime.fromtimestamp(now())

    return datetime


def _date_class(now: Callable[[], float]) -> type:
    class date(real_datetime.date, metaclass=_Lenient):
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return real_datetime.date(*args, **kwargs)

        @classmethod
        def today(cls) -> Any:
            return real_datetime.date.fromtimestamp(now())

    return date
