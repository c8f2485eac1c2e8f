"""The data folder: made with its owner's permissions only, and open in one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from forecourt.store.errors import StoreUnavailable

LOCK = "forecourt.lock"


class FolderLock:
    """Holds `folder` until `release`, or until the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (FileExistsError, NotADirectoryError):
            raise StoreUnavailable(
                f"The data folder {folder} is a file, or below one. Choose another one with --data."
            ) from None
        except OSError as error:
            raise StoreUnavailable(
                f"The data folder {folder} can't be used: {error.strerror}. Make it writable for this user, or choose "
                "another one with --data."
            ) from None
        self._take()

    def _take(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise StoreUnavailable(
                f"The data folder {self.folder} is in use by another Forecourt"
                f"{f' (process {holder})' if holder else ''}. Stop it, or choose another folder with --data."
            ) from None
        with contextlib.suppress(OSError):  # on a full disk nobody learns the process' number
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
