"""Sealed values, the master key and content-addressed files."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.base.clock import Clock
from forecourt.store import StoreUnavailable, open_store
from forecourt.store.blobs import Blobs
from forecourt.store.key_proof import check_key
from forecourt.store.sealing import SealBroken, Sealer, load_master_key

sealer = Sealer(bytes(range(32)))


@given(st.binary(max_size=100), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_what_was_sealed_opens_for_its_purpose_only(data: bytes, purpose: str) -> None:
    sealed = sealer.seal(data, purpose)
    assert sealer.open(sealed, purpose) == data
    with pytest.raises(SealBroken):
        sealer.open(sealed, purpose + "x")
    with pytest.raises(SealBroken):
        Sealer(b"\x01" * 32).open(sealed, purpose)


@given(st.integers(0, 40), st.integers(1, 255))
def test_a_changed_or_cut_value_does_not_open(at: int, by: int) -> None:
    sealed = bytearray(sealer.seal(b"a client secret", "p"))
    cut = bytes(sealed[:at])
    sealed[at] ^= by
    for broken in (bytes(sealed), cut):
        with pytest.raises(SealBroken):
            sealer.open(broken, "p")


def test_equal_values_are_sealed_differently() -> None:
    assert sealer.seal(b"x", "p") != sealer.seal(b"x", "p")


def test_the_key_file_is_made_once_for_its_owner(tmp_path: Path) -> None:
    key = load_master_key(tmp_path, {})
    assert len(key) == 32
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert load_master_key(tmp_path, {}) == key
    assert [f.name for f in tmp_path.iterdir()] == ["master.key"]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_master_key(tmp_path, {})
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(StoreUnavailable, match="chmod 600"):
        load_master_key(tmp_path, {})


def test_a_key_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    load_master_key(tmp_path, {})
    (tmp_path / "master.key").write_text("short")
    with pytest.raises(StoreUnavailable, match="not 32 bytes"):
        load_master_key(tmp_path, {})


def test_environment_before_command_before_file(tmp_path: Path) -> None:
    key, other = b"k" * 32, b"o" * 32
    script = tmp_path / "key.sh"
    script.write_text(f"#!/bin/sh\necho {base64.b64encode(other).decode()}\n")
    script.chmod(0o700)
    command = {"FORECOURT_MASTER_KEY_COMMAND": f"'{script}'"}
    assert load_master_key(tmp_path, command) == other
    assert load_master_key(tmp_path, {**command, "FORECOURT_MASTER_KEY": key.hex()}) == key
    assert load_master_key(None, {}) != load_master_key(None, {})


@pytest.mark.parametrize("command", ["/nowhere/at/all", "false", "echo nonsense", "'"])
def test_a_command_that_gives_no_key(tmp_path: Path, command: str) -> None:
    with pytest.raises(StoreUnavailable, match="FORECOURT_MASTER_KEY_COMMAND"):
        load_master_key(tmp_path, {"FORECOURT_MASTER_KEY_COMMAND": command})


async def test_a_folder_knows_the_key_that_it_was_sealed_with(tmp_path: Path) -> None:
    for key in (b"a" * 32, b"a" * 32, b"b" * 32):
        store = open_store(tmp_path, Clock())
        try:
            if key == b"b" * 32:
                with pytest.raises(
                    StoreUnavailable, match="not the one that this data folder's secrets were sealed with"
                ):
                    await check_key(store, Sealer(key))
            else:
                await check_key(store, Sealer(key))
        finally:
            await store.close()


async def test_a_blob_that_is_missing_is_named(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = await blobs.put(b"code")
    assert blobs.kept(digest).read_bytes() == b"code"
    await blobs.delete(digest)
    with pytest.raises(StoreUnavailable, match=f"is missing .*{digest}.*: restore"):
        blobs.kept(digest)


async def test_a_blob_is_named_by_its_content(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = await blobs.put(b"code")
    assert digest == hashlib.sha256(b"code").hexdigest() == await blobs.put(b"code")
    assert blobs.path(digest).read_bytes() == b"code"
    assert [f for f in (tmp_path / "blobs").rglob("*") if f.is_file()] == [blobs.path(digest)]
    await blobs.delete(digest)
    await blobs.delete(digest)
    assert not blobs.path(digest).exists()


async def test_drafts_of_a_crash_are_swept(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = await blobs.put(b"code")
    (tmp_path / "drafts" / "half").write_bytes(b"co")
    blobs = Blobs(tmp_path)
    assert not (tmp_path / "drafts" / "half").exists()
    assert blobs.path(digest).read_bytes() == b"code"
    await blobs.clear()
    assert not blobs.path(digest).exists()


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "AB" * 32, "a" * 63, "a" * 64 + "\n"])
def test_a_path_is_only_given_for_a_digest(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        Blobs(tmp_path).path(digest)


async def test_a_blob_folder_that_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="can't be used"):
        Blobs(tmp_path / "file")
