"""How CloudFormation finds what it keeps, and what it seals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from forecourt.services.cloudformation.errors import ChangeSetNotFoundException, ValidationError
from forecourt.services.cloudformation.model import (
    ChangeSet,
    Event,
    Export,
    Import,
    Operation,
    Record,
    Stack,
    StackKey,
)
from forecourt.services.cloudformation.template.parameters import Value
from forecourt.store import Store, Tx
from forecourt.store.sealing import Sealer

_PURPOSE = "cloudformation"
_encode = msgspec.json.Encoder().encode
_decode_event = msgspec.msgpack.Decoder(Event).decode


class StackStore:
    def __init__(self, store: Store, sealer: Sealer) -> None:
        self.store = store
        self._sealer = sealer

    def seal(self, content: Any) -> bytes:
        return self._sealer.seal(_encode(content), _PURPOSE)

    def open(self, sealed: bytes) -> Any:
        return msgspec.json.decode(self._sealer.open(sealed, _PURPOSE)) if sealed else {}

    def parameters(self, sealed: bytes) -> dict[str, Value]:
        return msgspec.convert(self.open(sealed), dict[str, Value])

    async def find(self, account: str, region: str, name: str) -> Stack | None:
        """By name or id. A deleted stack is found by its id only."""
        if name.startswith("arn:"):
            parts = name.split("/")
            uuid = parts[2] if len(parts) == 3 else ""
            place = name.split(":")
            found = await self.store.get(Stack, account, region, uuid)
            return found if found is not None and place[3:5] == [region, account] else None
        named = await self.store.find(Stack, "by_name", account, region, name, limit=1)
        return named[0] if named else None

    async def require(self, account: str, region: str, name: str) -> Stack:
        """Raises `ValidationError`."""
        found = await self.find(account, region, name)
        if found is None:
            raise ValidationError(f"Stack with id {name} does not exist")
        return found

    async def records(self, stack: Stack) -> dict[str, Record]:
        return {record.logical_id: record for record in await self.store.list(Record, *stack.key)}

    async def operation(self, key: StackKey) -> Operation | None:
        return await self.store.get(Operation, *key)

    async def events(self, stack: Stack) -> list[Event]:
        """The newest first."""
        found = await self.store.read_log(events_of(stack.key), reverse=True)
        return [_decode_event(body) for _, body in found]

    async def forget(self) -> None:
        def change(tx: Tx) -> None:
            for kind in (Stack, Record, Operation, ChangeSet, Export, Import):
                tx.delete_all(kind)

        await self.store.write_long(change)

    async def exports(self, account: str, region: str) -> list[Export]:
        return await self.store.list(Export, account, region)

    async def importers(self, account: str, region: str, export: str) -> list[Import]:
        return await self.store.list(Import, account, region, export)

    async def change_sets(self, stack: Stack) -> list[ChangeSet]:
        return await self.store.list(ChangeSet, *stack.key)


def change_set_named(name: str, candidates: Iterable[ChangeSet]) -> ChangeSet:
    """By name or id. Raises `ChangeSetNotFoundException`."""
    for one in candidates:
        if name in (one.name, one.id):
            return one
    raise ChangeSetNotFoundException(f"ChangeSet [{name}] does not exist")


def events_of(key: StackKey) -> str:
    return "cloudformation.events/" + "/".join(key)


def note(tx: Tx, key: StackKey, events: Sequence[Event]) -> None:
    tx.append(events_of(key), [msgspec.msgpack.encode(event) for event in events])


def replace_exports(tx: Tx, stack: Stack, wanted: Mapping[str, str]) -> None:
    """The stack's exports are these, by name. Raises `ValidationError` where another stack has one of the name, or
    where one that is in use would change."""
    account, region = stack.account, stack.region
    own = {export.name: export for export in tx.list(Export, account, region) if export.stack == stack.uuid}
    for name, export in own.items():
        users = tx.list(Import, account, region, name)
        if users and wanted.get(name) != export.value:
            names = ", ".join(sorted({user.stack_name for user in users}))
            what = "deleted" if name not in wanted else "updated"
            raise ValidationError(f"Export {name} cannot be {what} as it is in use by {names}")
        if name not in wanted:
            tx.delete(Export, account, region, name)
    for name, value in wanted.items():
        holder = tx.get(Export, account, region, name)
        if holder is not None and holder.stack != stack.uuid:
            raise ValidationError(
                f"Export with name {name} is already exported by stack {holder.stack_id.split('/')[1]}"
            )
        tx.put(Export(account=account, region=region, name=name, stack=stack.uuid, stack_id=stack.id, value=value))


def replace_imports(tx: Tx, stack: Stack, wanted: set[str]) -> None:
    """The exports that the stack uses are these."""
    for known in tx.list(Import, stack.account, stack.region):
        if known.stack == stack.uuid and known.export not in wanted:
            tx.delete(Import, stack.account, stack.region, known.export, stack.uuid)
    for name in wanted:
        tx.put(Import(account=stack.account, region=stack.region, export=name, stack=stack.uuid, stack_name=stack.name))
