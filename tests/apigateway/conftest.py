from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.apigateway.control_plane import Aws, rest


@pytest.fixture
async def aws() -> AsyncIterator[Aws]:
    async with rest() as (aws, _, _):
        yield aws
