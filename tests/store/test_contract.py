"""What every engine of the store must do. `store` comes from each engine in turn (conftest.py)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable

import pytest

from forecourt.store import AlreadyExists, Change, Document, Index, Store, StoreUnavailable, Task, Tx, position


class Pet(Document):
    __kind__ = "test.Pet"
    __key__ = ("account", "id")
    __indexes__ = (
        Index("by_name", fields=("account", "name"), unique=True),
        Index("by_owner", fields=("account", "owner", "name")),
        Index("by_tag", values=lambda pet: ((pet.account, tag) for tag in pet.tags)),
    )

    account: str
    id: str
    name: str
    owner: str | None = None
    tags: list[str] = []
    weight: float = 0.0


class Note(Document):
    __kind__ = "test.Note"
    __key__ = ("id",)

    id: str
    text: str = ""


def pet(id: str, name: str | None = None, account: str = "1", **more: object) -> Pet:
    return Pet(account=account, id=id, name=name or f"name-{id}", **more)  # type: ignore[arg-type]


async def put(store: Store, *documents: Document) -> None:
    def change(tx: Tx) -> None:
        for document in documents:
            tx.put(document)

    await store.write(change)


def ids(pets: Iterable[Pet | Note]) -> list[str]:
    return [p.id for p in pets]


AWKWARD = [
    "",
    "\x00",
    "\x00\x00",
    "\x00\x01",
    "\x01",
    "a",
    "a\x00",
    "a\x00b",
    "aa",
    "a b",
    "é",
    "�",
    "\U0010ffff",
    "'; --",
    "%",
    "_",
]


async def test_what_was_put_is_got(store: Store) -> None:
    await put(store, pet("p1", "Rex", owner="Ann", tags=["dog"], weight=12.5))
    assert await store.get(Pet, "1", "p1") == pet("p1", "Rex", owner="Ann", tags=["dog"], weight=12.5)
    assert await store.get(Pet, "2", "p1") is None
    assert await store.get(Note, "p1") is None


async def test_each_read_gives_a_document_of_its_own(store: Store) -> None:
    await put(store, pet("p1", tags=["dog"]))
    first = await store.get(Pet, "1", "p1")
    assert first is not None
    first.tags.append("cat")
    assert await store.get(Pet, "1", "p1") == pet("p1", tags=["dog"])


async def test_write_returns_what_the_change_returns(store: Store) -> None:
    assert await store.write(lambda tx: tx.count(Pet)) == 0


async def test_keys_are_listed_component_by_component(store: Store) -> None:
    keys = sorted((a, b) for a in AWKWARD for b in AWKWARD)
    await put(store, *[pet(b, f"{n}", account=a) for n, (a, b) in enumerate(reversed(keys))])
    assert [(p.account, p.id) for p in await store.list(Pet)] == keys
    assert [(p.account, p.id) for p in await store.list(Pet, reverse=True)] == keys[::-1]
    for a in AWKWARD:
        assert [(p.account, p.id) for p in await store.list(Pet, a)] == [key for key in keys if key[0] == a]
        assert await store.count(Pet, a) == len(AWKWARD)
    for key in keys:
        assert await store.get(Pet, *key) is not None


async def test_values_hold_any_unicode(store: Store) -> None:
    text = "".join(AWKWARD) + "".join(map(chr, range(256))) + "汉字🐕"
    await put(store, Note(id="n", text=text))
    assert await store.get(Note, "n") == Note(id="n", text=text)


async def test_a_lone_surrogate_is_refused_and_undone(store: Store) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        await put(store, Note(id="n"), Note(id="\ud800"))
    assert await store.count(Note) == 0


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("page", [1, 3, 50, 250])
async def test_pages_cover_everything_once(store: Store, page: int, reverse: bool) -> None:
    await put(store, *[pet(f"{n:03}", owner=f"o{n % 3}") for n in range(230)])
    after, seen = None, []
    while found := await store.list(Pet, "1", after=after, limit=page, reverse=reverse):
        seen += ids(found)
        after = position(found[-1])
    assert seen == sorted((f"{n:03}" for n in range(230)), reverse=reverse)
    after, seen = None, []
    while found := await store.find(Pet, "by_owner", "1", "o1", after=after, limit=page, reverse=reverse):
        seen += ids(found)
        after = position(found[-1], "by_owner")
    assert seen == sorted((f"{n:03}" for n in range(1, 230, 3)), reverse=reverse)


async def test_a_page_goes_on_though_its_last_document_was_deleted(store: Store) -> None:
    await put(store, *[pet(f"{n}") for n in range(5)])
    await store.write(lambda tx: tx.delete(Pet, "1", "1"))
    assert ids(await store.list(Pet, "1", after=("1", "1"))) == ["2", "3", "4"]


async def test_find_by_leading_values_and_start(store: Store) -> None:
    await put(store, pet("1", "Rex", owner="Ann"), pet("2", "Rob", owner="Ann"), pet("3", "Kit", owner="Bob"))
    await put(store, pet("4", "Stray"))
    assert ids(await store.find(Pet, "by_owner", "1")) == ["1", "2", "3"]
    assert ids(await store.find(Pet, "by_owner", "1", "Ann", starts_with="Ro")) == ["2"]
    assert ids(await store.find(Pet, "by_owner", "1", starts_with="B")) == ["3"]
    assert ids(await store.find(Pet, "by_owner", "1", "An")) == []
    assert ids(await store.find(Pet, "by_name", "1", starts_with="")) == ["3", "1", "2", "4"]


async def test_list_by_start_of_the_next_part(store: Store) -> None:
    await put(store, *[pet(id) for id in ("cat-1", "cat-2", "dog", "ca")])
    assert ids(await store.list(Pet, "1", starts_with="cat")) == ["cat-1", "cat-2"]
    assert ids(await store.list(Pet, "1", starts_with="cat", after=("1", "cat-1"))) == ["cat-2"]
    assert ids(await store.list(Pet, starts_with="2")) == []


async def test_a_multi_valued_index(store: Store) -> None:
    await put(store, pet("1", tags=["a", "b"]), pet("2", tags=["b", "b"]), pet("3"))
    assert ids(await store.find(Pet, "by_tag", "1", "b")) == ["1", "2"]
    assert position(pet("1", tags=["a", "b"]), "by_tag", "1", "b") == ("1", "b", "1", "1")
    await put(store, pet("1", tags=["c"]))
    assert ids(await store.find(Pet, "by_tag", "1")) == ["2", "1"]


async def test_an_index_follows_its_documents(store: Store) -> None:
    await put(store, pet("1", "Rex", owner="Ann"))
    await put(store, pet("1", "Rex", owner="Bob"))
    assert ids(await store.find(Pet, "by_owner", "1", "Ann")) == []
    assert ids(await store.find(Pet, "by_owner", "1", "Bob")) == ["1"]
    await store.write(lambda tx: tx.delete(Pet, "1", "1"))
    assert ids(await store.find(Pet, "by_owner", "1")) == []
    await put(store, pet("2", "Rex"))


async def test_a_unique_index_lets_one_in(store: Store) -> None:
    await store.write(lambda tx: tx.insert(pet("1", "Rex")))
    for verb in (Tx.insert, Tx.put):
        with pytest.raises(AlreadyExists) as error:
            await store.write(lambda tx, verb=verb: verb(tx, pet("2", "Rex")))
        assert error.value.index == "by_name"
    await put(store, pet("1", "Rex", weight=1.0), pet("2", "Rex", account="2"))
    assert await store.count(Pet) == 2


async def test_a_refused_insert_leaves_nothing_even_if_the_change_goes_on(store: Store) -> None:
    await put(store, pet("1", "Rex", tags=["old"]))

    def change(tx: Tx) -> None:
        for document in (pet("2", "Rex", tags=["new"]), pet("1", "Tom", tags=["new"])):
            with pytest.raises(AlreadyExists):
                tx.insert(document)

    await store.write(change)
    assert await store.list(Pet) == [pet("1", "Rex", tags=["old"])]
    assert await store.find(Pet, "by_tag", "1", "new") == []


async def test_insert_refuses_a_taken_key(store: Store) -> None:
    await store.write(lambda tx: tx.insert(Note(id="n", text="first")))
    with pytest.raises(AlreadyExists) as error:
        await store.write(lambda tx: tx.insert(Note(id="n", text="second")))
    assert (error.value.kind, error.value.key, error.value.index) == ("test.Note", ("n",), None)
    assert await store.get(Note, "n") == Note(id="n", text="first")


async def test_a_change_sees_its_own_writes(store: Store) -> None:
    def change(tx: Tx) -> tuple[object, ...]:
        tx.put(pet("1", "Rex", tags=["a"]))
        tx.delete(Note, "none")
        last = tx.append("log", [b"x"])
        return tx.get(Pet, "1", "1"), tx.list(Pet), tx.find(Pet, "by_tag", "1", "a"), tx.count(Pet), last

    rex = pet("1", "Rex", tags=["a"])
    assert await store.write(change) == (rex, [rex], [rex], 1, 1)


async def test_what_raises_is_undone_alone(store: Store) -> None:
    def good(n: int) -> object:
        return store.write(lambda tx: tx.put(Note(id=f"good-{n:02}")))

    def bad(n: int) -> object:
        def change(tx: Tx) -> None:
            tx.put(pet(f"{n}"))
            tx.append("log", [b"x"])
            tx.enqueue(Task("q", f"{n}", 0.0))
            raise LookupError(n)

        return store.write(change)

    results = await asyncio.gather(*[(bad if n % 3 == 0 else good)(n) for n in range(60)], return_exceptions=True)  # type: ignore[call-overload]
    assert [isinstance(r, LookupError) for r in results] == [n % 3 == 0 for n in range(60)]
    assert ids(await store.list(Note)) == [f"good-{n:02}" for n in range(60) if n % 3]
    assert await store.count(Pet) == 0
    assert await store.read_log("log") == []
    assert await store.due("q", 1.0, 10) == []
    assert await store.find(Pet, "by_owner", "1") == []


async def test_a_change_that_stops_iteration_is_an_error(store: Store) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.write(lambda tx: next(iter(())))


async def test_concurrent_changes_run_one_after_the_other(store: Store) -> None:
    def increment(tx: Tx) -> None:
        note = tx.get(Note, "n") or Note(id="n", text="0")
        tx.put(Note(id="n", text=str(int(note.text) + 1)))

    await asyncio.gather(*[store.write(increment) for _ in range(500)])
    assert await store.get(Note, "n") == Note(id="n", text="500")


async def test_more_writes_than_the_queue_holds_wait_their_turn(store: Store) -> None:
    await asyncio.gather(*[store.write(lambda tx, n=n: tx.put(Note(id=f"{n:05}"))) for n in range(10_000)])  # type: ignore[misc]
    assert await store.count(Note) == 10_000


async def test_a_returned_write_is_seen_by_every_kind_of_read(store: Store) -> None:
    for n in range(150):
        await put(store, pet(f"{n:03}", tags=["t"]))
        assert await store.get(Pet, "1", f"{n:03}") is not None
        assert len(await store.list(Pet)) == n + 1
        assert len(await store.find(Pet, "by_tag", "1", "t")) == n + 1
        assert await store.count(Pet) == n + 1


async def test_delete(store: Store) -> None:
    await put(store, Note(id="n"))
    assert await store.write(lambda tx: tx.delete(Note, "n")) is True
    assert await store.write(lambda tx: tx.delete(Note, "n")) is False


async def test_delete_all_below_a_prefix(store: Store) -> None:
    await put(store, *[pet(f"{n}", account=a, tags=["t"]) for a in ("1", "10", "2") for n in range(4)])
    assert await store.write(lambda tx: tx.delete_all(Pet, "1")) == 4
    assert {p.account for p in await store.list(Pet)} == {"10", "2"}
    assert await store.find(Pet, "by_tag", "1") == []
    assert len(await store.find(Pet, "by_tag", "10")) == 4


async def test_a_key_of_the_wrong_length_is_a_mistake(store: Store) -> None:
    with pytest.raises(TypeError, match="key of 2 parts"):
        await store.get(Pet, "1")
    with pytest.raises(TypeError, match="key of 2 parts"):
        await store.write(lambda tx: tx.delete(Pet, "1"))


async def test_an_event_log_counts_from_one(store: Store) -> None:
    assert await store.write(lambda tx: tx.append("a", [b"1", b"2"])) == 2
    assert await store.write(lambda tx: tx.append("b", [b"x"])) == 1
    assert await store.write(lambda tx: tx.append("a", [b"3"])) == 3
    assert await store.write(lambda tx: tx.append("a", [])) == 3
    assert await store.read_log("a") == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert await store.read_log("a", after=1, limit=1) == [(2, b"2")]
    assert await store.read_log("a", limit=2, reverse=True) == [(3, b"3"), (2, b"2")]
    await store.write(lambda tx: tx.delete_log("a"))
    assert await store.read_log("a") == []
    assert await store.read_log("b") == [(1, b"x")]


async def test_an_event_log_goes_on_behind_a_known_number_only(store: Store) -> None:
    assert await store.write(lambda tx: tx.append("a", [b"1", b"2"], after=0)) == 2
    assert await store.write(lambda tx: tx.append("a", [b"3"], after=2)) == 3
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda tx: tx.append("a", [b"again"], after=1))
    assert await store.read_log("a") == [(1, b"1"), (2, b"2"), (3, b"3")]


async def test_a_long_event_log_is_read_whole(store: Store) -> None:
    events = [f"{n}".encode() for n in range(1, 1001)]
    await store.write(lambda tx: tx.append("a", events))
    assert await store.read_log("a") == list(enumerate(events, 1))


async def test_tasks_fall_due_in_order(store: Store) -> None:
    tasks = [Task("q", "late", 30.0, b"l"), Task("q", "b", 10.0), Task("q", "a", 10.0), Task("r", "x", 1.0)]

    def change(tx: Tx) -> None:
        for task in tasks:
            tx.enqueue(task)

    await store.write(change)
    assert [t.key for t in await store.due("q", 10.0, 10)] == ["a", "b"]
    assert [t.key for t in await store.due("q", 10.0, 1)] == ["a"]
    assert await store.due("q", 9.99, 10) == []
    await store.write(lambda tx: tx.enqueue(Task("q", "a", 20.0, b"moved")))
    assert await store.due("q", 30.0, 10) == [Task("q", "b", 10.0), Task("q", "a", 20.0, b"moved"), tasks[0]]
    assert await store.write(lambda tx: tx.dequeue("q", "a")) is True
    assert await store.write(lambda tx: tx.dequeue("q", "a")) is False
    assert await store.write(lambda tx: [t.key for t in tx.due("q", 99.0, 9)]) == ["b", "late"]


async def test_subscribers_learn_of_commits_before_the_writer_goes_on(store: Store) -> None:
    seen: list[Change] = []
    unsubscribe = store.changes.subscribe(Pet, seen.extend)
    await put(store, pet("1"), Note(id="n"))
    assert seen == [Change(Pet, ("1", "1"))]
    await store.write(lambda tx: tx.delete(Pet, "1", "1"))
    await store.write(lambda tx: tx.delete(Pet, "1", "1"))
    with pytest.raises(TypeError):
        await store.write(lambda tx: [tx.put(pet("2")), tx.get(Pet)])
    assert seen == [Change(Pet, ("1", "1")), Change(Pet, ("1", "1"), deleted=True)]
    unsubscribe()
    await put(store, pet("3"))
    assert len(seen) == 2


async def test_a_subscriber_that_fails_hinders_nobody(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Change] = []

    def broken(_: list[Change]) -> None:
        raise ValueError("broken")

    store.changes.subscribe(Pet, broken)
    store.changes.subscribe(Pet, seen.extend)
    await put(store, pet("1"))
    assert seen == [Change(Pet, ("1", "1"))]
    assert "a change notice of Pet failed" in caplog.text


async def test_a_cancelled_waiter_does_not_disturb_the_others(store: Store) -> None:
    writes = [asyncio.create_task(store.write(lambda tx, n=n: tx.put(Note(id=f"{n}")))) for n in range(50)]  # type: ignore[misc]
    await asyncio.sleep(0)
    for task in writes[::2]:
        task.cancel()
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(r, asyncio.CancelledError) for r in results] == [n % 2 == 0 for n in range(50)]
    assert {f"{n}" for n in range(1, 50, 2)} <= set(ids(await store.list(Note)))


async def test_reset_empties_everything(store: Store) -> None:
    await put(store, pet("1", tags=["t"]), Note(id="n"))
    await store.write(lambda tx: tx.append("log", [b"x"]))
    await store.write(lambda tx: tx.enqueue(Task("q", "k", 0.0)))
    await store.reset()
    assert await store.list(Pet) == []
    assert await store.find(Pet, "by_tag", "1") == []
    assert await store.read_log("log") == []
    assert await store.due("q", 1.0, 1) == []
    await store.write(lambda tx: tx.insert(pet("1", tags=["t"])))
    assert await store.write(lambda tx: tx.append("log", [b"y"])) == 1


async def test_a_field_added_later_shows_its_default(store: Store) -> None:
    class OldNote(Document):
        __kind__ = "test.Note"
        __key__ = ("id",)
        id: str
        dropped: int = 7

    await put(store, OldNote(id="n"))
    assert await store.get(Note, "n") == Note(id="n", text="")


async def test_an_index_declared_later_finds_what_was_there(store: Store) -> None:
    class Plain(Document):
        __kind__ = "test.Grown"
        __key__ = ("id",)
        id: str
        name: str

    class Grown(Plain):
        __indexes__ = (Index("by_name", fields=("name",)),)

    await put(store, Plain(id="1", name="a"), Plain(id="2", name="b"))
    assert await store.find(Grown, "by_name", "b") == [Grown(id="2", name="b")]


async def test_a_closed_store_says_so(store: Store) -> None:
    pending = [asyncio.create_task(put(store, Note(id=f"{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*pending)
    with pytest.raises(StoreUnavailable, match="closed"):
        await put(store, Note(id="late"))
