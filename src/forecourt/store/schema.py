"""The tables. The same on every engine; `migrations/` makes older data folders look like this.

All keys are bytes that sort as the tuples that they encode (`keys.py`).
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

documents = Table(
    "documents",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# One row per document and index value: `entry` is the values and then the key, so that it is unique and ordered.
entries = Table(
    "entries",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("entry", LargeBinary, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# The indexes that `entries` holds, as they were declared when they were built.
indexes = Table(
    "indexes",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("definition", String, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("stream", String, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

tasks = Table(
    "tasks",
    metadata,
    Column("queue", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("due_at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("tasks_by_due_at", "queue", "due_at", "key"),
    sqlite_with_rowid=False,
)
