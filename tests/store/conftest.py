"""`store`: an empty store on every engine. A second engine joins by one more opener here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from forecourt.base.clock import Clock
from forecourt.store import Store, open_store

ENGINES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: open_store(None, Clock()),
    "sqlite": lambda folder: open_store(folder / "data", Clock()),
}


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = ENGINES[request.param](tmp_path)
    yield store
    await store.close()
