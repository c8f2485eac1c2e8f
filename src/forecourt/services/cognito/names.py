"""What a user may be called: usernames, aliases, letter case.

A pool is of one of three kinds, fixed when it is made:

- plain: people sign in by username;
- `AliasAttributes`: by username, or by a *verified* email, phone_number, or by preferred_username;
- `UsernameAttributes`: people sign up by email or phone number, which is theirs at once; the username is a UUID.

An alias belongs to one user of the pool at a time. Where the pool is case-insensitive (not AWS's default,
but its advice) names are compared lower-cased.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from forecourt.services.cognito.errors import InvalidParameterException

# Cognito's own checks are about as loose; local parts in quotes are not supported there either.
_EMAIL = re.compile(
    r"[^@\s\x00-\x1f<>\"(),;:\\\[\]]+@[^@\s\x00-\x1f<>\"(),;:\\\[\]]+\.[^@\s\x00-\x1f<>\"(),;:\\\[\].]+"
)
_PHONE = re.compile(r"\+[1-9]\d{4,14}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SIGN_UP_WORDING = {
    ("email",): "Username should be an email.",
    ("phone_number",): "Username should be a phone number.",
    ("email", "phone_number"): "Username should be either an email or a phone number.",
}


def is_email(text: str) -> bool:
    return len(text) <= 2048 and _EMAIL.fullmatch(text) is not None


def is_phone(text: str) -> bool:
    return _PHONE.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def case_sensitive(settings: Mapping[str, Any]) -> bool:
    """The API's default is yes; the console's is no."""
    return bool(settings.get("UsernameConfiguration", {}).get("CaseSensitive", True))


def fold(settings: Mapping[str, Any], name: str) -> str:
    return name if case_sensitive(settings) else name.lower()


def check_new_username(settings: Mapping[str, Any], username: str) -> str | None:
    """The attribute that the name is (`email`, `phone_number`) in a `UsernameAttributes` pool, else None.

    Raises `InvalidParameterException` where the pool's kind does not allow the name.
    """
    kinds: Sequence[str] = settings.get("UsernameAttributes", ())
    if kinds:
        if "email" in kinds and is_email(username):
            return "email"
        if "phone_number" in kinds and is_phone(username):
            return "phone_number"
        raise InvalidParameterException(_SIGN_UP_WORDING[tuple(sorted(kinds))])
    aliases: Sequence[str] = settings.get("AliasAttributes", ())
    if "email" in aliases and is_email(username):
        raise InvalidParameterException(
            "Username cannot be of email format, since user pool is configured for email alias."
        )
    if "phone_number" in aliases and is_phone(username):
        raise InvalidParameterException(
            "Username cannot be of phone number format, since user pool is configured for phone number alias."
        )
    return None


def check_preferred_username(settings: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Before his account is confirmed nobody takes a name by which others could sign in."""
    if given.get("preferred_username") and "preferred_username" in settings.get("AliasAttributes", ()):
        raise InvalidParameterException(
            "Preferred username cannot be provided for unconfirmed account, since user pool is configured for "
            "preferred username alias."
        )


def aliases_of(settings: Mapping[str, Any], attributes: Mapping[str, str], confirmed: bool) -> list[tuple[str, str]]:
    """The names beside the username that sign this user in, as (attribute, folded value)."""
    if kinds := settings.get("UsernameAttributes"):
        return [(kind, fold(settings, attributes[kind])) for kind in sorted(kinds) if attributes.get(kind)]
    return [
        (kind, fold(settings, attributes[kind]))
        for kind in sorted(settings.get("AliasAttributes", ()))
        if attributes.get(kind) and _alias_counts(kind, attributes, confirmed)
    ]


def _alias_counts(kind: str, attributes: Mapping[str, str], confirmed: bool) -> bool:
    """An address counts once verified, a preferred username once its user is confirmed."""
    return confirmed if kind == "preferred_username" else attributes.get(f"{kind}_verified") == "true"


def alias_kinds(settings: Mapping[str, Any], name: str) -> list[str]:
    """The kinds of alias that `name` could be, to be tried after the username itself."""
    kinds = [*settings.get("UsernameAttributes", ()), *settings.get("AliasAttributes", ())]
    fits = {"email": is_email(name), "phone_number": is_phone(name), "preferred_username": True}
    return [kind for kind in kinds if fits[kind]]
