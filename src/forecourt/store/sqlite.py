"""SQLite: everything of the store that only SQLite needs.

- On disk: WAL with `synchronous=FULL`. One connection writes; every thread that reads has its own and sees the last
  commit, never waiting for the writer.
- What the log (WAL) holds is copied into the database by a thread of its own, so that no commit waits for it; the
  writer then copies the little that came meanwhile, and the log begins anew.
- In memory: one connection that writer and readers take turns at (`turn`), since SQLite's shared in-memory databases
  lock readers out while a transaction is open.

The driver's errors become `StoreUnavailable` here, with what to do about them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, StaticPool, create_engine
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from forecourt.store.errors import StoreUnavailable
from forecourt.store.schema import metadata
from forecourt.store.statements import Statements

DIALECT = dialect.dialect(paramstyle="named")
FILE = "forecourt.db"

_BUSY_SECONDS = 5.0
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=16000",  # in case no checkpoint of ours comes through
    "cache_size=-8192",
    "journal_size_limit=67108864",
)
_ROWS_PER_CHECKPOINT = 8_000
_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
_MEMORY_PRAGMAS = ("cache_size=-8192",)

_ADVICE = {
    sqlite3.SQLITE_FULL: "there is no space left for the data folder: free some, nothing that was acknowledged is lost",
    sqlite3.SQLITE_READONLY: "the data folder is read-only: make it writable for this user",
    sqlite3.SQLITE_CANTOPEN: "the data folder can't be opened: check that it exists and that this user may write to it",
    sqlite3.SQLITE_BUSY: f"another program keeps {FILE} locked (a database browser, a backup?): close it",
    sqlite3.SQLITE_LOCKED: f"another program keeps {FILE} locked (a database browser, a backup?): close it",
    sqlite3.SQLITE_CORRUPT: f"{FILE} is damaged: restore the data folder from a backup, or `sqlite3 {FILE} .recover`",
    sqlite3.SQLITE_NOTADB: f"{FILE} is not a Forecourt database: restore it from a backup or move it away",
    sqlite3.SQLITE_IOERR: "reading or writing the data folder failed: check the disk, its space and its mount",
}


Parameters = dict[str, Any] | tuple[()]


class Connection:
    """One DBAPI connection. `failure` is the first error since `begin` that makes the whole transaction void."""

    def __init__(self, raw: sqlite3.Connection, turn: contextlib.AbstractContextManager[Any]) -> None:
        self.raw = raw
        self.turn = turn
        self.failure: StoreUnavailable | None = None
        self._waits: float | None = None

    def fetch(self, sql: str, parameters: Parameters) -> list[Any]:
        try:
            return self.raw.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._judged(error) from None

    def run(self, sql: str, parameters: Parameters) -> int:
        """Returns how many rows changed."""
        try:
            return self.raw.execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise self._judged(error) from None

    def run_many(self, sql: str, parameters: Sequence[dict[str, Any]]) -> None:
        try:
            self.raw.executemany(sql, parameters)
        except sqlite3.Error as error:
            raise self._judged(error) from None

    def begin(self) -> None:
        """Waits while another program holds the lock, for `_BUSY_SECONDS` at most."""
        self._begin(_BUSY_SECONDS)

    def begin_at_once(self) -> None:
        """Fails where another program holds the lock."""
        self._begin(0.0)

    def _begin(self, waits: float) -> None:
        self.failure = None
        if self._waits != waits:
            self.run(f"PRAGMA busy_timeout={waits * 1000:.0f}", ())
            self._waits = waits
        self.run("BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        self.run("COMMIT", ())

    def rollback(self) -> None:
        """Never fails: SQLite may have rolled back by itself."""
        with contextlib.suppress(sqlite3.Error):
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.raw.close()

    def _judged(self, error: sqlite3.Error) -> Exception:
        """The environment's failure voids the transaction; any other error is a bug in one statement."""
        failure = unavailable(error)
        if isinstance(failure, StoreUnavailable) and self.failure is None:
            self.failure = failure
        return failure


class Sqlite:
    """A database on disk, in `folder`, or in memory where `folder` is None."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.statements = Statements(DIALECT, dialect.insert)
        self._memory = Connection(_connect(":memory:", _MEMORY_PRAGMAS), threading.Lock()) if folder is None else None
        self._readers = threading.local()
        self._open: list[Connection] = []
        self._checkpoint: threading.Thread | None = None
        self._checkpointed_rows = 0
        self.writer = self._memory or self._new(_PRAGMAS)

    def reader(self) -> Connection:
        """This thread's own connection for reading."""
        if self._memory is not None:
            return self._memory
        connection: Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._readers.connection = self._new(("query_only=ON", "cache_size=-8192"))
        return connection

    def checkpoint_when_due(self) -> None:
        """To be called after a commit, by whoever made it. What goes wrong here is tried again with the next one."""
        rows = self.writer.raw.total_changes
        if self._checkpoint is None:
            if rows - self._checkpointed_rows >= _ROWS_PER_CHECKPOINT:
                self._checkpoint = threading.Thread(target=self._copy_log, name="forecourt-checkpoint", daemon=True)
                self._checkpoint.start()
        elif not self._checkpoint.is_alive():
            self._checkpoint, self._checkpointed_rows = None, rows
            with contextlib.suppress(sqlite3.Error):
                self.writer.raw.execute(_CHECKPOINT).fetchall()

    def _copy_log(self) -> None:
        with contextlib.suppress(sqlite3.Error, StoreUnavailable):
            raw = _connect(str(self._file), ())
            with contextlib.closing(raw):
                raw.execute(_CHECKPOINT).fetchall()

    @property
    def _file(self) -> Path:
        assert self.folder is not None
        return self.folder / FILE

    def tables(self, connection: Connection) -> set[str]:
        return {name for (name,) in connection.fetch("SELECT name FROM sqlite_master WHERE type = 'table'", {})}

    def create(self, connection: Connection) -> None:
        """Makes the tables of `schema.py`, inside the caller's transaction."""
        for table in metadata.sorted_tables:
            connection.run(str(CreateTable(table).compile(dialect=DIALECT)), {})
            for index in table.indexes:
                connection.run(str(CreateIndex(index).compile(dialect=DIALECT)), {})

    def engine(self, connection: Connection) -> Engine:
        """SQLAlchemy's view of `connection`, for Alembic."""
        return create_engine("sqlite://", creator=lambda: connection.raw, poolclass=StaticPool)

    def close(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.join()
        for connection in (*self._open, *([self._memory] if self._memory else [])):
            connection.close()

    def _new(self, pragmas: tuple[str, ...]) -> Connection:
        connection = Connection(_connect(str(self._file), pragmas), contextlib.nullcontext())
        self._open.append(connection)
        return connection


def unavailable(error: sqlite3.Error) -> Exception:
    """`error` as the advice that it calls for, or itself."""
    advice = _ADVICE.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF)
    return StoreUnavailable(f"The store is not available: {advice}") if advice else error


def _connect(path: str, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    try:
        # Connections are handed from thread to thread (opened here, closed there), never used by two at once.
        raw = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error as error:
        raise unavailable(error) from None
    return raw
