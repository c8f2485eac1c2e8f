"""A process that writes at full speed is killed at random moments: nothing acknowledged is lost, nothing is half there.

The child writes, from many tasks at once, changes of three parts that belong together (two documents and a log event),
and says which were acknowledged, on its standard output. The parent kills it, opens the folder and compares.
"""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from forecourt.base.clock import Clock
from forecourt.store import Document, Index, Store, Tx, open_store

KILLS = 20
WRITERS = 32


class Half(Document):
    __kind__ = "test.Half"
    __key__ = ("side", "id")
    __indexes__ = (Index("by_id", fields=("id", "side")),)

    side: str
    id: str


CHILD = textwrap.dedent("""
    import asyncio, os, sys
    from pathlib import Path
    from forecourt.base.clock import Clock
    from forecourt.store import Document, Index, open_store

    class Half(Document):
        __kind__ = "test.Half"
        __key__ = ("side", "id")
        __indexes__ = (Index("by_id", fields=("id", "side")),)
        side: str
        id: str

    async def write(store, worker, run):
        n = 0
        while True:
            n += 1
            id = f"{run}-{worker}-{n:06}"
            def change(tx):
                tx.insert(Half(side="left", id=id))
                tx.append(f"log-{worker}", [id.encode()])
                tx.insert(Half(side="right", id=id))
            await store.write(change)
            os.write(1, id.encode() + b"\\n")

    async def main(folder, run, writers):
        store = open_store(Path(folder), Clock())
        os.write(1, b"ready\\n")
        await asyncio.gather(*[write(store, worker, run) for worker in range(int(writers))])

    asyncio.run(main(*sys.argv[1:]))
""")


def run_and_kill(folder: Path, run: int, seconds: float) -> list[str]:
    """Returns what the child said was acknowledged. A line is written whole or, cut by the kill, not ended."""
    command = [sys.executable, "-c", CHILD, str(folder), str(run), str(WRITERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + seconds
        lines = [child.stdout.readline()]
        while time.monotonic() < deadline:
            lines.append(child.stdout.readline())
        child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


async def check(store: Store, acknowledged: set[str]) -> None:
    left = {half.id for half in await store.list(Half, "left")}
    right = {half.id for half in await store.list(Half, "right")}
    logged = [event.decode() for w in range(WRITERS) for _, event in await store.read_log(f"log-{w}")]
    indexed = [half.id for half in await store.find(Half, "by_id")]
    assert acknowledged <= left, "an acknowledged write is missing"
    assert left == right == set(logged), "a change is half there"
    assert len(logged) == len(left)
    assert indexed == sorted([*left, *right]), "an index differs from its documents"
    # Each writer waits for its acknowledgement: at most one change per writer and run was under way.
    assert len(left) - len(acknowledged) <= WRITERS * KILLS


async def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    moments = random.Random(20)
    acknowledged: set[str] = set()
    for run in range(KILLS):
        acknowledged |= set(run_and_kill(tmp_path, run, moments.uniform(0.0, 0.25)))
        store = open_store(tmp_path, Clock())
        if run % 5 == 4:
            await check(store, acknowledged)
        else:
            assert await store.count(Half, "left") == await store.count(Half, "right") >= len(acknowledged)
        await store.close()
    assert len(acknowledged) > 20 * KILLS


async def test_a_write_after_the_crash_goes_on_where_the_log_ended(tmp_path: Path) -> None:
    run_and_kill(tmp_path, 0, 0.05)
    store = open_store(tmp_path, Clock())

    def change(tx: Tx) -> tuple[int, int]:
        last = tx.read_log("log-0", limit=1, reverse=True)[0][0]
        return last, tx.append("log-0", [b"next"])

    last, following = await store.write(change)
    assert following == last + 1
    await store.close()
