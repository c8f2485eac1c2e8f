"""What a run keeps in the temporary folder: gone when it ends, and gone with the next run where it was killed."""

from __future__ import annotations

import os
from pathlib import Path

from forecourt.testing import Forecourt


def folders(temporary: Path) -> set[str]:
    return {path.name for path in temporary.iterdir()}


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    others = {"forecourt-of-somebody", "forecourt-link"}
    (tmp_path / "forecourt-of-somebody").mkdir()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "running.lock").touch()
    os.symlink(kept, tmp_path / "forecourt-link")
    environment = {"TMPDIR": str(tmp_path)}
    with Forecourt(environment=environment) as running:
        lives = folders(tmp_path)
        killed = Forecourt(environment=environment)
        killed.start()
        left = folders(tmp_path) - lives
        killed.kill()
        assert len(left) == 1
        assert left <= folders(tmp_path)
        with Forecourt(environment=environment):
            assert not left & folders(tmp_path)
            assert lives <= folders(tmp_path)
        # The one that runs has all it had.
        assert running.ask("/_forecourt/health")["status"] == "running"
    assert folders(tmp_path) == others | {"kept"}
    assert (kept / "running.lock").exists()
