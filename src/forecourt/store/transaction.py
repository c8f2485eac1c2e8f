"""Reading and changing what is stored, on one connection.

`Queries` is what anyone may ask; `Tx` is what a change may do besides. A `Tx` works on the writer's connection, where
it sees its own writes; it keeps the indexes and notes what it changed for `Changes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from forecourt.store import keys
from forecourt.store.changes import Change
from forecourt.store.document import D, Document, Layout, encode, layout
from forecourt.store.errors import AlreadyExists
from forecourt.store.keys import Key, Range
from forecourt.store.sqlite import Connection
from forecourt.store.statements import Statements

T = TypeVar("T")
# Inside the classes below `list` is a method.
Documents: TypeAlias = list[D]
Events: TypeAlias = list[tuple[int, bytes]]
Tasks: TypeAlias = list["Task"]
Rows: TypeAlias = list[Any]

NO_LIMIT = 2**62


class Task(msgspec.Struct, frozen=True):
    """Work that is due at `due_at` (epoch seconds). `key` names it in its queue; the same key replaces it."""

    queue: str
    key: str
    due_at: float
    body: bytes = b""


class Queries:
    def __init__(self, connection: Connection, statements: Statements) -> None:
        self._connection = connection
        self._sql = statements

    def get(self, kind: type[D], *key: str) -> D | None:
        shape = layout(kind)
        _require_whole(shape, key)
        rows = self._connection.fetch(self._sql.get, {"kind": shape.name, "key": keys.encode(key)})
        return shape.decode(rows[0][0]) if rows else None

    def list(
        self,
        kind: type[D],
        *prefix: str,
        starts_with: str | None = None,
        after: Key | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Documents[D]:
        """The documents whose key begins with `prefix`, and whose next part starts with `starts_with`, in key order,
        from behind the key `after` on."""
        shape = layout(kind)
        sql = self._sql.list_reverse if reverse else self._sql.list
        within = keys.span(prefix, starts_with, after, reverse=reverse)
        return [shape.decode(body) for (body,) in self._ranged(sql, shape, within, limit)]

    def find(
        self,
        kind: type[D],
        index: str,
        *values: str,
        starts_with: str | None = None,
        after: Key | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Documents[D]:
        """The documents whose first values in `index` are `values`, and whose next one starts with `starts_with`, in
        the index's order, from behind `after` (`position(document, index)`) on."""
        shape = layout(kind)
        sql = self._sql.find_reverse if reverse else self._sql.find
        within = keys.span(values, starts_with, after, reverse=reverse)
        rows = self._ranged(sql, shape, within, limit, name=shape.index[index].name)
        return [shape.decode(body) for (body,) in rows]

    def count(self, kind: type[D], *prefix: str) -> int:
        shape = layout(kind)
        return int(self._ranged(self._sql.count, shape, keys.span(prefix))[0][0])

    def read_log(self, stream: str, after: int = 0, limit: int | None = None, reverse: bool = False) -> Events:
        """The events of `stream` with their sequence numbers (from 1 on), those behind `after`."""
        sql = self._sql.read_log_reverse if reverse else self._sql.read_log
        return self._connection.fetch(sql, {"stream": stream, "after": after, "limit": _limit(limit)})

    def due(self, queue: str, until: float, limit: int) -> Tasks:
        """The tasks that are due at `until`, the earliest first."""
        rows = self._connection.fetch(self._sql.due, {"queue": queue, "until": until, "limit": limit})
        return [Task(queue, *row) for row in rows]

    def _ranged(self, sql: str, shape: Layout[Any], within: Range, limit: int | None = None, **more: str) -> Rows:
        parameters = {"kind": shape.name, "low": within.low, "high": within.high, "limit": _limit(limit), **more}
        return self._connection.fetch(sql, parameters)


class Tx(Queries):
    """One change. Lives as long as the `change` that it was handed to."""

    def __init__(self, connection: Connection, statements: Statements, ready: set[type[Document]]) -> None:
        super().__init__(connection, statements)
        self.changes: list[Change] = []
        # The kinds whose indexes are as declared: known before, and made so by this change.
        self._ready = ready
        self.made_ready: set[type[Document]] = set()

    def put(self, document: Document) -> None:
        shape = layout(type(document))
        self._prepare(shape)
        if shape.indexes:
            self._index(shape, document, self.get(shape.kind, *shape.key(document)))
        self._connection.run(self._sql.put, self._row(shape, document))
        self._note(shape, shape.key(document))

    def insert(self, document: Document) -> None:
        """Raises `AlreadyExists` where the key, or the values of a unique index, are taken."""
        shape = layout(type(document))
        row = self._row(shape, document)
        self._prepare(shape)
        if shape.indexes:
            if self._connection.fetch(self._sql.get, row):
                raise AlreadyExists(shape.name, shape.key(document))
            self._index(shape, document, None)
        if not self._connection.run(self._sql.insert, row):
            raise AlreadyExists(shape.name, shape.key(document))
        self._note(shape, shape.key(document))

    def delete(self, kind: type[D], *key: str) -> bool:
        shape = layout(kind)
        self._prepare(shape)
        if shape.indexes:
            document = self.get(kind, *key)
            if document is not None:
                self._unindex(shape, document)
        _require_whole(shape, key)
        deleted = self._connection.run(self._sql.delete, {"kind": shape.name, "key": keys.encode(key)}) > 0
        if deleted:
            self._note(shape, key, deleted=True)
        return deleted

    def delete_all(self, kind: type[D], *prefix: str) -> int:
        shape = layout(kind)
        self._prepare(shape)
        found = self.list(kind, *prefix)
        for document in found:
            self._unindex(shape, document)
            self._note(shape, shape.key(document), deleted=True)
        within = keys.span(prefix)
        parameters = {"kind": shape.name, "low": within.low, "high": within.high}
        self._connection.run(self._sql.delete_range, parameters)
        return len(found)

    def append(self, stream: str, events: Sequence[bytes], after: int | None = None) -> int:
        """Appends to an event log. Returns the sequence number of the last of `events`.

        Who knows the last sequence number says it: `after` saves a read, and fails where it is wrong.
        """
        last = after if after is not None else self._last_sequence(stream)
        rows = [{"stream": stream, "sequence": last + n, "body": body} for n, body in enumerate(events, 1)]
        self._connection.run_many(self._sql.append, rows)
        return last + len(rows)

    def _last_sequence(self, stream: str) -> int:
        return self._connection.fetch(self._sql.last_sequence, {"stream": stream})[0][0] or 0

    def delete_log(self, stream: str) -> None:
        self._connection.run(self._sql.delete_log, {"stream": stream})

    def enqueue(self, task: Task) -> None:
        row = {"queue": task.queue, "key": task.key, "due_at": task.due_at, "body": task.body}
        self._connection.run(self._sql.enqueue, row)

    def dequeue(self, queue: str, key: str) -> bool:
        return self._connection.run(self._sql.dequeue, {"queue": queue, "key": key}) > 0

    def empty(self) -> None:
        """Deletes everything."""
        for sql in self._sql.empty:
            self._connection.run(sql, {})

    def prepare(self, kind: type[Document]) -> None:
        """Makes the indexes of `kind` what they are declared to be."""
        self._prepare(layout(kind))

    def find(
        self,
        kind: type[D],
        index: str,
        *values: str,
        starts_with: str | None = None,
        after: Key | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Documents[D]:
        self._prepare(layout(kind))
        return super().find(kind, index, *values, starts_with=starts_with, after=after, limit=limit, reverse=reverse)

    def _row(self, shape: Layout[Any], document: Document) -> dict[str, Any]:
        return {"kind": shape.name, "key": keys.encode(shape.key(document)), "body": encode(document)}

    def _note(self, shape: Layout[Any], key: Key, *, deleted: bool = False) -> None:
        self.changes.append(Change(shape.kind, key, deleted))

    def _index(self, shape: Layout[Any], document: Document, old: Document | None) -> None:
        before = shape.entries(old) if old is not None else set()
        now = shape.entries(document)
        key = keys.encode(shape.key(document))
        for name, entry in now - before:
            if shape.index[name].unique:
                self._require_free(shape, document, name, entry[: -len(key)])
        for name, entry in before - now:
            self._remove_entry(shape, name, entry)
        for name, entry in now - before:
            self._add_entry(shape, name, entry, key)

    def _unindex(self, shape: Layout[Any], document: Document) -> None:
        for name, entry in shape.entries(document):
            self._remove_entry(shape, name, entry)

    def _add_entry(self, shape: Layout[Any], name: str, entry: bytes, key: bytes) -> None:
        row = {"kind": shape.name, "name": name, "entry": entry, "key": key}
        self._connection.run(self._sql.add_entry, row)

    def _remove_entry(self, shape: Layout[Any], name: str, entry: bytes) -> None:
        self._connection.run(self._sql.remove_entry, {"kind": shape.name, "name": name, "entry": entry})

    def _require_free(self, shape: Layout[Any], document: Document, name: str, values: bytes) -> None:
        for entry, holder in self._ranged(self._sql.holders, shape, keys.covering(values), name=name):
            if entry == values + holder and holder != keys.encode(shape.key(document)):
                raise AlreadyExists(shape.name, shape.key(document), name)

    def _prepare(self, shape: Layout[Any]) -> None:
        """Builds the indexes that are declared otherwise than they were built, and drops those no longer declared."""
        if shape.kind in self._ready or shape.kind in self.made_ready:
            return
        built = dict(self._connection.fetch(self._sql.definitions, {"kind": shape.name}))
        declared = {index.name: index.definition for index in shape.indexes}
        for name in {name for name, definition in built.items() if declared.get(name) != definition}:
            self._connection.run(self._sql.drop_index, {"kind": shape.name, "name": name})
            self._connection.run(self._sql.undefine, {"kind": shape.name, "name": name})
        missing = {name for name, definition in declared.items() if built.get(name) != definition}
        if missing:
            self._build(shape, missing)
            for name in missing:
                row = {"kind": shape.name, "name": name, "definition": declared[name]}
                self._connection.run(self._sql.define, row)
        self.made_ready.add(shape.kind)

    def _build(self, shape: Layout[Any], names: set[str]) -> None:
        for document in self.list(shape.kind):
            key = keys.encode(shape.key(document))
            for name, entry in shape.entries(document):
                if name in names:
                    self._add_entry(shape, name, entry, key)


def _require_whole(shape: Layout[Any], key: Key) -> None:
    if len(key) != shape.key_length:
        raise TypeError(f"{shape.name} has a key of {shape.key_length} parts, not {key!r}")


def _limit(limit: int | None) -> int:
    return NO_LIMIT if limit is None else limit
