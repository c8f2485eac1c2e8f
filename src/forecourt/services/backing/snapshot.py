"""moto's whole state as bytes, and back.

moto keeps everything in one object graph: services, accounts, regions, backends. It is pickled whole, in one go, so
that a subscription's queue is still the queue after a restart. What moto has and pickle can't take by itself: locks,
which are made anew, and files that spill to disk, of which the content is kept. Written and read only in Forecourt's
own data folder, by the same version of moto. All of this runs on moto's thread.
"""

from __future__ import annotations

import io
import pickle
import tempfile
import threading
from importlib import import_module
from importlib.metadata import version
from typing import Any

_MEMORY_BYTES = 16 * 1024 * 1024
_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
# A service's own attributes that are code, not state.
_CODE = frozenset(("backend", "service_name", "_use_boto3_regions", "_additional_regions", "_id"))


class NotPicklable(Exception):
    """Some service holds what cannot be kept: a running thread, a local function."""


def moto_version() -> str:
    return version("moto")


def dump() -> bytes:
    """Raises `NotPicklable`."""
    from moto.core.base_backend import BackendDict

    instances: list[Any] = BackendDict._instances  # type: ignore[misc]
    state = [
        (
            services.backend.__module__,
            services.service_name,
            {name: value for name, value in vars(services).items() if name not in _CODE},
            [(account, dict(regions)) for account, regions in services.items()],
        )
        for services in instances
    ]
    out = io.BytesIO()
    try:
        _Pickler(out, protocol=5).dump(state)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise NotPicklable(str(error)) from error
    return out.getvalue()


def restore(data: bytes) -> None:
    """Puts back what `dump` gave, into a moto that was not used yet."""
    for module, name, attributes, accounts in pickle.loads(data):
        services = _services(module, name)
        vars(services).update(attributes)
        for account, regions in accounts:
            for region, backend in regions.items():
                services[account][region] = backend


def _services(module: str, name: str) -> Any:
    from moto.core.base_backend import BackendDict

    found = vars(import_module(module)).values()
    return next(value for value in found if isinstance(value, BackendDict) and value.service_name == name)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind in _LOCKS:
            return _LOCKS[kind], ()
        if kind is threading.Condition:
            return threading.Condition, ()
        if kind is tempfile.SpooledTemporaryFile:
            return _spooled, (_content(value),)
        return NotImplemented


def _content(file: Any) -> bytes:
    position = file.tell()
    file.seek(0)
    data: bytes = file.read()
    file.seek(position)
    return data


def _spooled(data: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - the bucket that holds it closes it
    file.write(data)
    return file
