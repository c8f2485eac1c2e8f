"""What only files have: that they are opened again, by a later version perhaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecourt.base.clock import Clock
from forecourt.store import Document, Index, Task, open_store
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
