"""SAML responses for AssumeRoleWithSAML: verified, and read from what was signed.

Signature wrapping (a second, unsigned assertion beside the signed one) fails because nothing outside the signed
element is ever read: the verifier hands out the element that the signature covers, parsed anew, and the assertion is
taken from there. Entity tricks and bombs fail because a document with a DTD is refused.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml_assertions.html
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

_NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
_ASSERTION = f"{{{_NS['saml']}}}Assertion"
_RESPONSE = f"{{{_NS['samlp']}}}Response"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
# AWS's sign-in, of any region or partition, and its old name.
_AUDIENCE = re.compile(
    r"https://([a-z0-9-]+\.)?signin\.(aws\.amazon|amazonaws-us-gov|amazonaws)\.(com|cn)/saml(/acs/[\w-]+)?"
    r"|urn:amazon:webservices(:[a-z0-9-]+)?"
)
_ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"
_SKEW_SECONDS = 300
_MAX_BYTES = 200_000


class SamlRejected(Exception):
    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.expired = expired


class Assertion(NamedTuple):
    issuer: str
    subject: str
    subject_type: str
    audience: str
    roles: list[tuple[str, str]]
    session_name: str
    duration_seconds: int | None
    source_identity: str
    tags: dict[str, str]
    transitive_tags: list[str]


def read(encoded: str, metadata: str, now: float) -> Assertion:
    """Raises `SamlRejected`."""
    try:
        document = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise SamlRejected("Invalid base64 SAMLResponse") from None
    if len(document) > _MAX_BYTES:
        raise SamlRejected("Invalid SAMLResponse: too long")
    _check_harmless(document)
    signed = _signed_element(document, metadata)
    assertion = signed if signed.tag == _ASSERTION else _only(signed, "saml:Assertion")
    if signed.tag not in (_ASSERTION, _RESPONSE) or assertion is None:
        raise SamlRejected("Response does not contain a signed assertion")
    status = signed.find("samlp:Status/samlp:StatusCode", _NS)
    if status is not None and status.get("Value") != _SUCCESS:
        raise SamlRejected("Response status is not success")
    _check_conditions(assertion, now)
    return _assertion(assertion)


# XML libraries are imported where they are used: few ever sign in by SAML, and a start does not wait for it.


def _check_harmless(document: bytes) -> None:
    from defusedxml import DefusedXmlException
    from defusedxml import ElementTree as Defused

    try:
        Defused.fromstring(document, forbid_dtd=True)
    except (Defused.ParseError, DefusedXmlException, ValueError):
        raise SamlRejected("Invalid SAMLResponse") from None


def _signed_element(document: bytes, metadata: str) -> Any:
    """What a certificate of the provider signed, parsed from the very bytes that were verified."""
    from lxml.etree import LxmlError  # type: ignore[import-untyped]
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    for certificate in _certificates(metadata):
        try:
            result = XMLVerifier().verify(
                document, x509_cert=certificate, expect_config=SignatureConfiguration(expect_references=1)
            )
        except (SignXMLException, LxmlError, ValueError):
            continue
        if not isinstance(result, list) and result.signed_xml is not None:
            return result.signed_xml
    raise SamlRejected("Response signature invalid")


def _certificates(metadata: str) -> list[str]:
    from defusedxml import ElementTree as Defused

    root = Defused.fromstring(metadata)
    found = root.iterfind(".//md:IDPSSODescriptor/md:KeyDescriptor", _NS)
    texts = [
        certificate.text or ""
        for descriptor in found
        if descriptor.get("use", "signing") == "signing"
        for certificate in descriptor.iterfind(".//ds:X509Certificate", _NS)
    ]
    bodies = ["".join(text.split()) for text in texts]
    return [f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----" for body in bodies]


def _only(element: Any, path: str) -> Any:
    found = element.findall(path, _NS)
    return found[0] if len(found) == 1 else None


def _check_conditions(assertion: Any, now: float) -> None:
    conditions = _only(assertion, "saml:Conditions")
    if conditions is None:
        raise SamlRejected("Assertion has no Conditions")
    _check_times(conditions, now)
    audiences = [
        (found.text or "").strip() for found in conditions.iterfind("saml:AudienceRestriction/saml:Audience", _NS)
    ]
    if not any(_AUDIENCE.fullmatch(audience) for audience in audiences):
        raise SamlRejected("Invalid SAML audience")
    for confirmation in assertion.iterfind("saml:Subject/saml:SubjectConfirmation", _NS):
        data = confirmation.find("saml:SubjectConfirmationData", _NS)
        if confirmation.get("Method") == _BEARER and data is not None and data.get("NotOnOrAfter"):
            _check_times(data, now)
            return
    raise SamlRejected("Assertion has no bearer subject confirmation")


def _check_times(element: Any, now: float) -> None:
    until, since = element.get("NotOnOrAfter"), element.get("NotBefore")
    if until and _seconds(until) + _SKEW_SECONDS <= now:
        raise SamlRejected("Token must be redeemed within 5 minutes of issuance", expired=True)
    if since and _seconds(since) - _SKEW_SECONDS > now:
        raise SamlRejected("Assertion is not yet valid")


def _seconds(text: str) -> float:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise SamlRejected("Assertion has a malformed time") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _assertion(assertion: Any) -> Assertion:
    attributes: dict[str, list[str]] = {}
    for attribute in assertion.iterfind("saml:AttributeStatement/saml:Attribute", _NS):
        values = ["".join(value.itertext()).strip() for value in attribute.iterfind("saml:AttributeValue", _NS)]
        attributes.setdefault(attribute.get("Name", ""), []).extend(values)

    def first(name: str) -> str:
        return next(iter(attributes.get(_ATTRIBUTE + name, [])), "")

    name_id = assertion.find("saml:Subject/saml:NameID", _NS)
    if name_id is None or not (name_id.text or "").strip():
        raise SamlRejected("Assertion has no NameID")
    tag_prefix = f"{_ATTRIBUTE}PrincipalTag:"
    duration = first("SessionDuration")
    audience = assertion.find("saml:Conditions/saml:AudienceRestriction/saml:Audience", _NS)
    return Assertion(
        issuer=(assertion.findtext("saml:Issuer", "", _NS) or "").strip(),
        subject=name_id.text.strip(),
        subject_type=_subject_type(name_id.get("Format", "")),
        audience=(audience.text or "").strip() if audience is not None else "",
        roles=[_pair(value) for value in attributes.get(f"{_ATTRIBUTE}Role", [])],
        session_name=first("RoleSessionName"),
        duration_seconds=int(duration) if duration.isdecimal() else None,
        source_identity=first("SourceIdentity"),
        tags={
            name.removeprefix(tag_prefix): values[0]
            for name, values in attributes.items()
            if name.startswith(tag_prefix) and values
        },
        transitive_tags=attributes.get(f"{_ATTRIBUTE}TransitiveTagKeys", []),
    )


def _subject_type(format: str) -> str:
    kind = format.rpartition(":")[2]
    return kind if kind in ("persistent", "transient") else format


def _pair(value: str) -> tuple[str, str]:
    """Role and provider, in whichever order they stand."""
    one, _, other = (part.strip() for part in value.partition(","))
    return (one, other) if ":role/" in one else (other, one)
