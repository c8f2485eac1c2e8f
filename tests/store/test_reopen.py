"""What only files have: that they are opened again, by a later version perhaps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from forecourt.base.clock import Clock
from forecourt.store import Document, Index, Task, open_store, sqlite
from forecourt.store.document import layout


class Pet(Document):
    __kind__ = "test.Pet"
    __key__ = ("account", "id")
    __indexes__ = (Index("by_tag", values=lambda pet: ((pet.account, tag) for tag in pet.tags)),)

    account: str
    id: str
    tags: list[str] = []


async def test_a_reopened_store_has_everything(tmp_path: Path) -> None:
    store = open_store(tmp_path, Clock())
    await store.write(lambda tx: tx.put(Pet(account="1", id="1", tags=["t"])))
    await store.write(lambda tx: tx.append("log", [b"x"]))
    await store.write(lambda tx: tx.enqueue(Task("q", "k", 5.0, b"body")))
    await store.close()
    store = open_store(tmp_path, Clock())
    assert await store.list(Pet) == [Pet(account="1", id="1", tags=["t"])]
    assert await store.find(Pet, "by_tag", "1", "t") == [Pet(account="1", id="1", tags=["t"])]
    assert await store.read_log("log") == [(1, b"x")]
    assert await store.due("q", 5.0, 1) == [Task("q", "k", 5.0, b"body")]
    await store.close()


async def test_a_changed_index_is_rebuilt_after_a_restart(tmp_path: Path) -> None:
    class First(Document):
        __kind__ = "test.Changing"
        __key__ = ("id",)
        __indexes__ = (Index("by_it", fields=("name",)), Index("dropped", fields=("id",)))
        id: str
        name: str
        size: str

    class Second(First):
        __indexes__ = (Index("by_it", fields=("size",)), Index("odd", values=lambda d: [(d.name, "x")], version=2))

    store = open_store(tmp_path, Clock())
    await store.write(lambda tx: tx.put(First(id="1", name="a", size="s")))
    assert await store.find(First, "by_it", "a") == [First(id="1", name="a", size="s")]
    await store.close()
    store = open_store(tmp_path, Clock())
    assert await store.find(Second, "by_it", "a") == []
    assert await store.find(Second, "by_it", "s") == [Second(id="1", name="a", size="s")]
    assert await store.find(Second, "odd", "a") == [Second(id="1", name="a", size="s")]
    await store.close()


async def test_an_index_that_was_dropped_and_declared_again_is_rebuilt(tmp_path: Path) -> None:
    class Without(Document):
        __kind__ = "test.Wavering"
        __key__ = ("id",)
        id: str
        name: str

    class With(Without):
        __indexes__ = (Index("by_name", fields=("name",)),)

    for kind, id in ((With, "1"), (Without, "2"), (With, "3")):
        store = open_store(tmp_path, Clock())
        await store.write(lambda tx, kind=kind, id=id: tx.put(kind(id=id, name="a")))  # type: ignore[misc]
        await store.close()
    store = open_store(tmp_path, Clock())
    assert [found.id for found in await store.find(With, "by_name", "a")] == ["1", "2", "3"]
    await store.close()


def test_a_key_must_be_made_of_fields() -> None:
    class Wrong(Document):
        __kind__ = "test.Wrong"
        __key__ = ("id", "nowhere")
        id: str

    with pytest.raises(TypeError, match="nowhere"):
        layout(Wrong)


async def test_the_log_is_copied_aside_and_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is written: no commit waits for the copying, and the log does not grow for ever."""
    monkeypatch.setattr(sqlite, "_ROWS_PER_CHECKPOINT", 200)
    store = open_store(tmp_path, Clock())
    for n in range(150):
        pets = [Pet(account="1", id=f"{n}-{m}", tags=["x" * 500]) for m in range(20)]
        await store.write(lambda tx, pets=pets: [tx.put(pet) for pet in pets])  # type: ignore[misc]
        await asyncio.sleep(0.002)
    database, log = tmp_path / sqlite.FILE, tmp_path / f"{sqlite.FILE}-wal"
    assert database.stat().st_size > 1_000_000, "nothing was copied into the database"
    assert log.stat().st_size < 3_000_000, "the log did not begin anew"
    await store.close()
    store = open_store(tmp_path, Clock())
    assert await store.count(Pet) == 3_000
    await store.close()
