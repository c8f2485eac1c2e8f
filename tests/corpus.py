"""Real definitions to try things on, in a folder beside the clone: other people's files, and no part of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "corpus"
needed = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the corpus is no part of a clone, and there is none at {FOLDER}"
)


def files(kind: str, pattern: str) -> list[Path]:
    """Those of one kind (`asl`, `openapi`); none where the corpus is absent, but a corpus without them is a mistake."""
    found = sorted((FOLDER / kind).glob(pattern))
    assert found or not FOLDER.is_dir(), f"{FOLDER / kind} holds no {pattern}"
    return found
