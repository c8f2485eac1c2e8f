"""Laws of keys, and the store against a plain dict under random changes, groups, failures and restarts."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from forecourt.base.clock import Clock
from forecourt.store import AlreadyExists, Document, Index, Store, Tx, keys, open_store

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.text("\x00\x01\xffab", max_size=4)
key = st.lists(text, max_size=3).map(tuple)


@given(key, key)
def test_encoded_keys_sort_as_the_tuples(a: keys.Key, b: keys.Key) -> None:
    assert (keys.encode(a) < keys.encode(b)) == (a < b)
    assert (keys.encode(a) == keys.encode(b)) == (a == b)


@given(key, text | st.none(), key | st.none(), key, st.booleans())
def test_a_span_holds_exactly_what_it_says(
    prefix: keys.Key, starts_with: str | None, after: keys.Key | None, candidate: keys.Key, reverse: bool
) -> None:
    candidate = prefix + candidate
    low, high = keys.span(prefix, starts_with, after, reverse=reverse)
    following = (*candidate[len(prefix) :], "")[0]
    wanted = starts_with is None or following.startswith(starts_with)
    if after is not None:
        wanted = wanted and (candidate < after if reverse else candidate > after)
    assert (low <= keys.encode(candidate) < high) == wanted


@given(key, key)
def test_a_span_holds_nothing_of_another_prefix(prefix: keys.Key, other: keys.Key) -> None:
    low, high = keys.span(prefix)
    assert (low <= keys.encode(other) < high) == (other[: len(prefix)] == prefix)


class Thing(Document):
    __kind__ = "test.Thing"
    __key__ = ("area", "id")
    __indexes__ = (
        Index("by_label", fields=("area", "label"), unique=True),
        Index("by_word", values=lambda thing: ((word,) for word in thing.words)),
    )

    area: str
    id: str
    label: str | None
    words: list[str]


few = st.sampled_from(["", "a", "b", "a\x00", "ab"])
things = st.builds(Thing, area=few, id=few, label=few | st.none(), words=st.lists(few, max_size=2))
Model = dict[tuple[str, str], Thing]


class Refused(Exception):
    """Raised by a change that changed its mind."""


def apply(model: Model, verb: str, thing: Thing) -> None:
    """What `verb` does, said in terms of a dict. Raises `AlreadyExists` as the store does."""
    at = (thing.area, thing.id)
    if verb == "delete":
        model.pop(at, None)
    elif verb == "delete_all":
        for other in [k for k in model if k[0] == thing.area]:
            del model[other]
    else:
        if verb == "insert" and at in model:
            raise AlreadyExists("test.Thing", at)
        for k, other in model.items():
            if k != at and thing.label is not None and (other.area, other.label) == (thing.area, thing.label):
                raise AlreadyExists("test.Thing", at, "by_label")
        model[at] = thing


VERBS: dict[str, Callable[[Tx, Thing], object]] = {
    "put": lambda tx, thing: tx.put(thing),
    "insert": lambda tx, thing: tx.insert(thing),
    "delete": lambda tx, thing: tx.delete(Thing, thing.area, thing.id),
    "delete_all": lambda tx, thing: tx.delete_all(Thing, thing.area),
}
steps = st.lists(st.tuples(st.sampled_from(["put", "put", "insert", "delete", "delete_all"]), things), max_size=5)


class StoreAgainstDict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder: Path | None = None
        self.model: Model = {}
        self.noticed: set[tuple[str, ...]] = set()
        self.open()

    def open(self) -> None:
        self.store: Store = open_store(self.folder, Clock())
        self.store.changes.subscribe(Thing, lambda changes: self.noticed.update(c.key for c in changes))

    @rule(group=st.lists(st.tuples(steps, st.booleans()), min_size=1, max_size=4))
    def changes_at_once(self, group: list[tuple[list[tuple[str, Thing]], bool]]) -> None:
        """Several changes of one group; some raise at their end, some at a taken key. They run in the order queued."""

        def change(tx: Tx, work: list[tuple[str, Thing]], refuse: bool) -> None:
            for verb, thing in work:
                VERBS[verb](tx, thing)
            if refuse:
                raise Refused

        async def write_all() -> list[object]:
            writes = [self.store.write(lambda tx, w=w, r=r: change(tx, w, r)) for w, r in group]  # type: ignore[misc]
            return await asyncio.gather(*writes, return_exceptions=True)

        self.noticed.clear()
        before = dict(self.model)
        for result, (work, refuse) in zip(self.loop.run_until_complete(write_all()), group, strict=True):
            expected, error = dict(self.model), None
            try:
                for verb, thing in work:
                    apply(expected, verb, thing)
            except AlreadyExists as clash:
                error = clash
            if error is not None:
                assert isinstance(result, AlreadyExists)
                assert (result.key, result.index) == (error.key, error.index)
            elif refuse:
                assert isinstance(result, Refused)
            else:
                assert result is None
                self.model = expected
        changed = {k for k in {*before, *self.model} if before.get(k) != self.model.get(k)}
        assert changed <= self.noticed

    @rule()
    def reset(self) -> None:
        self.loop.run_until_complete(self.store.reset())
        self.model = {}

    @invariant()
    def documents_are_those_of_the_dict(self) -> None:
        found = self.loop.run_until_complete(self.store.list(Thing))
        assert found == [self.model[k] for k in sorted(self.model)]

    @invariant()
    def indexes_are_those_of_the_dict(self) -> None:
        by_label = self.loop.run_until_complete(self.store.find(Thing, "by_label"))
        labelled = [t for t in self.model.values() if t.label is not None]
        assert by_label == sorted(labelled, key=lambda t: (t.area, t.label))
        by_word = self.loop.run_until_complete(self.store.find(Thing, "by_word"))
        worded = sorted((w, t.area, t.id) for t in self.model.values() for w in set(t.words))
        assert [(t.area, t.id) for t in by_word] == [(area, id) for _, area, id in worded]

    def teardown(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.loop.close()


class StoreOnDiskAgainstDict(StoreAgainstDict):
    def open(self) -> None:
        self.folder = self.folder or Path(tempfile.mkdtemp())
        super().open()

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.store.close())
        self.open()

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(str(self.folder))


relaxed = settings(max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TestInMemory = StoreAgainstDict.TestCase
TestOnDisk = StoreOnDiskAgainstDict.TestCase
TestInMemory.settings = relaxed
TestOnDisk.settings = relaxed
