"""What a call of STS asks for, as conditions and bounds of the session, and how the session is shown. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from forecourt.auth.sessions import SessionCredentials
from forecourt.base.call import CallContext
from forecourt.base.errors import AccessDenied
from forecourt.base.principal import Principal
from forecourt.services.iam.api.kit import Request, Result
from forecourt.services.iam.errors import ValidationError
from forecourt.services.iam.model import Role, SamlProvider
from forecourt.services.iam.role_sessions import inherited_tags

HOUR = 3600


def account_in(arn: str) -> str:
    parts = arn.split(":")
    if len(parts) < 6 or not parts[4].isdigit() or len(parts[4]) != 12:
        raise ValidationError(f"{arn} is invalid")
    return parts[4]


def session_tags(request: Request, caller: Principal) -> tuple[dict[str, str], list[str]]:
    """Session tags, with those that the caller's own session hands down; and the keys to hand down further."""
    given = request.get("Tags") or ()
    folded = [tag["Key"].lower() for tag in given]
    if len(set(folded)) != len(folded):
        raise ValidationError("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    handed_down = inherited_tags(caller)
    if clash := {key.lower() for key in handed_down} & set(folded):
        raise ValidationError(f"One of the specified transitive tag keys can't be set: {sorted(clash)[0]}")
    transitive = [*handed_down, *(request.get("TransitiveTagKeys") or ())]
    return {**handed_down, **{tag["Key"]: tag["Value"] for tag in given}}, transitive


def assume_conditions(
    context: CallContext, request: Request, tags: Mapping[str, str], transitive: list[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        found["aws:TagKeys"] = tuple(tags)
    if transitive:
        found["sts:TransitiveTagKeys"] = tuple(transitive)
    if request.get("ExternalId"):
        found["sts:ExternalId"] = request["ExternalId"]
    # One that is handed down needs the role's consent, too.
    if source := request.get("SourceIdentity") or context.principal.context.get("aws:SourceIdentity"):
        found["sts:SourceIdentity"] = source
    if request.get("TokenCode"):
        found["aws:MultiFactorAuthPresent"] = "true"
    found["sts:RoleSessionName"] = request["RoleSessionName"]
    found["aws:SourceIp"] = context.source_ip
    return {**found, **context.conditions}


def check_source_identity(caller: Principal, request: Request) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html"""
    held, asked = caller.context.get("aws:SourceIdentity"), request.get("SourceIdentity")
    if held and asked and asked != held:
        raise AccessDenied(
            f"User: {caller.arn} is not authorized to perform: sts:SetSourceIdentity on resource: {request['RoleArn']} "
            "because the source identity of a session cannot be changed"
        )


def inherited(caller: Principal, request: Request) -> dict[str, Any]:
    """A source identity, once set, stays through every further session."""
    found = request.get("SourceIdentity") or caller.context.get("aws:SourceIdentity")
    mfa = {"aws:MultiFactorAuthPresent": "true"} if request.get("TokenCode") else {}
    return {**({"aws:SourceIdentity": found} if found else {}), **mfa}


def source_identity(principal: Principal) -> Result:
    found = principal.context.get("aws:SourceIdentity")
    return {"SourceIdentity": found} if found else {}


def session_seconds(request: Request, role: Role, caller: Principal) -> int:
    seconds: int = request.get("DurationSeconds") or HOUR
    if caller.kind == "assumed-role" and seconds > HOUR:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    check_seconds(seconds, role)
    return seconds


def check_seconds(seconds: int, role: Role) -> None:
    if seconds > role.max_session_seconds:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def assumed(principal: Principal, issued: SessionCredentials, packed: int) -> Result:
    return {
        "Credentials": shown_credentials(issued),
        "AssumedRoleUser": {"AssumedRoleId": principal.user_id, "Arn": principal.arn},
        "PackedPolicySize": packed,
    }


def shown_credentials(issued: SessionCredentials) -> Result:
    return {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "SessionToken": issued.session_token,
        "Expiration": issued.expires_at,
    }


def name_qualifier(issuer: str, provider: SamlProvider) -> str:
    """AWS: a hash of issuer, account and provider's name."""
    text = f"{issuer}{provider.account}/{provider.name}"
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
