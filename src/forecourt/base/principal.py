"""Who is calling.

Named by `auth` (a signature, a session token, a service acting by itself), judged by the policy engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

DEFAULT_ACCOUNT = "000000000000"

PrincipalKind = Literal["root", "user", "assumed-role", "federated-user", "service", "anonymous"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """`arn` and `user_id` are what GetCallerIdentity and `aws:PrincipalArn`/`aws:userid` show."""

    kind: PrincipalKind
    account: str
    arn: str
    user_id: str
    access_key_id: str = ""
    # user: the user's name; assumed-role: the session's name; service: its principal (`apigateway.amazonaws.com`)
    name: str = ""
    # assumed-role only: the role behind the session
    role_arn: str = ""
    # condition keys that the session brought along: `aws:PrincipalTag/x`, `cognito-identity.amazonaws.com:sub`, ...
    context: Mapping[str, str | tuple[str, ...]] = {}
    # JSON policy documents that narrow the session
    session_policies: tuple[str, ...] = ()
    # epoch seconds; None for long-lived credentials
    expires_at: float | None = None


def root(account: str = DEFAULT_ACCOUNT, access_key_id: str = "") -> Principal:
    return Principal(
        kind="root", account=account, arn=f"arn:aws:iam::{account}:root", user_id=account, access_key_id=access_key_id
    )


def service(name: str, account: str) -> Principal:
    """An AWS service acting by itself on a resource of `account`, e.g. `apigateway.amazonaws.com`."""
    return Principal(kind="service", account=account, arn="", user_id=name, name=name)


ANONYMOUS = Principal(kind="anonymous", account=DEFAULT_ACCOUNT, arn="", user_id="")
