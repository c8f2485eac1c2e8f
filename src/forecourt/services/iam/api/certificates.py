"""Server certificates of the account, and signing certificates of users: checked, kept, shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.holdings import Holdings
from forecourt.services.iam.api.kit import IamApi, Kit, Request, Result, insert, new_tags
from forecourt.services.iam.api.users import own_name
from forecourt.services.iam.errors import (
    DuplicateCertificateException,
    InvalidCertificateException,
    KeyPairMismatchException,
    MalformedCertificateException,
)
from forecourt.services.iam.model import ServerCertificate, SigningCertificate, User
from forecourt.services.iam.store import missing, page, shown_tags
from forecourt.store import Tx

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MAX_SIGNING = 2


def _purpose(certificate_id: str) -> str:
    return f"iam.ServerCertificate/{certificate_id}"


class ServerCertificatesApi(IamApi):
    @operation("UploadServerCertificate")
    async def upload(self, context: CallContext, request: Request) -> Result:
        name, body = request["ServerCertificateName"], request["CertificateBody"]
        certificate = _read(body)
        if request.get("CertificateChain"):
            _read_chain(request["CertificateChain"])
        _check_pair(certificate, request["PrivateKey"])
        id = self.kit.unique_id("ASCA")
        kept = ServerCertificate(
            account=context.account,
            key=name.lower(),
            name=name,
            path=request.get("Path") or "/",
            id=id,
            uploaded_at=self.kit.clock.now(),
            expires_at=certificate.not_valid_after_utc.timestamp(),
            body=body,
            chain=request.get("CertificateChain") or "",
            sealed_private_key=self.kit.sealer.seal(request["PrivateKey"].encode(), _purpose(id)),
            tags=new_tags(request),
        )

        await self.store.write(lambda tx: insert(tx, kept, f"The Server Certificate with name {name}"))
        return {"ServerCertificateMetadata": _metadata(kept), "Tags": shown_tags(kept.tags)}

    @operation("GetServerCertificate")
    async def get(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.get(ServerCertificate, context.account, request["ServerCertificateName"])
        shown: Result = {"ServerCertificateMetadata": _metadata(found), "CertificateBody": found.body}
        chain = {"CertificateChain": found.chain} if found.chain else {}
        return {"ServerCertificate": shown | chain | {"Tags": shown_tags(found.tags)}}

    @operation("ListServerCertificates")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.under_path(ServerCertificate, context.account, request.get("PathPrefix"))
        chosen, more = page(found, request, lambda certificate: certificate.name)
        return {"ServerCertificateMetadataList": [_metadata(certificate) for certificate in chosen], **more}

    @operation("UpdateServerCertificate")
    async def update(self, context: CallContext, request: Request) -> Result:
        old, new = request["ServerCertificateName"], request.get("NewServerCertificateName")

        def change(tx: Tx) -> None:
            found = tx.get(ServerCertificate, context.account, old.lower())
            if found is None:
                raise missing(ServerCertificate, old)
            tx.delete(ServerCertificate, context.account, found.key)
            found.path, found.name = request.get("NewPath") or found.path, new or found.name
            found.key = found.name.lower()
            insert(tx, found, f"The Server Certificate with name {found.name}")

        await self.store.write(change)
        return {}

    @operation("DeleteServerCertificate")
    async def delete(self, context: CallContext, request: Request) -> Result:
        found = await self.directory.get(ServerCertificate, context.account, request["ServerCertificateName"])
        await self.store.write(lambda tx: tx.delete(ServerCertificate, context.account, found.key))
        return {}


class SigningCertificatesApi(IamApi):
    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._certificates: Holdings[SigningCertificate] = Holdings(
            self.directory,
            lambda user: user.signing_certificates,
            "certificate",
            "SigningCertificatesPerUser",
            _MAX_SIGNING,
        )

    @operation("UploadSigningCertificate")
    async def upload(self, context: CallContext, request: Request) -> Result:
        body, now = request["CertificateBody"], self.kit.clock.now()
        certificate = _read(body)
        if not certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp():
            raise InvalidCertificateException("The certificate is not valid at this time.")
        kept = SigningCertificate(id=self.kit.ids.base32(32), body=body, uploaded_at=now)
        owner = await self._certificates.add(
            context.account,
            own_name(context, request.get("UserName")),
            kept,
            lambda held: held.body == body,
            DuplicateCertificateException,
        )
        return {"Certificate": _signing(owner, kept)}

    @operation("ListSigningCertificates")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        user = await self.directory.get(User, context.account, own_name(context, request.get("UserName")))
        chosen, more = page(user.signing_certificates, request, lambda certificate: certificate.id)
        return {"Certificates": [_signing(user.name, certificate) for certificate in chosen], **more}

    @operation("UpdateSigningCertificate")
    async def update(self, context: CallContext, request: Request) -> Result:
        user, id = own_name(context, request.get("UserName")), request["CertificateId"]
        await self._certificates.set_status(context.account, user, id, request["Status"])
        return {}

    @operation("DeleteSigningCertificate")
    async def delete(self, context: CallContext, request: Request) -> Result:
        user = own_name(context, request.get("UserName"))
        await self._certificates.delete(context.account, user, request["CertificateId"])
        return {}


def _metadata(found: ServerCertificate) -> Result:
    return {
        "Path": found.path,
        "ServerCertificateName": found.name,
        "ServerCertificateId": found.id,
        "Arn": found.arn,
        "UploadDate": found.uploaded_at,
        "Expiration": found.expires_at,
    }


def _signing(owner: str, certificate: SigningCertificate) -> Result:
    return {
        "UserName": owner,
        "CertificateId": certificate.id,
        "CertificateBody": certificate.body,
        "Status": certificate.status,
        "UploadDate": certificate.uploaded_at,
    }


# A start does not wait for the library of certificates.


def _read(text: str) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(text.strip().encode())
    except ValueError:
        raise MalformedCertificateException(
            "Unable to parse certificate. Please ensure the certificate is in PEM format."
        ) from None


def _read_chain(text: str) -> None:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(text.strip().encode())
    except ValueError:
        raise MalformedCertificateException(
            "Unable to parse certificate chain. Please ensure the chain is in PEM format."
        ) from None


def _check_pair(certificate: Certificate, private_key: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key.strip().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MalformedCertificateException(
            "Unable to parse key; please ensure it is in PEM format and has no passphrase."
        ) from None
    if key.public_key() != certificate.public_key():
        raise KeyPairMismatchException("The private key does not match the certificate.")
