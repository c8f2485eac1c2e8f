"""Sees to it that no worker outlives Forecourt, not even a Forecourt that was killed with SIGKILL.

One small process in a session of its own listens to us through a pipe; see `bootstrap/guardian.py`. A pipe works for
any executable and for whole process groups, where Linux's parent-death signal does neither.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = Path(__file__).parent.parent / "bootstrap" / "guardian.py"


class Guardian:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: dict[int, Path] = {}

    def add(self, pid: int, folder: Path) -> None:
        self._workers[pid] = folder
        self._tell(f"+{pid} {folder}\n")

    def remove(self, pid: int) -> None:
        if self._workers.pop(pid, None) is not None:
            self._tell(f"-{pid}\n")

    def close(self) -> None:
        """The guardian ends by itself, after what it still has to do."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()
        self._workers.clear()

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
            line = "".join(f"+{pid} {folder}\n" for pid, folder in self._workers.items())
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            # It was killed between poll and write; the next line starts another.
            self._process.wait()

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM)], stdin=subprocess.PIPE, start_new_session=True
        )
