"""A SAML identity provider that also forges: the eight ways of signature wrapping, and a few simpler ones."""

from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import XMLSigner
from signxml.algorithms import SignatureConstructionMethod

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Idp:
    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.example.com")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .sign(self.key, hashes.SHA256())
        )

    def metadata(self) -> str:
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        return (
            '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">'
            '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
            f'<KeyDescriptor use="signing"><KeyInfo xmlns="{DS}"><X509Data><X509Certificate>{der}</X509Certificate>'
            "</X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>" + " " * 1000
        )

    def assertion(self, role: str, provider: str, now: float, id: str = "_a1", **change: str) -> Any:
        values = {
            "subject": "ann@example.com",
            "session": "ann",
            "audience": "https://signin.aws.amazon.com/saml",
            "until": iso(now + 300),
            "roles": f"{role},{provider}",
        } | change
        attribute = "https://aws.amazon.com/SAML/Attributes"
        return etree.fromstring(
            f'<Assertion xmlns="{SAML}" ID="{id}" Version="2.0" IssueInstant="{iso(now)}">'
            "<Issuer>https://idp.example.com</Issuer><Subject>"
            f'<NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{values["subject"]}</NameID>'
            '<SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<SubjectConfirmationData NotOnOrAfter="{values["until"]}" Recipient="{values["audience"]}"/>'
            "</SubjectConfirmation></Subject>"
            f'<Conditions NotBefore="{iso(now - 60)}" NotOnOrAfter="{values["until"]}"><AudienceRestriction>'
            f"<Audience>{values['audience']}</Audience></AudienceRestriction></Conditions><AttributeStatement>"
            f'<Attribute Name="{attribute}/Role"><AttributeValue>{values["roles"]}</AttributeValue></Attribute>'
            f'<Attribute Name="{attribute}/RoleSessionName"><AttributeValue>{values["session"]}</AttributeValue>'
            "</Attribute></AttributeStatement></Assertion>"
        )

    def signed(self, element: Any) -> Any:
        signer = XMLSigner(method=SignatureConstructionMethod.enveloped, c14n_algorithm=EXCLUSIVE)
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return signer.sign(element, key=key, cert=certificate, reference_uri=element.get("ID"))

    def envelope(self, *children: Any, id: str = "_r1") -> Any:
        found = etree.fromstring(
            f'<Response xmlns="{SAMLP}" ID="{id}" Version="2.0"><Status>'
            '<StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></Status></Response>'
        )
        found.extend(children)
        return found

    def response(self, role: str, provider: str, now: float, **change: str) -> str:
        found = self.envelope(self.signed(self.assertion(role, provider, now, **change)))
        return base64.b64encode(etree.tostring(found)).decode()

    def forgeries(self, role: str, provider: str, now: float) -> dict[str, bytes]:
        """Each claims a session that the identity provider never vouched for."""

        def evil(id: str = "_evil") -> Any:
            return self.assertion(role, provider, now, id=id, session="mallory", subject="mallory@example.com")

        def honest() -> Any:
            # Signed, but for another role: only a forgery gets anything out of it.
            return self.signed(self.assertion(role + "-other", provider, now))

        def detached() -> tuple[Any, Any]:
            element = honest()
            signature = element.find(f"{{{DS}}}Signature")
            element.remove(signature)
            return element, signature

        forged: dict[str, Any] = {}
        forged["unsigned"] = self.envelope(evil())
        forged["xsw1: signed response copied beside the forged one's content"] = self._xsw_response(
            evil(), inside=False
        )
        forged["xsw2: the same, detached"] = self._xsw_response(evil(), inside=True)
        forged["xsw3: forged assertion before the signed one"] = self.envelope(evil(), honest())
        outer = evil()
        outer.append(honest())
        forged["xsw4: signed assertion inside the forged one"] = self.envelope(outer)
        changed, signature = evil(id="_evil"), None
        original, signature = detached()
        changed.append(signature)
        forged["xsw5: signature in the forged assertion, original after it"] = self.envelope(changed, original)
        original, signature = detached()
        changed = evil()
        signature.append(original)
        changed.append(signature)
        forged["xsw6: original inside the signature inside the forged one"] = self.envelope(changed)
        extensions = etree.SubElement(self.envelope(), f"{{{SAMLP}}}Extensions")
        extensions.append(evil())
        forged["xsw7: forged assertion in extensions"] = self.envelope(extensions, honest())
        original, signature = detached()
        holder = etree.SubElement(signature, f"{{{DS}}}Object")
        holder.append(original)
        changed = evil()
        changed.append(signature)
        forged["xsw8: original in an object of the signature"] = self.envelope(changed)
        twin = honest()
        forged["same id twice"] = self.envelope(evil(id="_a1"), twin)
        tampered = self.signed(self.assertion(role, provider, now))
        tampered.find(f".//{{{SAML}}}NameID").text = "mallory@example.com"
        forged["tampered"] = self.envelope(tampered)
        forged["another identity provider"] = self.envelope(Idp().signed(self.assertion(role, provider, now)))
        forged["another audience"] = self.envelope(
            self.signed(self.assertion(role, provider, now, audience="https://sp.example.com"))
        )
        forged["expired"] = self.envelope(self.signed(self.assertion(role, provider, now, until=iso(now - 600))))
        raw = {name: etree.tostring(element) for name, element in forged.items()}
        bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
        return raw | {"bomb": bomb, "not xml": b"<", "comment": self._comment(role, provider, now)}

    def _xsw_response(self, evil: Any, inside: bool) -> Any:
        signed = self.signed(self.envelope(self.assertion("arn:aws:iam::111122223333:role/o", "p", 0)))
        original = copy.deepcopy(signed)
        forged = self.envelope(evil, id="_evil_response")
        signature = signed.find(f"{{{DS}}}Signature")
        if inside:
            forged.append(signature)
            forged.append(original)
        else:
            signature.append(original)
            forged.append(signature)
        return forged

    def _comment(self, role: str, provider: str, now: float) -> bytes:
        """A comment that a careless reader of text stops at: ann@example.com<!---->.evil.example."""
        element = self.signed(
            self.assertion(role, provider, now, subject="root@x", roles=f"{role}<!---->-evil,{provider}")
        )
        return etree.tostring(self.envelope(element))


EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
