"""What IAM remembers of callers and keys, and when it forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from forecourt.base.clock import Clock
from forecourt.services.iam import notes
from forecourt.services.iam.memory import Memory
from forecourt.store import Tx, open_store


async def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    begun, go_on, versions = asyncio.Event(), asyncio.Event(), iter(("old", "new"))

    async def load(key: str) -> str:
        found = next(versions)
        begun.set()
        await go_on.wait()
        return found

    memory: Memory[str, str] = Memory(load)
    reading = asyncio.create_task(memory.of("ann"))
    await begun.wait()
    memory.forget()
    go_on.set()
    assert await reading == "old"
    assert await memory.of("ann") == "new"
    assert memory.known == {"ann": "new"}


async def test_a_write_that_failed_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_SECONDS", 0)
    store = open_store(None, Clock())
    written, tries = asyncio.Event(), iter((OSError("disk full"), None))

    def keep(tx: Tx, noted: Mapping[str, int]) -> None:
        if (error := next(tries, None)) is not None:
            raise error
        written.set()

    kept: notes.Notes[str, int] = notes.Notes(store, keep)
    kept.newest["first"] = 1
    kept.start()
    async with asyncio.timeout(5):
        while kept.newest:
            await asyncio.sleep(0)
        kept.newest["second"] = 2
        await written.wait()
    await kept.stop()
    await store.close()
