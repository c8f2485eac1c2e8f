"""What an invocation needs to know of a function, kept in memory: no look-up in the store on the warm path.

Filled when first asked, forgotten as soon as the store says that something of the function changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, cast

import msgspec

from forecourt.base.ids import Ids
from forecourt.services.functions.model import Alias, Function, Version, padded
from forecourt.services.functions.names import LATEST, FunctionId
from forecourt.services.functions.runtime.spec import FunctionSpec
from forecourt.services.functions.store import FunctionStore, not_found
from forecourt.services.functions.views import log_group
from forecourt.store import Change

# Functions whose names were asked for; the store has the rest.
_MAX_ENTRIES = 10_000


class Target(msgspec.Struct, frozen=True):
    """The version behind a qualifier, and those that an alias sends a part of its invocations to."""

    main: FunctionSpec
    weighted: tuple[tuple[float, FunctionSpec], ...] = ()

    def choose(self, ids: Ids) -> FunctionSpec:
        if not self.weighted:
            return self.main
        left = ids.fraction()
        for weight, spec in self.weighted:
            left -= weight
            if left < 0:
                return spec
        return self.main


class Catalog:
    def __init__(self, store: FunctionStore, on_deleted: Callable[[str, str, str], None]) -> None:
        self._store = store
        self._on_deleted = on_deleted
        self._targets: dict[tuple[str, str, str], dict[str | None, Target]] = {}
        # Counts what was forgotten: what was read before must not be kept after.
        self._epoch = 0
        changes = store.store.changes
        self._unsubscribe = [changes.subscribe(kind, self._changed) for kind in (Function, Version, Alias)]

    async def find(self, id: FunctionId) -> Target:
        """Raises `ResourceNotFoundException`."""
        known = self._targets.get(id.function)
        if known is not None and id.qualifier in known:
            return known[id.qualifier]
        epoch = self._epoch
        target = await self._read(id)
        if epoch == self._epoch:
            if len(self._targets) >= _MAX_ENTRIES:
                self._targets.clear()
            self._targets.setdefault(id.function, {})[id.qualifier] = target
        return target

    async def _read(self, id: FunctionId) -> Target:
        function = await self._store.function(id)
        qualifier = id.qualifier
        if not qualifier or qualifier == LATEST:
            return Target(self._spec(function, function))
        if qualifier.isdecimal():
            return Target(await self._version(function, id, qualifier))
        alias = await self._store.store.get(Alias, *id.function, qualifier)
        if alias is None:
            raise not_found(id)
        weighted = [(weight, await self._version(function, id, name)) for name, weight in alias.weights.items()]
        return Target(await self._version(function, id, alias.version), tuple(weighted))

    async def _version(self, function: Function, id: FunctionId, qualifier: str) -> FunctionSpec:
        if qualifier == LATEST:
            return self._spec(function, function)
        version = await self._store.store.get(Version, *id.function, padded(int(qualifier)))
        if version is None:
            raise not_found(id)
        return self._spec(function, version)

    def _spec(self, function: Function, version: Function | Version) -> FunctionSpec:
        configuration = version.configuration
        return FunctionSpec(
            account=function.account,
            region=function.region,
            name=function.name,
            version=version.version,
            revision=configuration.revision_id,
            runtime=configuration.runtime,
            handler=configuration.handler,
            role=configuration.role,
            memory_mb=configuration.memory_size,
            timeout_seconds=configuration.timeout,
            variables=self._store.open(configuration.variables),
            code=configuration.code,
            layers=tuple(layer.code for layer in configuration.layers),
            log_group=log_group(function.name, configuration),
            log_format=cast('Literal["Text", "JSON"]', configuration.log_format),
            log_level=(configuration.application_log_level or "INFO") if configuration.log_format == "JSON" else "",
            reserved_concurrency=function.reserved_concurrency,
            ends_loops=function.recursive_loop == "Terminate",
        )

    def _changed(self, changes: Iterable[Change]) -> None:
        self._epoch += 1
        for change in changes:
            account, region, name = change.key[:3]
            self._targets.pop((account, region, name), None)
            if change.deleted and change.kind is Function:
                self._on_deleted(account, region, name)

    def clear(self) -> None:
        self._epoch += 1
        self._targets.clear()

    def close(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
