"""Wildcards and policy variables: the texts of a policy, compiled so that matching one is a comparison.

`*` stands for any text and `?` for any one character. `${aws:username}` is replaced by the request's value for that
key, `${aws:PrincipalTag/team, 'none'}` by its default where the request has none; `${*}`, `${?}` and `${$}` are those
characters themselves. A variable without a value makes its pattern match nothing. What a variable brings is literal: a
user who is called `*` gains nothing by it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

# Context keys are lower-case here; a key with several values has a tuple.
Context = Mapping[str, str | tuple[str, ...]]
Match = Callable[[str, Context], bool]

_VARIABLE = re.compile(r"\$\{\s*([^},]*?)\s*(?:,\s*'([^']*)'\s*)?\}")
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "$"}
_SHIELD = str.maketrans({"*": "\ue000", "?": "\ue001"})
_UNSHIELD = str.maketrans({"\ue000": "*", "\ue001": "?"})


class Variable(NamedTuple):
    key: str
    default: str | None

    def value(self, context: Context) -> str | None:
        found = context.get(self.key)
        if isinstance(found, tuple):
            found = found[0] if len(found) == 1 else None
        return self.default if found is None else found


Token = str | Variable


def tokens(text: str, variables: bool) -> tuple[Token, ...]:
    """The literal and variable parts of a policy's text; `${*}` becomes a shielded star."""
    if not variables or "${" not in text:
        return (text,)
    parts: list[Token] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        parts.append(text[end : found.start()])
        key = found[1]
        parts.append(_LITERAL[key] if key in _LITERAL else Variable(key.lower(), found[2]))
        end = found.end()
    parts.append(text[end:])
    return _joined(parts)


def variable_names(texts: Iterable[str]) -> tuple[str, ...]:
    found = [match[1] for text in texts for match in _VARIABLE.finditer(text)]
    return tuple(dict.fromkeys(name for name in found if name not in _LITERAL))


def _joined(parts: list[Token]) -> tuple[Token, ...]:
    joined: list[Token] = []
    for part in parts:
        if part == "":
            continue
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined) or ("",)


def resolve(parts: tuple[Token, ...], context: Context) -> str | None:
    """The text with its variables' values, shielded; None where one has no value."""
    resolved = ""
    for part in parts:
        if isinstance(part, str):
            resolved += part
            continue
        value = part.value(context)
        if value is None:
            return None
        resolved += value.translate(_SHIELD)
    return resolved


def literal(parts: tuple[Token, ...], context: Context) -> str | None:
    """The text with its variables' values where wildcards mean nothing (`StringEquals`)."""
    resolved = resolve(parts, context)
    return None if resolved is None else resolved.translate(_UNSHIELD)


def wildcard(text: str, variables: bool, *, ignore_case: bool = False) -> Match:
    """Matches a whole value against a text with wildcards and variables."""
    return _compiled(tokens(text, variables), ignore_case)


def _compiled(parts: tuple[Token, ...], ignore_case: bool = False) -> Match:
    if len(parts) == 1 and isinstance(parts[0], str) and not set(parts[0]) & {"\ue000", "\ue001"}:
        test = _glob(parts[0].lower() if ignore_case else parts[0])
        if ignore_case:
            return lambda value, _: test(value.lower())
        return lambda value, _: test(value)

    def match(value: str, context: Context) -> bool:
        resolved = resolve(parts, context)
        return resolved is not None and _glob(resolved)(value.translate(_SHIELD))

    return match


@lru_cache(maxsize=4096)
def _glob(text: str) -> Callable[[str], bool]:
    if text == "*":
        return lambda value: True
    if "*" not in text and "?" not in text:
        return text.__eq__
    head = text[:-1]
    if text.endswith("*") and "*" not in head and "?" not in head:
        return lambda value: value.startswith(head)
    # Runs of stars mean what one star means, and cost a backtracking matcher dearly.
    pieces = [_questions(piece) for piece in re.split(r"\*+", text)]
    expression = re.compile(_atomic(pieces), re.DOTALL)
    return lambda value: expression.fullmatch(value) is not None


def _questions(piece: str) -> str:
    return ".".join(re.escape(part) for part in piece.split("?"))


def _atomic(pieces: list[str]) -> str:
    """Each middle piece at its first place, for good (`(?>…)`): linear, however many stars a policy has."""
    if len(pieces) == 1:
        return pieces[0]
    return pieces[0] + "".join(f"(?>.*?{piece})" for piece in pieces[1:-1]) + ".*" + pieces[-1]


def arn(text: str, variables: bool) -> Match:
    """Matches an ARN: each of the six parts by itself, missing parts being `*`, and `*` alone being anything."""
    parts = tokens(text, variables)
    if parts == ("*",):
        return lambda value, _: True
    segments = _segments(parts)
    if all(len(segment) == 1 and isinstance(segment[0], str) for segment in segments):
        fixed = ":".join(str(segment[0]) for segment in segments[:5]) + ":"
        if not set(fixed) & set("*?\ue000\ue001"):
            return _in_one_service(fixed, _compiled(segments[5]))
    matches = [_compiled(segment) for segment in segments]

    def match(value: str, context: Context) -> bool:
        given = value.split(":", 5)
        return len(given) == 6 and all(test(part, context) for test, part in zip(matches, given, strict=True))

    return match


def _in_one_service(fixed: str, resource: Match) -> Match:
    length = len(fixed)
    return lambda value, context: value.startswith(fixed) and resource(value[length:], context)


def _segments(parts: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """Split at the first five colons that are not a variable's own."""
    segments: list[list[Token]] = [[]]
    for part in parts:
        if not isinstance(part, str):
            segments[-1].append(part)
            continue
        pieces = part.split(":", 6 - len(segments))
        segments[-1].append(pieces[0])
        segments.extend([piece] for piece in pieces[1:])
    while len(segments) < 6:
        segments.append(["*"])
    return [_joined(segment) for segment in segments]
