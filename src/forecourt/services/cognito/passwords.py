"""The password policy, pure: what a password must have, whether it was used before, and making a temporary one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.ids import Ids
from forecourt.services.cognito.errors import InvalidPasswordException

# https://docs.aws.amazon.com/cognito/latest/developerguide/managing-users-passwords.html
SYMBOLS = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+-"
DEFAULT_POLICY: dict[str, Any] = {
    "MinimumLength": 8,
    "RequireUppercase": True,
    "RequireLowercase": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
    "TemporaryPasswordValidityDays": 7,
}
_RULES = (
    ("RequireUppercase", str.isupper, "Password must have uppercase characters"),
    ("RequireLowercase", str.islower, "Password must have lowercase characters"),
    ("RequireNumbers", str.isdigit, "Password must have numeric characters"),
    ("RequireSymbols", SYMBOLS.__contains__, "Password must have symbol characters"),
)


def check(policy: Mapping[str, Any], password: str) -> None:
    """Raises `InvalidPasswordException` with the first rule that the password breaks."""
    if len(password) < policy.get("MinimumLength", 8):
        raise InvalidPasswordException("Password did not conform with policy: Password not long enough")
    if password != password.strip() or len(password) > 256:
        raise InvalidPasswordException("Password did not conform with policy: Password must satisfy the pattern")
    for setting, has, complaint in _RULES:
        if policy.get(setting) and not any(has(character) for character in password):
            raise InvalidPasswordException(f"Password did not conform with policy: {complaint}")


def temporary(policy: Mapping[str, Any], ids: Ids) -> str:
    """A random password that satisfies every rule."""
    length = max(12, policy.get("MinimumLength", 8))
    kinds = ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!@#%&*?-+="]
    characters = [ids.choice(kind, 1) for kind in kinds] + [ids.choice("".join(kinds), 1) for _ in range(length - 4)]
    return "".join(sorted(characters, key=lambda _: ids.fraction()))
