"""A folder in the system's temporary folder for what a run need not keep.

A run that is killed leaves its folder behind; the next one removes it. Which runs are over, a lock says that the
system lifts when its holder dies: a process id could be another's by now.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "forecourt-"
_LOCK = "running.lock"


class Scratch:
    def __init__(self) -> None:
        _remove_dead()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Locked before it has its name: no other run ever sees it free.
        nameless = self.folder / f"{_LOCK}.new"
        self._lock = nameless.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        nameless.rename(self.folder / _LOCK)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _remove_dead() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            # A link's owner is who made the link: what it points to is none of ours.
            if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
                continue
            with (folder / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # It runs, or it is no run's folder.
            continue
