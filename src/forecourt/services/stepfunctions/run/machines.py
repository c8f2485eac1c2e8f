"""Compiled machines by the digest of their definition, the least recently used forgotten first."""

from __future__ import annotations

from collections import OrderedDict

from forecourt.services.stepfunctions.asl.machine import Machine
from forecourt.services.stepfunctions.asl.validate import compile_text
from forecourt.services.stepfunctions.model import Definition
from forecourt.store import Store

_MOST_MACHINES = 1000


class Machines:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled: OrderedDict[str, Machine] = OrderedDict()

    async def get(self, digest: str) -> Machine:
        machine = self._compiled.get(digest)
        if machine is not None:
            self._compiled.move_to_end(digest)
            return machine
        definition = await self._store.get(Definition, digest)
        if definition is None:
            raise LookupError(f"no definition {digest}")
        compiled = compile_text(definition.text)
        self.add(digest, compiled)
        return compiled

    def add(self, digest: str, machine: Machine) -> None:
        self._compiled[digest] = machine
        if len(self._compiled) > _MOST_MACHINES:
            self._compiled.popitem(last=False)

    def clear(self) -> None:
        self._compiled.clear()
