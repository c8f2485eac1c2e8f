from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from control_plane import Aws, rest


@pytest.fixture
async def aws() -> AsyncIterator[Aws]:
    async with rest() as (aws, _, _):
        yield aws
