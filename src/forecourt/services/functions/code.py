"""Zip files: what is accepted, and how they become folders.

A zip is checked when it is uploaded (readable, no path that leaves it, not too large when unpacked) and unpacked when
its first environment starts: once per content, read-only as on AWS, shared by all environments that run it. A set of
layers is unpacked over one another into one folder, which stands for `/opt`.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import os
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from forecourt.services.functions.errors import InvalidParameterValueException

MAX_UNZIPPED_BYTES = 262_144_000
_BROKEN = "Could not unzip uploaded file. Please check your file, then try to upload again."
_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error, UnicodeError)
# A zip may declare a million empty files.
_MAX_ENTRIES = 100_000
_CHUNK_BYTES = 1 << 20


def code_sha256(data: bytes) -> str:
    """AWS shows the digest of the zip in base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def check_zip(data: bytes) -> None:
    """Raises `InvalidParameterValueException` in AWS's words."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            declared = sum(entry.file_size for entry in entries)
            intact = declared > MAX_UNZIPPED_BYTES or archive.testzip() is None
    except _UNREADABLE:
        raise InvalidParameterValueException(_BROKEN, Type="User") from None
    if not intact or len(entries) > _MAX_ENTRIES or any(_escapes(entry.filename) for entry in entries):
        raise InvalidParameterValueException(_BROKEN, Type="User")
    if not entries:
        raise InvalidParameterValueException("Uploaded file must be a non-empty zip", Type="User")
    if declared > MAX_UNZIPPED_BYTES:
        message = f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes"
        raise InvalidParameterValueException(message, Type="User")


def unzip(source: Path, folder: Path) -> None:
    """Unpacks over what `folder` has. Permissions and symbolic links as the zip says; nothing leaves the folder."""
    left = MAX_UNZIPPED_BYTES
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            if _escapes(entry.filename):
                continue
            left -= _extract(archive, entry, folder / entry.filename, folder, left)


def _escapes(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\x00" in name or "\\" in name


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, root: Path, limit: int) -> int:
    mode = entry.external_attr >> 16
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(root.resolve()):
        return 0
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    if stat.S_ISLNK(mode):
        return _link(target, archive.read(entry).decode(), root)
    size = 0
    with archive.open(entry) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise zipfile.BadZipFile("larger than it declares")
            file.write(chunk)
    # Read-only, as /var/task is; what has no Unix permissions (a zip made on Windows) is readable.
    target.chmod((mode & 0o555) | 0o444 if mode else 0o444)
    return size


def _link(target: Path, text: str, root: Path) -> int:
    if (target.parent / text).resolve().is_relative_to(root.resolve()):
        target.symlink_to(text)
    return 0


def _seal(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o555)


def remove_folder(folder: Path) -> None:
    """Also a read-only one."""
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


class CodeFolders:
    """Unpacked zips, kept as long as somebody holds them. `blob` finds the file of a digest."""

    def __init__(self, root: Path, blob: Callable[[str], Path]) -> None:
        self._root = root
        self._blob = blob
        self._zips: dict[str, Sequence[str]] = {}
        self._folders: dict[str, asyncio.Task[Path]] = {}
        self._holders: Counter[str] = Counter()

    def hold(self, digests: Sequence[str]) -> str:
        """Keeps what these zips unpack to until `release`. Returns the name that both use."""
        name = digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()
        self._holders[name] += 1
        self._zips[name] = digests
        return name

    async def folder(self, name: str) -> Path:
        """The folder, as soon as it is whole. Raises what unpacking raised; the next call tries again."""
        unpacked = self._folders.get(name)
        if unpacked is None or (unpacked.done() and (unpacked.cancelled() or unpacked.exception() is not None)):
            zips = [self._blob(digest) for digest in self._zips[name]]
            unpacked = self._folders[name] = asyncio.ensure_future(asyncio.to_thread(self._unpack, name, zips))
        return await asyncio.shield(unpacked)

    def release(self, name: str) -> None:
        self._holders[name] -= 1
        if self._holders[name]:
            return
        del self._holders[name], self._zips[name]
        if name in self._folders:
            self._folders.pop(name).add_done_callback(_remove_result)

    def _unpack(self, name: str, zips: Sequence[Path]) -> Path:
        folder = self._root / f"{name[:16]}-{os.urandom(4).hex()}"
        folder.mkdir(parents=True)
        for path in zips:
            unzip(path, folder)
        _seal(folder)
        return folder


def _remove_result(unpacked: asyncio.Task[Path]) -> None:
    if not unpacked.cancelled() and unpacked.exception() is None:
        asyncio.get_running_loop().run_in_executor(None, remove_folder, unpacked.result())
