"""Security schemes: which of them are authorizers, which are API keys, and what a method asks for.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from forecourt.services.apigateway.openapi.document import EXTENSION, Json, items, obj, texts

_COPIED = (
    "authorizerUri",
    "authorizerCredentials",
    "identityValidationExpression",
    "authorizerResultTtlInSeconds",
    "providerARNs",
    "jwtConfiguration",
)
_AUTHORIZATION_TYPES = {
    "TOKEN": "CUSTOM",
    "REQUEST": "CUSTOM",
    "COGNITO_USER_POOLS": "COGNITO_USER_POOLS",
    "JWT": "JWT",
}


@dataclass
class Access:
    """What a method asks of its caller."""

    authorization_type: str = "NONE"
    authorizer: str | None = None
    scopes: list[str] = field(default_factory=list)
    api_key_required: bool = False


class Security:
    def __init__(self, schemes: Json, default: Any) -> None:
        self.schemes = {name: obj(scheme) for name, scheme in schemes.items()}
        self.default = default
        self.warnings: list[str] = []

    def authorizers(self) -> dict[str, Json]:
        return {
            name: _authorizer(name, scheme)
            for name, scheme in self.schemes.items()
            if EXTENSION + "authorizer" in scheme
        }

    def of(self, operation: Json) -> Access:
        """The operation's own `security`, else the document's; an empty list asks for nothing."""
        access = Access()
        for requirement in items(operation.get("security", self.default)):
            for name, scopes in obj(requirement).items():
                self._require(access, name, texts(scopes))
        own = str(obj(operation.get(EXTENSION + "auth")).get("type", "")).upper()
        if own in ("NONE", "AWS_IAM"):
            access.authorization_type, access.authorizer = own, None
        return access

    def _require(self, access: Access, name: str, scopes: list[str]) -> None:
        scheme = self.schemes.get(name)
        if scheme is None:
            self.warnings.append(f"Reference to security scheme '{name}' not found. Ignoring.")
        elif EXTENSION + "authorizer" in scheme:
            kind = _kind(scheme)
            access.authorization_type, access.authorizer = _AUTHORIZATION_TYPES.get(kind, "CUSTOM"), name
            access.scopes = scopes
        elif str(scheme.get(EXTENSION + "authtype", "")).lower() == "awssigv4":
            access.authorization_type = "AWS_IAM"
        elif scheme.get("type") == "apiKey":
            access.api_key_required = True
        else:
            self.warnings.append(f"Security scheme '{name}' of type '{scheme.get('type')}' is not supported. Ignoring.")


def _kind(scheme: Json) -> str:
    kind = str(obj(scheme[EXTENSION + "authorizer"]).get("type", "token")).upper()
    return kind if kind in _AUTHORIZATION_TYPES else "TOKEN"


def _authorizer(name: str, scheme: Json) -> Json:
    """CreateAuthorizer's members."""
    given, kind = obj(scheme[EXTENSION + "authorizer"]), _kind(scheme)
    members = {member: given[member] for member in _COPIED if given.get(member) is not None}
    if "providerARNs" in members:
        members["providerARNs"] = items(members["providerARNs"])
    source = given.get("identitySource")
    if not source and kind != "REQUEST" and scheme.get("name"):
        source = f"method.request.header.{scheme['name']}"
    if source:
        members["identitySource"] = source
    if scheme.get(EXTENSION + "authtype"):
        members["authType"] = scheme[EXTENSION + "authtype"]
    return {"name": name, "type": kind, **members}
