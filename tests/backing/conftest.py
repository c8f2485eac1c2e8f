"""Backings over a folder that outlives them: what `crash` leaves is what a SIGKILL leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.principal import root
from forecourt.services.backing import Backing, Keep
from forecourt.services.backing.admission import Admission
from forecourt.services.backing.embedded import Embedded
from forecourt.store import Store, open_store
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer


def caller(account: str = "000000000000", region: str = "eu-west-1") -> CallContext:
    return CallContext(
        principal=root(account), region=region, request_id="request-1", public_url="http://localhost:4566"
    )


class Bench:
    """One backing at a time, as in a process: moto's state is the process's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.store: Store | None = None
        self.backing: Backing

    def open(self) -> Backing:
        """With what is in the folder."""
        self.store = open_store(self.folder, self.clock)
        keep = Keep(self.store, Blobs(self.folder / "blobs"), Sealer(b"k" * 32))
        self.backing = Backing(clock=self.clock, keep=keep)
        return self.backing

    def ephemeral(self, endpoints: Mapping[str, str] | None = None) -> Backing:
        self.backing = Backing(clock=self.clock, endpoints=endpoints)
        return self.backing

    async def crash(self) -> Backing:
        """Nothing of the old process is left but the folder."""
        await self.forget()
        return self.open()

    async def forget(self) -> None:
        self.backing._embedded.close()
        moto = Embedded(self.clock, Admission("off"))
        await moto.on_thread(moto.load)
        await moto.on_thread(moto.reset)
        moto.close()
        if self.store is not None:
            await self.store.close()
            self.store = None


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.forget()
