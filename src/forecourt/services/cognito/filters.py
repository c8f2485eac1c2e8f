"""The filter of ListUsers: `email ^= "jo"`. One attribute, `=` or `^=`, a quoted value (`\\"` for a quote).

https://docs.aws.amazon.com/cognito/latest/developerguide/how-to-manage-user-accounts.html
Only the attributes that AWS indexes may be searched; custom attributes may not.
"""

from __future__ import annotations

import re

import msgspec

from forecourt.services.cognito.errors import InvalidParameterException

SEARCHABLE = frozenset(
    [
        "username",
        "email",
        "phone_number",
        "name",
        "given_name",
        "family_name",
        "preferred_username",
        "cognito:user_status",
        "status",
        "sub",
    ]
)
_FILTER = re.compile(r'\s*"?(?P<name>[\w:]+)"?\s*(?P<operator>\^?=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*')
_ESCAPE = re.compile(r"\\(.)")


class Filter(msgspec.Struct, frozen=True):
    name: str
    value: str
    prefix: bool

    def matches(self, value: str | None) -> bool:
        if value is None:
            return False
        return value.startswith(self.value) if self.prefix else value == self.value


def parse(text: str) -> Filter:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise InvalidParameterException(f"Error while parsing filter: {text}")
    name = match["name"]
    if name not in SEARCHABLE:
        raise InvalidParameterException(f"Invalid search attribute: {name}")
    if name == "status" and match["value"] not in ("Enabled", "Disabled"):
        raise InvalidParameterException("Invalid value for attribute status. Allowed values: [Enabled, Disabled]")
    return Filter(name, _ESCAPE.sub(r"\1", match["value"]), match["operator"] == "^=")
