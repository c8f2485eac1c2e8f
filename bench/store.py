"""What the store does a second, beside what bare sqlite3 does on the same disk in the same run.

    .venv/bin/python bench/store.py [--seconds 2] [--folder DIR]

Writes are acknowledged ones: each is on the disk (synchronous=FULL) before it counts. "floor" is a loop of
`INSERT … COMMIT` over sqlite3, one row a commit and 256 rows a commit: no documents, no indexes, no waiting tasks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from forecourt.base.clock import Clock
from forecourt.store import Document, Index, Store, Tx, open_store

BODY = "x" * 200


class Plain(Document):
    __kind__ = "bench.Plain"
    __key__ = ("account", "region", "id")

    account: str
    region: str
    id: str
    text: str = BODY


class Indexed(Document):
    __kind__ = "bench.Indexed"
    __key__ = ("account", "region", "id")
    __indexes__ = (
        Index("by_name", fields=("account", "region", "name"), unique=True),
        Index("by_owner", fields=("account", "owner")),
    )

    account: str
    region: str
    id: str
    name: str
    owner: str
    text: str = BODY


def plain(id: str) -> Document:
    return Plain(account="000000000000", region="us-east-1", id=id)


def indexed(id: str) -> Document:
    return Indexed(account="000000000000", region="us-east-1", id=id, name=f"name-{id}", owner=id[-2:])


def large(id: str) -> Document:
    return Plain(account="000000000000", region="us-east-1", id=f"large-{id}", text="x" * 100_000)


def put(document: Document, tx: Tx) -> None:
    tx.put(document)


def say(what: str, count: int, seconds: float, latencies: list[float] | None = None) -> None:
    line = f"{what:<44}{count / seconds:>12,.0f}/s"
    if latencies:
        latencies.sort()
        line += f"   p50 {statistics.median(latencies) * 1e3:7.3f} ms"
        line += f"   p99 {latencies[int(len(latencies) * 0.99)] * 1e3:7.3f} ms"
    print(line, flush=True)


def floor(folder: Path, seconds: float, rows_per_commit: int) -> None:
    raw = sqlite3.connect(folder / "floor.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, body BLOB) WITHOUT ROWID")
    count, started, body = 0, time.perf_counter(), os.urandom(250)
    while time.perf_counter() - started < seconds:
        raw.execute("BEGIN IMMEDIATE")
        for _ in range(rows_per_commit):
            count += 1
            raw.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (b"%d-%d" % (rows_per_commit, count), body))
        raw.execute("COMMIT")
    say(f"floor: sqlite3, {rows_per_commit} rows a commit", count, time.perf_counter() - started)
    raw.close()


async def writes(store: Store, what: str, make: Callable[[str], Document], tasks: int, seconds: float) -> None:
    latencies: list[float] = []
    started = time.perf_counter()

    async def work(task: int) -> None:
        n = 0
        while (before := time.perf_counter()) < started + seconds:
            n += 1
            document = make(f"{tasks}-{task}-{n:07}")
            await store.write(partial(put, document))
            latencies.append(time.perf_counter() - before)

    await asyncio.gather(*[work(task) for task in range(tasks)])
    say(f"{what}, {tasks} at once", len(latencies), time.perf_counter() - started, latencies)


async def reads(store: Store, what: str, seconds: float) -> None:
    latencies: list[float] = []
    started, n = time.perf_counter(), 0
    while (before := time.perf_counter()) < started + seconds:
        n += 1
        await store.get(Plain, "000000000000", "us-east-1", f"256-{n % 256}-{1 + n % 5:07}")
        latencies.append(time.perf_counter() - before)
        if n % 100 == 0:
            await asyncio.sleep(0)
    say(what, n, time.perf_counter() - started, latencies)


async def reads_while_writing(store: Store, seconds: float) -> None:
    writing = asyncio.create_task(writes(store, "  … those writes", plain, 64, seconds))
    await asyncio.sleep(0.05)
    await reads(store, "point reads beside writes", seconds - 0.1)
    await writing


async def measure(store: Store, seconds: float) -> None:
    for tasks in (1, 16, 256):
        await writes(store, "documents", plain, tasks, seconds)
    for tasks in (1, 16, 256):
        await writes(store, "documents with 2 indexes", indexed, tasks, seconds)
    await reads(store, "point reads", seconds)
    await reads_while_writing(store, seconds)
    started = time.perf_counter()
    count = len(await store.list(Indexed, "000000000000"))
    say(f"documents listed, {count} at once", count, time.perf_counter() - started)
    count = await store.count(Plain) + await store.count(Indexed)
    started = time.perf_counter()
    await store.reset()
    print(f"reset of {count:,} documents: {(time.perf_counter() - started) * 1e3:.0f} ms")
    await writes(store, "documents of 100 KB", large, 16, seconds)
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="What the store does a second, beside bare sqlite3.")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: a temporary one")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        print("--- on disk")
        for rows in (1, 256):
            floor(folder, arguments.seconds, rows)
        started = time.perf_counter()
        store = open_store(folder / "data", Clock())
        print(f"open (new folder): {(time.perf_counter() - started) * 1e3:.1f} ms")
        asyncio.run(measure(store, arguments.seconds))
        started = time.perf_counter()
        store = open_store(folder / "data", Clock())
        print(f"open (current folder): {(time.perf_counter() - started) * 1e3:.1f} ms")
        asyncio.run(store.close())
        print("--- in memory")
        asyncio.run(measure(open_store(None, Clock()), arguments.seconds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
