"""What policies and refusals say of a caller: condition keys, a session's own policies, AWS's words. Pure."""

from __future__ import annotations

from typing import Any

from forecourt.auth.policy import Decision, Effect, Policy, compile_policy
from forecourt.auth.policy.evaluate import RESOURCE
from forecourt.auth.supplies import UNMAPPED
from forecourt.base.principal import Principal

_PRINCIPAL_TYPES = {
    "root": "Account",
    "user": "User",
    "assumed-role": "AssumedRole",
    "federated-user": "FederatedUser",
    "anonymous": "Anonymous",
}


def principal_keys(principal: Principal) -> dict[str, Any]:
    """The condition keys that say who is calling."""
    if principal.kind == "service":
        return {
            "aws:PrincipalServiceName": principal.name,
            "aws:PrincipalIsAWSService": "true",
            "aws:PrincipalType": "Service",
        }
    found: dict[str, Any] = {
        "aws:PrincipalType": _PRINCIPAL_TYPES[principal.kind],
        "aws:PrincipalIsAWSService": "false",
    }
    if principal.kind != "anonymous":
        found["aws:PrincipalArn"] = principal.role_arn or principal.arn
        found["aws:PrincipalAccount"] = principal.account
        found["aws:userid"] = principal.user_id
    if principal.kind == "user":
        found["aws:username"] = principal.name
    return found | dict(principal.context)


def session_policies(principal: Principal) -> list[Policy] | None:
    if not principal.session_policies:
        return None
    return [compile_policy(document, "identity") for document in principal.session_policies]


def denial(principal: Principal, action: str, resource: str, decision: Decision) -> str:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"""
    who = principal.arn or principal.name or "anonymous"
    if action == UNMAPPED:
        hint = "You are not authorized to perform this operation. " if resource.startswith("ec2:") else ""
        return (
            f"{hint}User: {who} is not authorized to perform: {resource} because Forecourt does not know what it needs"
        )
    if action.startswith("s3:"):
        # S3 puts the ARN in quotes, and tells a stranger no reason.
        if decision.layer == RESOURCE and decision.effect is Effect.IMPLICIT_DENY:
            return "Access Denied"
        resource = f'"{resource}"' if resource else ""
    on = f" on resource: {resource}" if resource else ""
    return f"User: {who} is not authorized to perform: {action}{on} {decision.because(action)}"
