from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.iam.enforcing import ROOT
from tests.iam.world import World

from forecourt.testing import Forecourt


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.store.close()


@pytest.fixture(scope="session")
def enforced() -> Iterator[Forecourt]:
    """A server that trusts nobody, for the whole session: tests use names of their own."""
    environment = {
        "FORECOURT_ROOT_ACCESS_KEY_ID": ROOT["aws_access_key_id"],
        "FORECOURT_ROOT_SECRET_ACCESS_KEY": ROOT["aws_secret_access_key"],
    }
    with Forecourt(arguments=("--enforce-iam", "enforce"), environment=environment) as forecourt:
        yield forecourt
