"""The log store's bounds, and what a crash leaves of a segment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecourt.base.clock import Clock
from forecourt.telemetry import log_group
from forecourt.telemetry.log_group import LogGroupEvents, Search
from forecourt.telemetry.log_store import LogStore, LogsUnavailable, Written

GROUP = ("000000000000", "us-east-1", "g")


def write(store: LogStore, n: int, message: str = "", group: str = "g") -> None:
    store.write("000000000000", "us-east-1", group, "s", n, message or f"{n}")


async def messages(store: LogStore, **search: object) -> list[str]:
    found = await store.search(GROUP, Search(**{"limit": 1000, **search}))  # type: ignore[arg-type]
    return [event.message for event in found.events]


async def test_a_started_store_flushes_by_itself(tmp_path: Path) -> None:
    store = LogStore(tmp_path, Clock())
    written: list[Written] = []
    flushed = asyncio.Event()

    async def on_written(batches: list[Written]) -> None:
        written.extend(batches)
        flushed.set()

    store.on_written = on_written
    write(store, 1, "early")
    await store.start()
    write(store, 2, "later")
    await asyncio.wait_for(flushed.wait(), 5)
    assert [(w.group, w.stream, w.first_ms, w.last_ms, w.events) for w in written] == [(GROUP, "s", 1, 2, 2)]
    await store.stop()


async def test_the_buffer_is_bounded_and_says_what_was_dropped(caplog: pytest.LogCaptureFixture) -> None:
    store = LogStore(None, Clock(), buffer_bytes=1000)
    for n in range(100):
        write(store, n)
    kept = await messages(store)
    assert kept == [f"{n}" for n in range(len(kept))]
    assert 5 < len(kept) < 20
    assert store.dropped == 100 - len(kept)
    assert f"{store.dropped} log events were dropped" in caplog.text


async def test_old_events_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_group, "SEGMENT_BYTES", 10_000)
    store = LogStore(tmp_path, Clock(), most_bytes=50_000)
    for n in range(200):
        write(store, n, f"{n:04}" + "x" * 1000)
        await store.flush()
    kept = [message[:4] for message in await messages(store)]
    assert kept == [f"{n:04}" for n in range(200 - len(kept), 200)]
    assert 30 < len(kept) < 51
    assert sum(f.stat().st_size for f in tmp_path.rglob("*.log")) <= 50_000


async def test_the_quiet_group_loses_its_old_events_first() -> None:
    store = LogStore(None, Clock(), most_bytes=50_000)
    write(store, 1, "x" * 30_000, group="quiet")
    await store.flush()
    write(store, 2, "y" * 30_000)
    await store.flush()
    assert await messages(store) == ["y" * 30_000]
    assert (await store.search((*GROUP[:2], "quiet"), Search(10))).events == []


async def test_text_that_can_not_be_encoded_and_endless_events_are_kept_as_they_can_be() -> None:
    store = LogStore(None, Clock())
    write(store, 1, "bad \ud800 text")
    write(store, 2, "\0 汉")
    write(store, 3, "x" * 5_000_000)
    first, second, third = await messages(store)
    assert (first, second) == ("bad ? text", "\0 汉")
    assert 0 < len(third) < 1_048_576


async def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = LogStore(tmp_path / "file", Clock())
    write(store, 1)
    await store.flush()
    assert store.dropped == 1
    with pytest.raises(LogsUnavailable, match="can't be written"):
        await store.put(GROUP, "s", [(1, "m")])


async def test_a_cut_record_is_forgotten_and_the_segment_goes_on(tmp_path: Path) -> None:
    store = LogStore(tmp_path, Clock())
    for n in range(3):
        write(store, n, f"whole {n}")
    await store.flush()
    (file,) = tmp_path.rglob("*.log")
    for cut in (b"\x10", b"\x10\x00\x00\x00", b"\x10\x00\x00\x00\x94\x01", b"\x00" * 50, b"\x05\x00\x00\x00zzzzz"):
        whole = file.read_bytes()
        file.write_bytes(whole + cut)
        store = LogStore(tmp_path, Clock())
        await store.start()
        assert (await messages(store))[:3] == ["whole 0", "whole 1", "whole 2"]
        assert file.read_bytes() == whole
        write(store, 9, "after")
        assert (await messages(store))[-1] == "after"
        await store.stop()


async def test_a_clean_start_reads_no_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogStore(tmp_path, Clock())
    await store.start()
    write(store, 1)
    await store.stop()
    read = []
    monkeypatch.setattr("forecourt.telemetry.segments.Segment.recover", lambda self: read.append(self))
    store = LogStore(tmp_path, Clock())
    await store.start()
    assert read == []
    assert await messages(store) == ["1"]


event = st.tuples(st.integers(0, 30), st.sampled_from(["s", "t"]))


@settings(deadline=None)
@given(
    st.lists(st.lists(event, min_size=1, max_size=6), max_size=8),
    st.integers(0, 30),
    st.integers(0, 31),
    st.integers(1, 7),
    st.booleans(),
    st.sampled_from([None, {"s"}]),
    st.integers(0, 120),
)
def test_pages_are_the_sorted_events(
    batches: list[list[tuple[int, str]]],
    start: int,
    end: int,
    limit: int,
    reverse: bool,
    streams: set[str] | None,
    search_bytes: int,
) -> None:
    """Paging through any row of segments, also with searches that stop early, gives what sorting everything gives."""
    group = LogGroupEvents(None)
    for batch in batches:
        group._roll()
        group.segments[-1].append([(at, 1, stream, f"{at} {stream}") for at, stream in batch])
    everything = sorted(event for segment in group.segments for event in segment.events())
    expected = [e for e in everything if start <= e.timestamp_ms < end and (streams is None or e.stream in streams)]
    before, log_group.SEARCH_BYTES = log_group.SEARCH_BYTES, search_bytes
    try:
        seen, after = [], None
        for _ in range(200):
            found = group.search(Search(limit, streams, start, end, after, reverse))
            seen += found.events
            if found.resume is None and len(found.events) < limit:
                break
            after = found.resume or found.events[-1][:2]
    finally:
        log_group.SEARCH_BYTES = before
    assert seen == (expected[::-1] if reverse else expected)


async def test_a_stop_that_can_not_write_its_summaries_ends_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk, say."""
    store = LogStore(tmp_path, Clock())
    await store.start()
    write(store, 1)
    await store.flush()
    (segment,) = tmp_path.glob("*/*.log")
    segment.with_suffix(".idx").mkdir()
    await store.stop()
    assert "a log group was not summarized: Is a directory" in caplog.text
