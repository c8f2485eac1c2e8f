"""Fixtures that drive a real server over the network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forecourt.testing import Forecourt


@pytest.fixture(scope="session")
def server() -> Iterator[Forecourt]:
    """One ephemeral Forecourt for the whole session: tests use names of their own and never reset it.

    Nor do they delete all that they make: AWS's quota of 120 APIs at the edge is not for them.
    """
    with Forecourt(arguments=("--quotas", "apigateway.edge_apis=600")) as forecourt:
        yield forecourt
