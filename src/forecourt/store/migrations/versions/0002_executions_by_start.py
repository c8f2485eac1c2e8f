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
from itertools import chain
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
    work = _work_rows(connection)
    for states in _pages(connection, _documents, _documents.c.kind == "stepfunctions.ExecutionState"):
        _move(connection, [(key, _decode(body)) for key, body in states], work)
    for kind in ("stepfunctions.ExecutionState", "stepfunctions.FrameState"):
        connection.execute(sa.delete(_documents).where(_documents.c.kind == kind))
    connection.execute(sa.delete(_tasks).where(_tasks.c.queue == "states.work"))
    for timers in _pages(connection, _tasks, _tasks.c.queue == "states.timers"):
        _change(connection, "states.timers", [(key, key, _named(key, body)) for key, body in timers])
    by_tabs = sa.and_(_tasks.c.queue == "states.retention", _tasks.c.key.contains("\t"))
    for ended in _pages(connection, _tasks, by_tabs):
        _change(connection, "states.retention", [_expiring(key) for key, _ in ended])


def _pages(connection: sa.Connection, table: sa.TableClause, which: sa.ColumnElement[bool]) -> Iterator[list[Any]]:
    """Keys and bodies in the order of the keys; what is behind may change meanwhile."""
    page = sa.select(table.c.key, table.c.body).where(which).order_by(table.c.key).limit(_AT_ONCE)
    rows = list(connection.execute(page))
    while rows:
        yield rows
        rows = list(connection.execute(page.where(table.c.key > rows[-1][0])))


def _work_rows(connection: sa.Connection) -> dict[str, list[str]]:
    """By the execution's ARN: the keys of its pending work."""
    found: dict[str, list[str]] = {}
    for (key,) in connection.execute(sa.select(_tasks.c.key).where(_tasks.c.queue == "states.work")):
        found.setdefault(key.rpartition("/")[0], []).append(key)
    return found


def _move(connection: sa.Connection, states: list[tuple[bytes, dict[str, Any]]], work: dict[str, list[str]]) -> None:
    arns = [_arn(*_execution(state)) for _, state in states]
    entries, pending_of = _entries(connection, arns), _pending(connection, arns, work)
    documents, marks = [], []
    for (key, state), arn in zip(states, arns, strict=True):
        pending = pending_of.get(arn, [])
        works = {one[_FRAME]: _encode(one) for one in pending if one[_KIND] != "go-on"}
        split = state.get("split", False)
        moved = {
            "place": arn,
            "execution": _execution(state),
            "data": state["data"],
            "entries": entries.get(f"states/{arn}", 0),
            "split": split,
            "goes_on": len(works) < len(pending),
            "work": b"" if split else b"".join(works.values()),
        }
        documents.append(_document("stepfunctions.State", (arn,), moved))
        if split:
            documents += _frames(connection, key, arn, works)
        if pending:
            deliveries = {one[_NONCE]: one[_DELIVERIES] for one in pending if one[_DELIVERIES]}
            marks.append({"queue": "states.unfinished", "key": arn, "due_at": 0.0, "body": _encode(deliveries)})
    connection.execute(sa.insert(_documents), documents)
    if marks:
        connection.execute(sa.insert(_tasks), marks)


def _frames(connection: sa.Connection, key: bytes, arn: str, works: dict[int, bytes]) -> Iterator[dict[str, Any]]:
    within = keys.covering(key)
    of_execution = sa.and_(_documents.c.key >= within.low, _documents.c.key < within.high)
    which = sa.and_(_documents.c.kind == "stepfunctions.FrameState", of_execution)
    for _, body in chain.from_iterable(_pages(connection, _documents, which)):
        frame = _decode(body)
        name = frame["frame"]
        # What ends with "+" is a frame's input, kept beside it
        work = works.get(int(name), b"") if name.isdecimal() else b""
        moved = {"place": arn, "frame": name, "data": frame["data"], "work": work}
        yield _document("stepfunctions.Frame", (arn, name), moved)


def _document(kind: str, key: tuple[str, ...], document: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "key": keys.encode(key), "body": _encode(document)}


def _pending(connection: sa.Connection, arns: list[str], work: dict[str, list[str]]) -> dict[str, list[list[Any]]]:
    """By ARN: its pending work."""
    rows = [key for arn in arns for key in work.get(arn, ())]
    found: dict[str, list[list[Any]]] = {}
    for start in range(0, len(rows), _AT_ONCE):
        these = sa.and_(_tasks.c.queue == "states.work", _tasks.c.key.in_(rows[start : start + _AT_ONCE]))
        for key, body in connection.execute(sa.select(_tasks.c.key, _tasks.c.body).where(these)):
            found.setdefault(key.rpartition("/")[0], []).append(_decode(body))
    return found


def _entries(connection: sa.Connection, arns: list[str]) -> dict[str, int]:
    stream = _events.c.stream
    query = sa.select(stream, sa.func.max(_events.c.sequence)).where(stream.in_([f"states/{arn}" for arn in arns]))
    return dict(list(connection.execute(query.group_by(stream))))


def _change(connection: sa.Connection, queue: str, rows: list[tuple[str, str, bytes]]) -> None:
    """(key, new key, new body)"""
    this = sa.and_(_tasks.c.queue == queue, _tasks.c.key == sa.bindparam("old"))
    change = sa.update(_tasks).where(this).values(key=sa.bindparam("new"), body=sa.bindparam("named"))
    connection.execute(change, [{"old": old, "new": new, "named": body} for old, new, body in rows])


def _expiring(key: str) -> tuple[str, str, bytes]:
    """The row of an ended execution: its key, by tabs, becomes its ARN, and its parts the body."""
    execution = key.split("\t")
    return key, _arn(*execution), _encode(execution)


def _named(key: str, body: bytes) -> bytes:
    """A timer's body: (frame, kind) becomes (frame, kind, execution)."""
    arn = key.rsplit("/", 2)[0]
    _, _, _, region, account, _, machine, name = arn.split(":", 7)
    return _encode([*_decode(body), [account, region, machine, name]])


def _execution(state: dict[str, Any]) -> list[str]:
    return [state[part] for part in ("account", "region", "machine", "name")]


def _arn(account: str, region: str, machine: str, name: str) -> str:
    return f"arn:aws:states:{region}:{account}:execution:{machine}:{name}"
