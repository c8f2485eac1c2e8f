"""Event logs in the order of their writing; Step Functions' executions in that of their start.

Logs: a table in the order of streams has a page to change for each stream that a commit appends to. Now only the
index is in that order.

Open executions: one row that leads to the pending work, which stands in the state.

Until 0001 an execution's state and frames had its account, region, machine and name for their key, each piece of
pending work was a task of its own, and timers found their execution by their own key. What was started then keeps its
ARN as the place of its state and history, so that no history is rewritten; see `run/stored.py` of Step Functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from forecourt.store import keys

revision = "0002"
down_revision = "0001"

_AT_ONCE = 500
# Where the fields of a piece of pending work stand in its array
_KIND, _FRAME, _NONCE, _DELIVERIES = 1, 2, 3, 14

_documents = sa.table("documents", sa.column("kind"), sa.column("key"), sa.column("body"))
_events = sa.table("events", sa.column("stream"), sa.column("sequence"))
_tasks = sa.table("tasks", sa.column("queue"), sa.column("key"), sa.column("due_at"), sa.column("body"))
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.decode


def upgrade() -> None:
    connection = op.get_bind()
    _log_in_order(connection)
    _move_executions(connection)


def _log_in_order(connection: sa.Connection) -> None:
    op.rename_table("events", "events_by_key")
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("stream", sa.String, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    connection.execute(
        sa.text("INSERT INTO events (stream, sequence, body) SELECT stream, sequence, body FROM events_by_key")
    )
    op.drop_table("events_by_key")
    op.create_index("events_by_stream", "events", ["stream", "sequence"], unique=True)


def _move_executions(connection: sa.Connection) -> None:
    for key, body in _pages(connection, _documents, _documents.c.kind == "stepfunctions.ExecutionState"):
        _move(connection, key, _decode(body))
    for kind in ("stepfunctions.ExecutionState", "stepfunctions.FrameState"):
        connection.execute(sa.delete(_documents).where(_documents.c.kind == kind))
    connection.execute(sa.delete(_tasks).where(_tasks.c.queue == "states.work"))
    for key, body in _pages(connection, _tasks, _tasks.c.queue == "states.timers"):
        _name_execution(connection, key, body)
    by_tabs = sa.and_(_tasks.c.queue == "states.retention", _tasks.c.key.contains("\t"))
    for key, _ in _pages(connection, _tasks, by_tabs):
        _name_expiring(connection, key)


def _pages(connection: sa.Connection, table: sa.TableClause, which: sa.ColumnElement[bool]) -> Iterator[Any]:
    """Keys and bodies in the order of the keys; what is behind may change meanwhile."""
    page = sa.select(table.c.key, table.c.body).where(which).order_by(table.c.key).limit(_AT_ONCE)
    rows = connection.execute(page).all()
    while rows:
        yield from rows
        rows = connection.execute(page.where(table.c.key > rows[-1][0])).all()


def _move(connection: sa.Connection, key: bytes, state: dict[str, Any]) -> None:
    execution = [state[part] for part in ("account", "region", "machine", "name")]
    arn = _arn(*execution)
    pending = _pending(connection, arn)
    works = {work[_FRAME]: _encode(work) for work in pending if work[_KIND] != "go-on"}
    split = state.get("split", False)
    moved = {
        "place": arn,
        "execution": execution,
        "data": state["data"],
        "entries": _entries(connection, arn),
        "split": split,
        "goes_on": len(works) < len(pending),
        "work": b"" if split else b"".join(works.values()),
    }
    _insert(connection, "stepfunctions.State", (arn,), moved)
    if split:
        _move_frames(connection, key, arn, works)
    if pending:
        deliveries = {work[_NONCE]: work[_DELIVERIES] for work in pending if work[_DELIVERIES]}
        row = {"queue": "states.unfinished", "key": arn, "due_at": 0.0, "body": _encode(deliveries)}
        connection.execute(sa.insert(_tasks).values(row))


def _move_frames(connection: sa.Connection, key: bytes, arn: str, works: dict[int, bytes]) -> None:
    within = keys.covering(key)
    which = sa.and_(
        _documents.c.kind == "stepfunctions.FrameState", _documents.c.key >= within.low, _documents.c.key < within.high
    )
    for _, body in _pages(connection, _documents, which):
        frame = _decode(body)
        name = frame["frame"]
        # What ends with "+" is a frame's input, kept beside it
        work = works.get(int(name), b"") if name.isdecimal() else b""
        moved = {"place": arn, "frame": name, "data": frame["data"], "work": work}
        _insert(connection, "stepfunctions.Frame", (arn, name), moved)


def _insert(connection: sa.Connection, kind: str, key: tuple[str, ...], document: dict[str, Any]) -> None:
    row = {"kind": kind, "key": keys.encode(key), "body": _encode(document)}
    connection.execute(sa.insert(_documents).values(row))


def _pending(connection: sa.Connection, arn: str) -> list[list[Any]]:
    of_execution = sa.and_(_tasks.c.key > f"{arn}/", _tasks.c.key < f"{arn}0")  # "0" follows "/"
    found = connection.execute(sa.select(_tasks.c.body).where(_tasks.c.queue == "states.work", of_execution))
    return [_decode(body) for (body,) in found]


def _entries(connection: sa.Connection, arn: str) -> int:
    query = sa.select(sa.func.max(_events.c.sequence)).where(_events.c.stream == f"states/{arn}")
    return connection.execute(query).scalar() or 0


def _name_execution(connection: sa.Connection, key: str, body: bytes) -> None:
    """A timer's body: (frame, kind) becomes (frame, kind, execution)."""
    arn = key.rsplit("/", 2)[0]
    _, _, _, region, account, _, machine, name = arn.split(":", 7)
    named = _encode([*_decode(body), [account, region, machine, name]])
    this = sa.and_(_tasks.c.queue == "states.timers", _tasks.c.key == key)
    connection.execute(sa.update(_tasks).where(this).values(body=named))


def _name_expiring(connection: sa.Connection, key: str) -> None:
    """The row of an ended execution: its key, by tabs, becomes its ARN, and its parts the body."""
    parts = key.split("\t")
    this = sa.and_(_tasks.c.queue == "states.retention", _tasks.c.key == key)
    connection.execute(sa.update(_tasks).where(this).values(key=_arn(*parts), body=_encode(parts)))


def _arn(account: str, region: str, machine: str, name: str) -> str:
    return f"arn:aws:states:{region}:{account}:execution:{machine}:{name}"
