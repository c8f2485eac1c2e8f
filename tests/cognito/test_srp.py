"""Our side of SRP against pycognito's: the same password gives both the same key, anything else does not."""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycognito import aws_srp

from forecourt.services.cognito import srp
from forecourt.services.cognito.turns import Turns

STAMP = "Tue Mar 4 09:05:06 UTC 2025"


def exchange(password: str, typed: str, name: str = "AbCdEfGhI", user: str = "anna") -> tuple[bytes, bytes]:
    """The client's key and ours."""
    client = aws_srp.AWSSRP(user, typed, f"us-east-1_{name}", "client", client=object())
    verifier = srp.make_verifier(name, user, password, srp.new_salt(secrets.token_bytes(16)))
    secret = int.from_bytes(secrets.token_bytes(32), "big")
    public = srp.parse_public(aws_srp.long_to_hex(client.large_a_value))
    ours = srp.public_value(verifier, secret)
    theirs = client.get_password_authentication_key(user, typed, ours, verifier.salt.hex())
    return theirs, srp.session_key(verifier, secret, public, ours)


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
def test_both_sides_agree(password: str) -> None:
    theirs, ours = exchange(password, password)
    assert theirs == ours


def test_another_password_gives_another_key() -> None:
    theirs, ours = exchange("Correct-horse-1", "Correct-horse-2")
    assert theirs != ours


@pytest.mark.parametrize(
    "text", ["0", f"{srp.N:x}", f"{2 * srp.N:x}", "1", f"{srp.N - 1:x}", "-5", "xyz", "", "f" * 800]
)
def test_values_that_would_fix_the_key_are_refused(text: str) -> None:
    with pytest.raises(srp.SrpError):
        srp.parse_public(text)


def test_openssl_and_python_agree() -> None:
    base, exponent = secrets.randbelow(srp.N), secrets.randbits(256)
    assert srp.power(base, exponent) == pow(base, exponent, srp.N)
    assert srp.power(2, exponent) == pow(2, exponent, srp.N)


@pytest.mark.parametrize(
    ("stamp", "good"),
    [
        (STAMP, True),
        ("Tue Mar 04 09:05:06 UTC 2025", False),
        ("Tue Mar 4 9:05:06 UTC 2025", False),
        ("2025-03-04T09:05:06Z", False),
        ("Tue Mar 4 09:05:06 PST 2025", False),
    ],
)
def test_the_timestamps_form(stamp: str, good: bool) -> None:
    key = b"k" * 16
    claimed = base64.b64encode(srp.signature(key, "pool", "anna", b"block", stamp)).decode()
    assert srp.verify(key, "pool", "anna", b"block", stamp, claimed) is good


def test_a_proof_is_bound_to_everything() -> None:
    key = b"k" * 16
    claimed = base64.b64encode(hmac.digest(key, b"pool" + b"anna" + b"block" + STAMP.encode(), "sha256")).decode()
    assert srp.verify(key, "pool", "anna", b"block", STAMP, claimed)
    assert not srp.verify(key, "pool", "bob", b"block", STAMP, claimed)
    assert not srp.verify(key, "pool", "anna", b"other", STAMP, claimed)
    assert not srp.verify(b"j" * 16, "pool", "anna", b"block", STAMP, claimed)
    assert not srp.verify(key, "pool", "anna", b"block", STAMP, "not base64!")


def test_a_salt_reads_the_same_as_number_and_as_text() -> None:
    salt = srp.new_salt(b"\x00" * 16)
    assert len(salt) == 16
    assert salt[0] != 0


def test_verifiers_survive_their_encoding() -> None:
    verifier = srp.make_verifier("pool", "anna", "secret", b"\x01" * 16)
    assert srp.Verifier.decode(verifier.encode()) == verifier


def test_power_without_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of the library without Diffie-Hellman costs time and changes no number."""
    base, exponent = srp.N // 3, 2**255 + 12345
    assert srp.power(base, exponent) == srp.with_pow(base, exponent)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.dh", None)
    monkeypatch.delattr("cryptography.hazmat.primitives.asymmetric.dh", raising=False)
    assert srp._fastest() is srp.with_pow


async def test_other_work_of_the_loop_comes_in_between_two_exponentiations() -> None:
    turns, done = Turns(), list[str]()
    proofs = asyncio.gather(*(turns.take(done.append, "proof") for _ in range(5)))
    while not proofs.done():
        await asyncio.sleep(0)
        done.append("request")
    assert "proof proof" not in " ".join(done)
    assert done.count("proof") == 5


async def test_a_failed_computation_lets_the_next_one_go_on() -> None:
    turns = Turns()

    def fail() -> None:
        raise srp.SrpError("u is zero")

    first, second = await asyncio.gather(turns.take(fail), turns.take(lambda: "done"), return_exceptions=True)
    assert isinstance(first, srp.SrpError)
    assert second == "done"


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    turns, done = Turns(), list[str]()
    waiting = [asyncio.ensure_future(turns.take(done.append, name)) for name in "abcd"]
    await asyncio.sleep(0)
    waiting[1].cancel()
    waiting[2].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await turns.take(done.append, "e")
    assert done == ["a", "d", "e"]
