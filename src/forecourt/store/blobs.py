"""Large values (function code, layers) as files named by what they contain.

`put` returns once content and name are on the disk: written beside its place, synced, renamed into it, folder synced.
A crash leaves a whole file or a draft, which the next start sweeps. Since equal content is one file, who deletes asks
first whether anyone else still refers to it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from pathlib import Path

from forecourt.store.errors import StoreUnavailable
from forecourt.store.folder import sync_folder

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRAFTS = "drafts"


class Blobs:
    """Files at `folder/ab/abcdef…`. Raises `StoreUnavailable` where the folder can't be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._drafts = folder / _DRAFTS
        try:
            self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
            for draft in self._drafts.iterdir():
                draft.unlink()
        except OSError as error:
            raise _unavailable(error) from None

    async def put(self, data: bytes) -> str:
        """Keeps `data`; returns its SHA-256 in hex."""
        return await asyncio.to_thread(self._put, data)

    def path(self, digest: str) -> Path:
        """Where the content with this digest is, if it is kept."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"not a SHA-256 in hex: {digest!r}")
        return self.folder / digest[:2] / digest

    def kept(self, digest: str) -> Path:
        """The same, where it has to be there. Raises `StoreUnavailable`."""
        place = self.path(digest)
        if not place.is_file():
            raise StoreUnavailable(f"A part of the data folder is missing ({place}): restore the folder from a backup.")
        return place

    async def delete(self, digest: str) -> None:
        await asyncio.to_thread(self.path(digest).unlink, True)

    async def clear(self) -> None:
        """Deletes everything (a reset)."""
        await asyncio.to_thread(self._clear)

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        place = self.path(digest)
        try:
            if not place.exists():
                self._write(place, data)
            sync_folder(place.parent)  # also where another `put` made the name and has not synced it yet
        except OSError as error:
            raise _unavailable(error) from None
        return digest

    def _write(self, place: Path, data: bytes) -> None:
        draft = self._drafts / secrets.token_hex(8)
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not place.parent.exists():
                place.parent.mkdir(exist_ok=True, mode=0o700)
                sync_folder(self.folder)
            draft.rename(place)
        finally:
            draft.unlink(missing_ok=True)

    def _clear(self) -> None:
        for blob in self.folder.glob("??/*"):
            blob.unlink(missing_ok=True)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"The blob folder can't be used: {error.strerror}. Check its permissions and the disk's space."
    )
