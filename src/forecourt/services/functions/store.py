"""What Lambda keeps and how it finds it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from forecourt.services.functions.errors import ResourceNotFoundException
from forecourt.services.functions.model import (
    BELONGINGS,
    REFERRERS,
    Alias,
    Configuration,
    Function,
    Version,
    codes,
    padded,
)
from forecourt.services.functions.names import LATEST, FunctionId
from forecourt.store import Store, Tx
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer

T = TypeVar("T")
_PURPOSE = "lambda.variables"


class VersionOf(msgspec.Struct, frozen=True):
    """What a name with its qualifier stands for: one version of a function."""

    function: Function
    version: str
    configuration: Configuration


class FunctionStore:
    """Reads on the loop; `write` runs a change. Blobs that nothing refers to any more are deleted with the change."""

    def __init__(self, store: Store, blobs: Blobs, sealer: Sealer) -> None:
        self.store = store
        self.blobs = blobs
        self._sealer = sealer
        # A blob that was just put is not yet referred to: nobody may sweep it meanwhile.
        self._codes = asyncio.Lock()

    async def function(self, id: FunctionId) -> Function:
        function = await self.store.get(Function, *id.function)
        if function is None:
            raise not_found(id)
        return function

    async def resolve(self, id: FunctionId) -> VersionOf:
        """By name, version or alias (its main version)."""
        function = await self.function(id)
        qualifier = id.qualifier
        if qualifier and qualifier != LATEST and not qualifier.isdecimal():
            alias = await self.store.get(Alias, *id.function, qualifier)
            if alias is None:
                raise not_found(id)
            qualifier = alias.version
        if not qualifier or qualifier == LATEST:
            return VersionOf(function, LATEST, function.configuration)
        version = await self.version(id._replace(qualifier=qualifier))
        return VersionOf(function, version.version, version.configuration)

    async def version(self, id: FunctionId) -> Version:
        version = await self.store.get(Version, *id.function, padded(int(id.qualifier or 0)))
        if version is None:
            raise not_found(id)
        return version

    async def write(self, change: Callable[[Tx], T]) -> T:
        return await self.store.write(change)

    async def write_with_code(self, data: bytes, change: Callable[[Tx, str], T]) -> T:
        """Keeps `data` and runs `change` with its digest."""
        async with self._codes:
            digest = await self.blobs.put(data)
            try:
                return await self.store.write(lambda tx: change(tx, digest))
            except BaseException:
                await self._sweep([digest])
                raise

    async def write_and_sweep(self, change: Callable[[Tx], tuple[T, Iterable[str]]]) -> T:
        """Runs `change`, which also tells the digests that it no longer refers to."""
        async with self._codes:
            result, digests = await self.store.write(change)
            await self._sweep(digests)
            return result

    async def sweep(self, digests: Iterable[str]) -> None:
        async with self._codes:
            await self._sweep(digests)

    async def _sweep(self, digests: Iterable[str]) -> None:
        for digest in set(digests):
            for kind in REFERRERS:
                if await self.store.find(kind, "by_code", digest, limit=1):
                    break
            else:
                await self.blobs.delete(digest)

    def seal(self, variables: Mapping[str, str]) -> bytes:
        return self._sealer.seal(msgspec.msgpack.encode(variables), _PURPOSE)

    def open(self, sealed: bytes) -> dict[str, str]:
        if not sealed:
            return {}
        return msgspec.msgpack.decode(self._sealer.open(sealed, _PURPOSE), type=dict[str, str])


def not_found(id: FunctionId) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Function not found: {id.arn}")


def require(tx: Tx, id: FunctionId) -> Function:
    """The function as the transaction sees it."""
    function = tx.get(Function, *id.function)
    if function is None:
        raise not_found(id)
    return function


def require_qualifier(tx: Tx, id: FunctionId) -> Function:
    """The function, whose version or alias `id` must be there too."""
    function = require(tx, id)
    qualifier = id.qualifier
    if not qualifier or qualifier == LATEST:
        return function
    if qualifier.isdecimal():
        found = tx.get(Version, *id.function, padded(int(qualifier))) is not None
    else:
        found = tx.get(Alias, *id.function, qualifier) is not None
    if not found:
        raise not_found(id)
    return function


def delete_function(tx: Tx, id: FunctionId) -> tuple[None, list[str]]:
    """With everything that belongs to it; also the blobs it referred to."""
    function = require(tx, id)
    digests = codes(function.configuration)
    for version in tx.list(Version, *id.function):
        digests += codes(version.configuration)
    for kind in BELONGINGS:
        tx.delete_all(kind, *id.function)
    tx.delete(Function, *id.function)
    return None, digests
