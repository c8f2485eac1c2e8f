"""What can go wrong with a data folder: each gets a message that says what to do, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from forecourt.base.clock import Clock
from forecourt.store import Document, Index, Store, StoreUnavailable, migrate, open_store, sqlite


class Note(Document):
    __kind__ = "test.Note"
    __key__ = ("id",)
    __indexes__ = (Index("by_text", fields=("text",)),)

    id: str
    text: str = ""


def limit_pages(store: Store, more: int | None) -> None:
    """Lets the database grow by `more` pages only, as a full disk does (SQLITE_FULL)."""
    raw = store._database.writer.raw
    pages = raw.execute("PRAGMA page_count").fetchone()[0]
    raw.execute(f"PRAGMA max_page_count = {pages + more if more is not None else 2**31}")


async def test_a_full_disk_fails_the_waiting_and_the_store_goes_on(tmp_path: Path) -> None:
    store = open_store(tmp_path, Clock())
    await store.write(lambda tx: tx.put(Note(id="before")))
    limit_pages(store, 2)
    writes = [store.write(lambda tx, n=n: tx.put(Note(id=f"{n:03}", text="x" * 50_000))) for n in range(20)]  # type: ignore[misc]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(r, StoreUnavailable) for r in results)
    assert "no space left" in str(results[0])
    assert [n.id for n in await store.list(Note)] == ["before"]
    limit_pages(store, None)
    await store.write(lambda tx: tx.put(Note(id="after", text="x" * 50_000)))
    assert [n.id for n in await store.list(Note)] == ["after", "before"]
    await store.close()
    store = open_store(tmp_path, Clock())
    assert [n.id for n in await store.find(Note, "by_text")] == ["before", "after"]
    await store.close()


async def test_a_change_that_hides_the_failure_is_not_committed(tmp_path: Path) -> None:
    store = open_store(tmp_path, Clock())
    limit_pages(store, 2)

    def change(tx: object) -> str:
        try:
            tx.put(Note(id="big", text="x" * 50_000))  # type: ignore[attr-defined]
        except Exception:
            return "all is well"
        return "unreachable"

    with pytest.raises(StoreUnavailable):
        await store.write(change)
    await store.close()


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from forecourt.base.clock import Clock
from forecourt.store import Document, StoreUnavailable, open_store

class Note(Document):
    __kind__ = "test.Note"
    __key__ = ("id",)
    id: str
    text: str = ""

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = open_store(Path(sys.argv[1]), Clock())
    await store.write(lambda tx: tx.put(Note(id="before")))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    failed = 0
    for n in range(20):
        try:
            await store.write(lambda tx: tx.put(Note(id=f"{n:02}", text="x" * 30_000)))
            print(f"{n:02}")
        except StoreUnavailable as error:
            failed += 1
    assert failed, "the limit was not reached"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.write(lambda tx: tx.put(Note(id="after")))
    print("after")
    await store.close()

asyncio.run(main())
"""


async def test_files_that_can_not_grow(tmp_path: Path) -> None:
    """The operating system refuses to write: what was acknowledged before, between and after is there."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    store = open_store(tmp_path, Clock())
    assert [n.id for n in await store.list(Note)] == sorted([*done.stdout.split(), "before"])
    await store.close()


def message_of_opening(folder: Path) -> str:
    with pytest.raises(StoreUnavailable) as error:
        open_store(folder, Clock())
    assert error.value.__cause__ is None
    assert "sqlite3." not in str(error.value)
    return str(error.value)


async def test_one_process_per_folder(tmp_path: Path) -> None:
    store = open_store(tmp_path, Clock())
    assert f"in use by another Forecourt (process {os.getpid()})" in message_of_opening(tmp_path)
    await store.close()
    await open_store(tmp_path, Clock()).close()


def test_a_folder_that_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "data"):
        assert "is a file, or below one. Choose another one with --data." in message_of_opening(folder)
    assert "can't be used" in message_of_opening(Path("/proc/nowhere"))


def test_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    code = (
        "import os, sys\n"
        "from forecourt.base.clock import Clock\n"
        "from forecourt.store import StoreUnavailable, open_store\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(65534)\n"
        "try:\n"
        "    open_store(sys.argv[1], Clock())\n"
        "except StoreUnavailable as error:\n"
        "    print(error)\n"
    )
    folder.chmod(0o555)
    for parent in [*folder.parents][:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert "Permission denied. Make it writable" in done.stdout


def test_what_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / sqlite.FILE).write_bytes(b"not a database at all" * 1000)
    assert "is not a Forecourt database" in message_of_opening(tmp_path)


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / sqlite.FILE)
    raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    assert "not one of Forecourt" in message_of_opening(tmp_path)


async def test_a_damaged_page(tmp_path: Path) -> None:
    store = open_store(tmp_path, Clock())
    await store.write(lambda tx: [tx.put(Note(id=f"{n}", text="x" * 100)) for n in range(2000)])
    await store.close()
    file = tmp_path / sqlite.FILE
    data = bytearray(file.read_bytes())
    data[65_536:] = b"\x5a" * (len(data) - 65_536)
    file.write_bytes(data)
    store = open_store(tmp_path, Clock())
    with pytest.raises(StoreUnavailable, match="is damaged: restore"):
        await store.list(Note)
    await store.close()


async def test_a_database_that_another_program_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    store = open_store(tmp_path, Clock())
    other = sqlite3.connect(tmp_path / sqlite.FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"locked .* close it"):
        await store.write(lambda tx: tx.put(Note(id="n")))
    assert await store.list(Note) == []
    other.execute("ROLLBACK")
    await store.write(lambda tx: tx.put(Note(id="n")))
    assert await store.list(Note) == [Note(id="n")]
    other.close()
    await store.close()


def schema_of(file: Path) -> list[tuple[str, str]]:
    raw = sqlite3.connect(file)
    rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    raw.close()
    return [(name, " ".join(sql.split())) for name, sql in rows if name != "alembic_version"]


async def test_migrations_lead_to_the_same_tables(tmp_path: Path) -> None:
    """A new folder gets its tables at once, an old one (here: the empty version) by every migration in turn."""
    await open_store(tmp_path / "new", Clock()).close()
    (tmp_path / "old").mkdir()
    raw = sqlite3.connect(tmp_path / "old" / sqlite.FILE)
    raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    raw.close()
    store = open_store(tmp_path / "old", Clock())
    await store.write(lambda tx: tx.put(Note(id="n")))
    await store.close()
    assert schema_of(tmp_path / "old" / sqlite.FILE) == schema_of(tmp_path / "new" / sqlite.FILE)
    raw = sqlite3.connect(tmp_path / "old" / sqlite.FILE)
    assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrate.HEAD,)]
    raw.close()


async def test_a_migration_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    await open_store(tmp_path, Clock()).close()
    raw = sqlite3.connect(tmp_path / sqlite.FILE, isolation_level=None)
    raw.execute("UPDATE alembic_version SET version_num = '0001'")
    raw.execute("INSERT INTO documents VALUES ('stepfunctions.FrameState', x'01', x'80')")
    raw.execute("INSERT INTO tasks VALUES ('states.timers', 'unlike a timer', 0.0, x'c1')")
    raw.close()
    with pytest.raises(ValueError, match="unpack"):
        open_store(tmp_path, Clock())
    raw = sqlite3.connect(tmp_path / sqlite.FILE)
    assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    assert raw.execute("SELECT count(*) FROM documents").fetchall() == [(1,)], "what came before the failure is undone"
    raw.close()


async def test_a_folder_of_a_newer_version(tmp_path: Path) -> None:
    await open_store(tmp_path, Clock()).close()
    raw = sqlite3.connect(tmp_path / sqlite.FILE, isolation_level=None)
    raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    assert "newer Forecourt" in message_of_opening(tmp_path)


def test_the_newest_revision_is_the_one_that_is_stamped() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


async def test_a_disk_without_room_for_the_locks_own_content(tmp_path: Path) -> None:
    (tmp_path / "forecourt.lock").symlink_to("/dev/full")
    store = open_store(tmp_path, Clock())
    with pytest.raises(StoreUnavailable, match="in use by another Forecourt"):
        open_store(tmp_path, Clock())
    await store.close()
