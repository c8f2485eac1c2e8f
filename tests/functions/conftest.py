from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.functions.harness import Lambda

from forecourt.base.clock import Clock
from forecourt.store import open_store


@pytest.fixture
async def functions(tmp_path: Path) -> AsyncIterator[Lambda]:
    clock = Clock()
    store = open_store(None, clock)
    service = Lambda(store, tmp_path, clock)
    await service.functions.start()
    yield service
    await service.functions.stop()
    await store.close()
