"""What IAM remembers of callers and keys, and when it forgets."""

from __future__ import annotations

import asyncio

from forecourt.services.iam.memory import Memory


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
