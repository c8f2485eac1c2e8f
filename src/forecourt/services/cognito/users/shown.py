"""How a user is shown: AWS's UserType, AdminGetUser's and GetUser's answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from forecourt.services.cognito import schema
from forecourt.services.cognito.model import Pool, User


def shown_user(user: User, attributes: Iterable[str] | None = None) -> dict[str, Any]:
    """UserType, with all attributes or the listed ones."""
    everything = user.all_attributes()
    wanted = everything if attributes is None else {n: everything[n] for n in attributes if n in everything}
    return {
        "Username": user.username,
        "Attributes": schema.as_list(wanted),
        "UserCreateDate": user.created_at,
        "UserLastModifiedDate": user.modified_at,
        "Enabled": user.enabled,
        "UserStatus": user.status,
        **({"MFAOptions": user.mfa_options} if user.mfa_options else {}),
    }


def admin_view(pool: Pool, user: User) -> dict[str, Any]:
    shown = shown_user(user)
    attributes = shown.pop("Attributes")
    return {**shown, "UserAttributes": attributes, **mfa_view(user)}


def own_view(user: User, readable: frozenset[str]) -> dict[str, Any]:
    visible = {name: value for name, value in user.all_attributes().items() if name in readable or name == "sub"}
    return {
        "Username": user.username,
        "UserAttributes": schema.as_list(visible),
        **({"MFAOptions": user.mfa_options} if user.mfa_options else {}),
        **mfa_view(user),
    }


def mfa_view(user: User) -> dict[str, Any]:
    return {
        **({"PreferredMfaSetting": user.mfa.preferred} if user.mfa.preferred else {}),
        **({"UserMFASettingList": user.mfa.enabled} if user.mfa.enabled else {}),
    }
