"""Secrets at rest: sealed with the master key, for one purpose.

AES-256-GCM with a random 96-bit nonce. The purpose (`cognito.ClientSecret/us-east-1_abc/client`) is associated data: a
sealed value that was moved to another place does not open there. Layout: one byte of format, the nonce, the
ciphertext with its tag.

The master key is 32 bytes. In the order of precedence: `FORECOURT_MASTER_KEY` (base64 or hex), what
`FORECOURT_MASTER_KEY_COMMAND` prints (so that a key service or a hardware module can hold it), the file `master.key` in
the data folder, made on first start and readable by its owner only. Whoever loses it loses what is sealed.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from forecourt.store.errors import StoreUnavailable
from forecourt.store.folder import sync_folder

KEY_BYTES = 32
FILE = "master.key"
VARIABLE = "FORECOURT_MASTER_KEY"
COMMAND_VARIABLE = "FORECOURT_MASTER_KEY_COMMAND"

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_COMMAND_SECONDS = 30


class SealBroken(Exception):
    """The value was sealed with another key or for another purpose, or was changed since."""


class Sealer:
    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise ValueError(f"the master key has {KEY_BYTES} bytes, not {len(master_key)}")
        self._cipher = AESGCM(master_key)

    def seal(self, data: bytes, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, data, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises `SealBroken`."""
        if sealed[:1] != _FORMAT:
            raise SealBroken("not a sealed value")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken("sealed with another key or for another purpose, or changed since") from error


def load_master_key(folder: Path | None, environment: Mapping[str, str] = os.environ) -> bytes:
    """Raises `StoreUnavailable`, whose message says what to do. Without a folder (in memory) a new key every time."""
    if VARIABLE in environment:
        return _decoded(environment[VARIABLE], f"the environment variable {VARIABLE}")
    if COMMAND_VARIABLE in environment:
        return _decoded(_output_of(environment[COMMAND_VARIABLE]), f"the command in {COMMAND_VARIABLE}")
    if folder is None:
        return secrets.token_bytes(KEY_BYTES)
    return _from_file(folder / FILE)


def _from_file(path: Path) -> bytes:
    try:
        _make(path)
        if path.stat().st_mode & 0o077:
            raise StoreUnavailable(f"The master key {path} can be read by others: chmod 600 it.")
        return _decoded(path.read_text("ascii", errors="replace"), str(path))
    except OSError as error:
        raise StoreUnavailable(f"The master key {path} can't be used: {error.strerror}.") from None


def _make(path: Path) -> None:
    """A new key where there is none: in place whole or not at all, also when the power goes in between."""
    if path.exists():
        return
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_folder(path.parent)


def _output_of(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise StoreUnavailable(f"The command in {COMMAND_VARIABLE} gave no master key: {error}") from None
    return done.stdout


def _decoded(text: str, source: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreUnavailable(f"The master key from {source} is not {KEY_BYTES} bytes in base64 or hex.")
    return key
