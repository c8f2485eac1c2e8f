"""What a user may have beside access keys: SSH keys, service-specific credentials, signing certificates; and the
account's server certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from tests.iam.enforcing import refusal
from tests.iam.world import ACCOUNT, World

from forecourt.base.errors import ServiceError
from forecourt.base.principal import Principal
from forecourt.testing import Forecourt


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def ssh(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return text.decode()


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


def certificate(key: rsa.RSAPrivateKey, days: int = 30) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


async def refused(world: World, operation: str, caller: Principal | None = None, **params: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await world.call("iam", operation, caller, **params)
    return str(caught.value.code).removesuffix("Exception")


def test_ssh_keys(server: Forecourt) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="ssh")
    given = ssh(rsa_key()) + " comment"
    made = iam.upload_ssh_public_key(UserName="ssh", SSHPublicKeyBody=given)["SSHPublicKey"]
    assert made["SSHPublicKeyId"].startswith("APKA")
    # As AWS shows it; its model says 48.
    assert len(made["Fingerprint"]) == 47
    named = {"UserName": "ssh", "SSHPublicKeyId": made["SSHPublicKeyId"]}
    twice = refusal(iam.upload_ssh_public_key, UserName="ssh", SSHPublicKeyBody=given)
    assert twice[:2] == ("DuplicateSSHPublicKey", 400)
    shown = iam.get_ssh_public_key(**named, Encoding="PEM")["SSHPublicKey"]
    assert shown["SSHPublicKeyBody"].startswith("-----BEGIN PUBLIC KEY-----")
    assert iam.get_ssh_public_key(**named, Encoding="SSH")["SSHPublicKey"] == made
    iam.update_ssh_public_key(**named, Status="Inactive")
    assert refusal(iam.update_ssh_public_key, **named, Status="Expired")[0] == "InvalidInput"
    assert [key["Status"] for key in iam.list_ssh_public_keys(UserName="ssh")["SSHPublicKeys"]] == ["Inactive"]
    assert refusal(iam.delete_user, UserName="ssh")[0] == "DeleteConflict"
    iam.delete_ssh_public_key(**named)
    assert refusal(iam.delete_ssh_public_key, **named)[0] == "NoSuchEntity"
    iam.delete_user(UserName="ssh")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("nonsense", "UnrecognizedPublicKeyEncoding"),
        ("ssh-rsa AAAA", "InvalidPublicKey"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "InvalidPublicKey"),
        (ssh(rsa.generate_private_key(65537, 1024)), "InvalidPublicKey"),
        (ssh(ec.generate_private_key(ec.SECP256R1())).replace("ecdsa-sha2-nistp256", "ssh-ecdsa"), "InvalidPublicKey"),
    ],
    ids=["nonsense", "half a key", "half a PEM", "too short", "not RSA"],
)
async def test_ssh_keys_that_are_refused(world: World, body: str, code: str) -> None:
    await world.iam_call("CreateUser", UserName="ssh")
    assert await refused(world, "UploadSSHPublicKey", UserName="ssh", SSHPublicKeyBody=body) == code


async def test_service_specific_credentials(world: World) -> None:
    await world.iam_call("CreateUser", UserName="git")
    service = {"UserName": "git", "ServiceName": "codecommit.amazonaws.com"}
    first, second = [
        (await world.iam_call("CreateServiceSpecificCredential", **service))["ServiceSpecificCredential"]
        for _ in range(2)
    ]
    assert [one["ServiceUserName"] for one in (first, second)] == [f"git-at-{ACCOUNT}", f"git+1-at-{ACCOUNT}"]
    assert len(first["ServicePassword"]) >= 40
    assert await refused(world, "CreateServiceSpecificCredential", **service) == "LimitExceeded"
    unknown = {**service, "ServiceName": "s3.amazonaws.com"}
    assert await refused(world, "CreateServiceSpecificCredential", **unknown) == "ServiceNotSupported"
    named = {"UserName": "git", "ServiceSpecificCredentialId": first["ServiceSpecificCredentialId"]}
    reset = (await world.iam_call("ResetServiceSpecificCredential", **named))["ServiceSpecificCredential"]
    assert reset["ServicePassword"] != first["ServicePassword"]
    await world.iam_call("UpdateServiceSpecificCredential", **named, Status="Inactive")
    listed = (await world.iam_call("ListServiceSpecificCredentials", UserName="git"))["ServiceSpecificCredentials"]
    assert [one["Status"] for one in listed] == ["Inactive", "Active"]
    assert "ServicePassword" not in listed[0]
    assert await refused(world, "DeleteUser", UserName="git") == "DeleteConflict"
    await world.iam_call("DeleteServiceSpecificCredential", **named)
    assert await refused(world, "DeleteServiceSpecificCredential", **named) == "NoSuchEntity"


async def test_an_api_key_of_a_service_expires(world: World) -> None:
    await world.iam_call("CreateUser", UserName="bed")
    made = await world.iam_call(
        "CreateServiceSpecificCredential", UserName="bed", ServiceName="bedrock.amazonaws.com", CredentialAgeDays=1
    )
    shown = made["ServiceSpecificCredential"]
    assert shown["ServiceCredentialSecret"].startswith("ABSK")
    assert shown["ExpirationDate"] == pytest.approx(world.clock.now() + 86_400, abs=5)
    every = await world.iam_call("ListServiceSpecificCredentials", AllUsers=True)
    assert [one["UserName"] for one in every["ServiceSpecificCredentials"]] == ["bed"]


async def test_signing_certificates(world: World) -> None:
    await world.iam_call("CreateUser", UserName="sig")
    body = certificate(rsa_key())
    made = (await world.iam_call("UploadSigningCertificate", UserName="sig", CertificateBody=body))["Certificate"]
    named = {"UserName": "sig", "CertificateId": made["CertificateId"]}
    upload = {"UserName": "sig"}
    assert await refused(world, "UploadSigningCertificate", **upload, CertificateBody=body) == "DuplicateCertificate"
    assert await refused(world, "UploadSigningCertificate", **upload, CertificateBody="x") == "MalformedCertificate"
    old = certificate(rsa_key(), days=-1)
    assert await refused(world, "UploadSigningCertificate", **upload, CertificateBody=old) == "InvalidCertificate"
    await world.iam_call("UploadSigningCertificate", **upload, CertificateBody=certificate(rsa_key()))
    third = certificate(rsa_key())
    assert await refused(world, "UploadSigningCertificate", **upload, CertificateBody=third) == "LimitExceeded"
    await world.iam_call("UpdateSigningCertificate", **named, Status="Inactive")
    listed = (await world.iam_call("ListSigningCertificates", **upload))["Certificates"]
    assert [one["Status"] for one in listed] == ["Inactive", "Active"]
    await world.iam_call("DeleteSigningCertificate", **named)
    assert await refused(world, "DeleteSigningCertificate", **named) == "NoSuchEntity"
    assert await refused(world, "DeleteUser", UserName="sig") == "DeleteConflict"


async def test_server_certificates(world: World) -> None:
    body, key = certificate(rsa_key()), pem(rsa_key())
    given = {"ServerCertificateName": "web", "CertificateBody": body, "PrivateKey": key}
    made = await world.iam_call("UploadServerCertificate", **given, Path="/x/", Tags=[{"Key": "a", "Value": "1"}])
    assert made["ServerCertificateMetadata"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/x/web"
    assert await refused(world, "UploadServerCertificate", **given) == "EntityAlreadyExists"
    other = {**given, "ServerCertificateName": "other"}
    foreign = pem(rsa_key(1))
    assert await refused(world, "UploadServerCertificate", **{**other, "PrivateKey": foreign}) == "KeyPairMismatch"
    assert await refused(world, "UploadServerCertificate", **{**other, "PrivateKey": "x"}) == "MalformedCertificate"
    bad_chain = {**other, "CertificateChain": "x"}
    assert await refused(world, "UploadServerCertificate", **bad_chain) == "MalformedCertificate"
    await world.iam_call("UploadServerCertificate", **{**other, "CertificateChain": body})
    listed = await world.iam_call("ListServerCertificates", PathPrefix="/x/")
    assert [one["ServerCertificateName"] for one in listed["ServerCertificateMetadataList"]] == ["web"]
    rename = {"ServerCertificateName": "web", "NewServerCertificateName": "www", "NewPath": "/"}
    taken = {**rename, "NewServerCertificateName": "other"}
    assert await refused(world, "UpdateServerCertificate", **taken) == "EntityAlreadyExists"
    await world.iam_call("UpdateServerCertificate", **rename)
    shown = (await world.iam_call("GetServerCertificate", ServerCertificateName="www"))["ServerCertificate"]
    assert (shown["CertificateBody"], shown["Tags"]) == (body, [{"Key": "a", "Value": "1"}])
    assert "PrivateKey" not in shown
    await world.iam_call("DeleteServerCertificate", ServerCertificateName="www")
    assert await refused(world, "GetServerCertificate", ServerCertificateName="www") == "NoSuchEntity"


@pytest.mark.parametrize("operation", ["CreateAccessKey", "ListAccessKeys", "ListMFADevices", "ListSSHPublicKeys"])
async def test_a_session_has_no_credentials_of_its_own(world: World, operation: str) -> None:
    """Least of all the root's: without a name these operations are about the caller."""
    session = Principal(
        kind="assumed-role",
        account=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s",
        user_id="AROA1:s",
        name="s",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/r",
    )
    assert await refused(world, operation, session) == "ValidationError"
