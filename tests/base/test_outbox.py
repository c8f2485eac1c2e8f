"""Writes of one turn of the loop go out together, in their order, and to nobody who has gone."""

from __future__ import annotations

import asyncio
from typing import Any

from forecourt.base.outbox import Outbox, outbox


class Transport:
    def __init__(self, sent: list[tuple[Transport, bytes]]) -> None:
        self.sent = sent
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.sent.append((self, data))


def transports(count: int) -> tuple[list[Any], list[tuple[Any, bytes]]]:
    sent: list[tuple[Any, bytes]] = []
    return [Transport(sent) for _ in range(count)], sent


async def test_writes_wait_for_the_end_of_the_turn_and_keep_their_order() -> None:
    (one, two), sent = transports(2)
    box = Outbox(asyncio.get_running_loop())
    for transport, data in ((one, b"1"), (two, b"2"), (one, b"3")):
        box.write(transport, data)
    assert sent == []
    await asyncio.sleep(0)
    assert sent == [(one, b"1"), (two, b"2"), (one, b"3")]
    box.write(two, b"4")
    await asyncio.sleep(0)
    assert sent[3:] == [(two, b"4")]


async def test_a_flush_sends_at_once_and_once() -> None:
    (one,), sent = transports(1)
    box = Outbox(asyncio.get_running_loop())
    box.write(one, b"1")
    box.flush()
    assert sent == [(one, b"1")]
    await asyncio.sleep(0)
    assert sent == [(one, b"1")]


async def test_nothing_goes_to_a_transport_that_closes() -> None:
    (one, two), sent = transports(2)
    box = Outbox(asyncio.get_running_loop())
    box.write(one, b"1")
    box.write(two, b"2")
    one.closing = True
    await asyncio.sleep(0)
    assert sent == [(two, b"2")]


async def test_a_loop_has_one_outbox() -> None:
    loop = asyncio.get_running_loop()
    assert outbox(loop) is outbox(loop)
