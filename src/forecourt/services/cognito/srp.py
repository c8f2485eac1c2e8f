"""Secure Remote Password as Cognito does it: the server's side, pure.

RFC 5054's protocol over the 3072-bit group of RFC 3526, with Cognito's own choices:

- numbers are hashed as two's-complement bytes (a zero byte in front where the first bit is set);
- `x = H(salt, H(poolName ‖ userId ‖ ":" ‖ password))`, the pool's name being what follows `_` in its id (for a device:
  the device group's key, and the device's key for the user's id);
- the key is one block of HKDF-SHA256 with the info "Caldera Derived Key", cut to 16 bytes;
- the client proves it by an HMAC over name, user id, the server's SECRET_BLOCK and a timestamp.

The server's secret exponent travels inside the sealed SECRET_BLOCK, so a challenge costs no memory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

_PRIME_WORDS = """
    FFFFFFFF FFFFFFFF C90FDAA2 2168C234 C4C6628B 80DC1CD1 29024E08 8A67CC74 020BBEA6 3B139B22 514A0879 8E3404DD
    EF9519B3 CD3A431B 302B0A6D F25F1437 4FE1356D 6D51C245 E485B576 625E7EC6 F44C42E9 A637ED6B 0BFF5CB6 F406B7ED
    EE386BFB 5A899FA5 AE9F2411 7C4B1FE6 49286651 ECE45B3D C2007CB8 A163BF05 98DA4836 1C55D39A 69163FA8 FD24CF5F
    83655D23 DCA3AD96 1C62F356 208552BB 9ED52907 7096966D 670C354E 4ABC9804 F1746C08 CA18217C 32905E46 2E36CE3B
    E39E772C 180E8603 9B2783A2 EC07A28F B5C55DF0 6F4C52C9 DE2BCBF6 95581718 3995497C EA956AE5 15D22618 98FA0510
    15728E5A 8AAAC42D AD33170D 04507A33 A85521AB DF1CBA64 ECFB8504 58DBEF0A 8AEA7157 5D060C7D B3970F85 A6E1E4C7
    ABF5AE8C DB0933D7 1E8C94E0 4A25619D CEE3D226 1AD2EE6B F12FFA06 D98A0864 D8760273 3EC86A64 521F2B18 177B200C
    BBE11757 7A615D6C 770988C0 BAD946E2 08E24FA0 74E5AB31 43DB5BFC E0FD108E 4B82D120 A93AD2CA FFFFFFFF FFFFFFFF
"""
N = int("".join(_PRIME_WORDS.split()), 16)
G = 2
SECRET_EXPONENT_BYTES = 32
SALT_BYTES = 16
_INFO = b"Caldera Derived Key"
_TIMESTAMP = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" ([1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d UTC \d{4}"
)


class SrpError(ValueError):
    """What the client sent can not be part of an honest exchange."""


class Verifier(NamedTuple):
    """What the server keeps instead of the password. Worth as much as a weak hash of it: keep it sealed."""

    salt: bytes
    value: int

    def encode(self) -> bytes:
        return self.salt + self.value.to_bytes(384, "big")

    @classmethod
    def decode(cls, data: bytes) -> Verifier:
        return cls(data[:-384], int.from_bytes(data[-384:], "big"))


def pad(number: int) -> bytes:
    """The number as Java's `BigInteger.toByteArray`: big-endian, its first bit clear."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest(), "big")


# The hash covers N with its sign byte and g as one byte: the 3072-bit prime's first bit is set.
K = _hash(pad(N) + pad(G))


def with_pow(base: int, exponent: int) -> int:
    """What is left where OpenSSL's is not to be had: nine times as slow, and in a time that depends on the exponent."""
    return pow(base, exponent, N)


def _fastest() -> Callable[[int, int], int]:
    """Modular exponentiation by OpenSSL's Diffie-Hellman, in constant time.

    The library deprecates it, and says so at every look at a name: they are looked up once. Without it `pow` has to do.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from cryptography.hazmat.primitives.asymmetric import dh

            private_numbers, public_numbers = dh.DHPrivateNumbers, dh.DHPublicNumbers
            parameters = dh.DHParameterNumbers(N, G)
            any_public = public_numbers(4, parameters)

        def with_openssl(base: int, exponent: int) -> int:
            own = private_numbers(exponent, any_public).private_key()
            return int.from_bytes(own.exchange(public_numbers(base, parameters).public_key()), "big")

        with_openssl(3, 3)
    except Exception:  # whatever a later version of the library does instead: a name gone, a size refused
        return with_pow
    return with_openssl


_power = _fastest()


def power(base: int, exponent: int) -> int:
    """`base ** exponent % N`."""
    base %= N
    if not (2 <= base <= N - 2) or exponent < 2:
        return pow(base, exponent, N)
    return _power(base, exponent)


def new_salt(random_bytes: bytes) -> bytes:
    """Some clients read the salt as a number, some as text; without a zero byte in front both see the same."""
    return random_bytes if random_bytes[0] else b"\x01" + random_bytes[1:]


def make_verifier(name: str, user_id: str, password: str, salt: bytes) -> Verifier:
    """`name` and `user_id` as in the module's text."""
    inner = hashlib.sha256(f"{name}{user_id}:{password}".encode()).digest()
    x = _hash(pad(int.from_bytes(salt, "big")) + inner)
    return Verifier(salt, power(G, x))


def parse_public(text: str) -> int:
    """The client's A, from hexadecimal. Raises `SrpError`: a multiple of N would fix the key (RFC 5054, 2.5.4)."""
    try:
        number = int(text, 16)
    except ValueError:
        raise SrpError("SRP_A is not hexadecimal") from None
    if len(text) > 768 + 2 or number < 0 or number % N in (0, 1, N - 1):
        raise SrpError("SRP_A is not a valid public value")
    return number


def public_value(verifier: Verifier, secret: int) -> int:
    """B = k·v + g^b."""
    return (K * verifier.value + power(G, secret)) % N


def session_key(verifier: Verifier, secret: int, client_public: int, server_public: int) -> bytes:
    """The 16 bytes that both sides know if the password is right."""
    u = _hash(pad(client_public) + pad(server_public))
    if u == 0:
        raise SrpError("u is zero")
    shared = power(client_public * power(verifier.value, u), secret)
    extract = hmac.digest(pad(u), pad(shared), "sha256")
    return hmac.digest(extract, _INFO + b"\x01", "sha256")[:16]


def signature(key: bytes, name: str, user_id: str, secret_block: bytes, timestamp: str) -> bytes:
    return hmac.digest(key, name.encode() + user_id.encode() + secret_block + timestamp.encode(), "sha256")


def verify(key: bytes, name: str, user_id: str, secret_block: bytes, timestamp: str, claimed: str) -> bool:
    """Whether the client's PASSWORD_CLAIM_SIGNATURE (Base64) proves the key.

    The timestamp's form is checked and its value is not: SECRET_BLOCK is single-use and short-lived, and our clock may
    have been moved where the client's was not.
    """
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    try:
        given = base64.b64decode(claimed, validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(signature(key, name, user_id, secret_block, timestamp), given)
