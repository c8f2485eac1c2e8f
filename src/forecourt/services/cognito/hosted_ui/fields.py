"""Which fields a page asks for, and how a browser is to fill them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.services.cognito.model import Pool

# Attribute -> type of the input, and autofill token (HTML, 4.10.18.7).
_INPUTS = {
    "email": ("email", "email"),
    "phone_number": ("tel", "tel"),
    "birthdate": ("date", "bday"),
    "website": ("url", "url"),
    "name": ("text", "name"),
    "given_name": ("text", "given-name"),
    "family_name": ("text", "family-name"),
    "middle_name": ("text", "additional-name"),
    "nickname": ("text", "nickname"),
    "address": ("text", "street-address"),
    "username": ("text", "username"),
}


_RULES = ("RequireUppercase", "RequireLowercase", "RequireNumbers", "RequireSymbols")


class Field(msgspec.Struct, frozen=True):
    name: str
    label: str
    type: str
    autocomplete: str
    required: bool = True


def field(attribute: str, texts: Mapping[str, str], *, required: bool = True) -> Field:
    kind, autocomplete = _INPUTS.get(attribute, ("text", "off"))
    bare = attribute.removeprefix("custom:")
    label = texts.get(attribute) or bare.replace("_", " ").capitalize()
    return Field(attribute, label, kind, autocomplete, required)


def sign_up_fields(pool: Pool, texts: Mapping[str, str]) -> list[Field]:
    """The name to sign in by, what the pool verifies, and every required attribute."""
    kinds = list(pool.settings.get("UsernameAttributes", ()))
    names = kinds[:1] if kinds else ["username"]
    names += [name for name in pool.settings.get("AutoVerifiedAttributes", ()) if name not in names]
    required = [a["Name"] for a in pool.schema if a["Required"] and a["Name"] != "sub"]
    names += [name for name in required if name not in names]
    return [field(name, texts) for name in names]


def login_label(pool: Pool, texts: Mapping[str, str]) -> str:
    kinds = sorted(pool.settings.get("UsernameAttributes", ()))
    if len(kinds) == 2:
        return texts["email_or_phone"]
    return texts[kinds[0]] if kinds else texts["username"]


def rules(policy: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """What a password needs: `At least 8 characters, a digit, a symbol`."""
    length = texts["rule_length"].format(n=policy.get("MinimumLength", 8))
    return ", ".join([length, *(texts[rule] for rule in _RULES if policy.get(rule))])
