"""Every SQL statement of the store, written in SQLAlchemy Core and compiled once per engine to text.

The text takes named parameters and goes straight to the driver: a point read costs microseconds that way, about a
fifth of what SQLAlchemy's own execution costs.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import BindParameter, ColumnElement, Table, asc, bindparam, delete, desc, func, literal_column, select
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.expression import Executable

from forecourt.store.schema import documents, entries, events, indexes, tasks

_kind: BindParameter[str] = bindparam("kind")
_limit: BindParameter[int] = bindparam("limit")
# Said outright, since SQLAlchemy gives SQLite's LIMIT an OFFSET parameter of its own otherwise.
_nothing: ColumnElement[int] = literal_column("0")


class UpsertDialect(Protocol):
    """`insert` with `on_conflict_do_…`, which SQLite and PostgreSQL share though SQLAlchemy's core does not."""

    def __call__(self, table: Table) -> Any: ...


class Statements:
    def __init__(self, dialect: Dialect, insert: UpsertDialect) -> None:
        self._dialect = dialect
        self._insert = insert
        document = (documents.c.kind == _kind, documents.c.key == bindparam("key"))
        self.get = self._sql(select(documents.c.body).where(*document))
        self.put = self._sql(self._upsert(documents, "body"))
        self.insert = self._sql(insert(documents).on_conflict_do_nothing())
        self.delete = self._sql(delete(documents).where(*document))

        in_range = (documents.c.kind == _kind, *_between(documents.c.key))
        listed = select(documents.c.body).where(*in_range).limit(_limit).offset(_nothing)
        self.list = self._sql(listed.order_by(asc(documents.c.key)))
        self.list_reverse = self._sql(listed.order_by(desc(documents.c.key)))
        self.count = self._sql(select(func.count()).select_from(documents).where(*in_range))
        self.delete_range = self._sql(delete(documents).where(*in_range))

        index = (entries.c.kind == _kind, entries.c.name == bindparam("name"))
        joined = entries.join(documents, (documents.c.kind == entries.c.kind) & (documents.c.key == entries.c.key))
        found = (
            select(documents.c.body)
            .select_from(joined)
            .where(*index, *_between(entries.c.entry))
            .limit(_limit)
            .offset(_nothing)
        )
        self.find = self._sql(found.order_by(asc(entries.c.entry)))
        self.find_reverse = self._sql(found.order_by(desc(entries.c.entry)))
        self.holders = self._sql(select(entries.c.entry, entries.c.key).where(*index, *_between(entries.c.entry)))
        self.add_entry = self._sql(insert(entries).on_conflict_do_nothing())
        self.remove_entry = self._sql(delete(entries).where(*index, entries.c.entry == bindparam("entry")))
        self.drop_index = self._sql(delete(entries).where(*index))

        self.definitions = self._sql(select(indexes.c.name, indexes.c.definition).where(indexes.c.kind == _kind))
        self.define = self._sql(self._upsert(indexes, "definition"))
        self.undefine = self._sql(delete(indexes).where(indexes.c.kind == _kind, indexes.c.name == bindparam("name")))

        stream = events.c.stream == bindparam("stream")
        logged = select(events.c.sequence, events.c.body).where(stream, events.c.sequence > bindparam("after"))
        self.read_log = self._sql(logged.order_by(asc(events.c.sequence)).limit(_limit).offset(_nothing))
        self.read_log_reverse = self._sql(logged.order_by(desc(events.c.sequence)).limit(_limit).offset(_nothing))
        self.last_sequence = self._sql(select(func.max(events.c.sequence)).where(stream))
        self.append = self._sql(insert(events).values({c: bindparam(c) for c in ("stream", "sequence", "body")}))
        self.delete_log = self._sql(delete(events).where(stream))

        task = (tasks.c.queue == bindparam("queue"), tasks.c.key == bindparam("key"))
        self.enqueue = self._sql(self._upsert(tasks, "due_at", "body"))
        self.dequeue = self._sql(delete(tasks).where(*task))
        due = select(tasks.c.key, tasks.c.due_at, tasks.c.body)
        due = due.where(tasks.c.queue == bindparam("queue"), tasks.c.due_at <= bindparam("until"))
        self.due = self._sql(due.order_by(tasks.c.due_at, tasks.c.key).limit(_limit).offset(_nothing))

        self.empty = [self._sql(delete(table)) for table in (documents, entries, events, tasks)]

    def _upsert(self, table: Table, *columns: str) -> Executable:
        insert = self._insert(table)
        statement: Executable = insert.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={column: insert.excluded[column] for column in columns}
        )
        return statement

    def _sql(self, statement: Executable) -> str:
        return str(statement.compile(dialect=self._dialect))  # type: ignore[attr-defined]


def _between(column: ColumnElement[bytes]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= bindparam("low"), column < bindparam("high")
