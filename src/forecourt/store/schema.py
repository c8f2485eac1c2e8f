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

# In the order in which they come: what many streams get in one commit lies on few pages. Only the index goes by stream.
events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("stream", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("events_by_stream", "stream", "sequence", unique=True),
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
