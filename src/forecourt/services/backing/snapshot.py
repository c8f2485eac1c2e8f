"""moto's whole state as bytes, and back.

moto keeps everything in one object graph: services, accounts, regions, backends. It is pickled whole, in one go, so
that a subscription's queue is still the queue after a restart. What moto has and pickle can't take by itself: locks,
which are made anew, files that spill to disk, of which the content is kept, keys of cryptography's, nameless
functions, and dictionaries with a constructor of their own. Written and read only in Forecourt's own data folder, by
the same versions of moto and Python. All of this runs on moto's thread.
"""

from __future__ import annotations

import copyreg
import io
import marshal
import pickle
import platform
import tempfile
import threading
from collections import defaultdict
from importlib import import_module
from importlib.metadata import version
from types import CellType, FunctionType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

_MEMORY_BYTES = 16 * 1024 * 1024
_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
_PRIVATE_KEYS = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
# moto's own Lambda, which nobody reaches: functions are Forecourt's.
_LEFT_OUT = frozenset(("lambda",))
_DER = serialization.Encoding.DER
# A service's own attributes that are code, not state.
_CODE = frozenset(("backend", "service_name", "_use_boto3_regions", "_additional_regions", "_id"))


class NotPicklable(Exception):
    """Some service holds what cannot be kept: a running thread, a local function."""


def written_by() -> str:
    """Who can read it again."""
    return f"{version('moto')} (Python {platform.python_version()})"


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
        if services.service_name not in _LEFT_OUT
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
        if isinstance(value, _PRIVATE_KEYS):
            form = serialization.PrivateFormat.PKCS8
            return _private_key, (value.private_bytes(_DER, form, serialization.NoEncryption()),)
        if isinstance(value, x509.Certificate):
            return x509.load_der_x509_certificate, (value.public_bytes(_DER),)
        if kind is FunctionType and "<" in value.__qualname__:
            return _function, _parts(value)
        if isinstance(value, defaultdict) and kind is not defaultdict:
            return copyreg.__newobj__, (kind,), (value.default_factory, vars(value)), None, iter(value.items()), _refill  # type: ignore[attr-defined]
        return NotImplemented


def _refill(value: Any, state: tuple[Any, dict[str, Any]]) -> None:
    value.default_factory, attributes = state
    vars(value).update(attributes)


def _parts(function: FunctionType) -> tuple[Any, ...]:
    """A function without a name to find it by (`defaultdict(lambda: …)`)."""
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return marshal.dumps(function.__code__), function.__module__, function.__name__, function.__defaults__, cells


def _function(code: bytes, module: str, name: str, defaults: Any, cells: tuple[Any, ...]) -> Any:
    namespace = vars(import_module(module))
    return FunctionType(marshal.loads(code), namespace, name, defaults, tuple(map(CellType, cells)))


def _private_key(data: bytes) -> Any:
    return serialization.load_der_private_key(data, None)


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
