"""The certificate that proves API Gateway to a backend: made by `GenerateClientCertificate`, presented by a stage's
integrations."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=365)
# What a private key is sealed for
SEAL_PURPOSE = "apigateway.client-certificate"


def self_signed(now: float, serial: bytes) -> tuple[str, bytes, int]:
    """A new certificate as PEM, its private key as PKCS #8 DER, and when it expires (epoch seconds)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Seattle"),
            x509.NameAttribute(NameOID.COMMON_NAME, "ApiGateway"),
        ]
    )
    starts = datetime.fromtimestamp(int(now), UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(serial, "big") >> 1 | 1)
        .not_valid_before(starts)
        .not_valid_after(starts + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return pem, private, int((starts + LIFETIME).timestamp())


def present(context: ssl.SSLContext, pem: str, private: bytes) -> None:
    """Makes `context` prove itself with the certificate. `private` as `self_signed` gives it.

    OpenSSL reads from files only: the key is there for a moment, and encrypted.
    """
    password = secrets.token_bytes(32)
    key = serialization.load_der_private_key(private, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    handle, path = tempfile.mkstemp(prefix="forecourt-", suffix=".pem")
    try:
        with open(handle, "wb") as file:
            file.write(pem.encode() + key)
        context.load_cert_chain(path, password=password)
    finally:
        os.unlink(path)
