"""Values that a botocore shape allows, from a seeded random: the same in every run.

Free text carries what breaks naive codecs: quotes, slashes, markup, and letters beyond ASCII.
"""

from __future__ import annotations

import json
import random
import re
import re._parser as regex_parser  # type: ignore[import-not-found]
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from forecourt.wire.patterns import matcher

_FREE_TEXT = (
    "plain",
    "a b",
    "ü/é?&=+%20",
    '<tag a="b">&amp;</tag>',
    'it\'s {"json": [1]}',
    "日本",
    "a,b;c:d",
    "#x y.z",
)
_HEADER_TEXT = ("plain", "a-b_c", "text/plain; q=1", "a.b/c")
_MAX_DEPTH = 4
_NESTED = ("structure", "list", "map")


class Unsatisfiable(Exception):
    """A pattern of the model that no value matches, or none that this generator finds."""


class Generator:
    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def value(self, shape: Any, depth: int = 0) -> Any:
        return getattr(self, f"_{shape.type_name}", self._text)(shape, depth)

    def _structure(self, shape: Any, depth: int) -> dict[str, Any]:
        if getattr(shape, "is_document_type", False):
            return {"any": ["document", 1, {"deep": True}]}
        members = dict(shape.members)
        if getattr(shape, "is_tagged_union", False):
            name = self.random.choice(sorted(members))
            members = {name: members[name]}
        return {
            name: self.value(member, depth + 1)
            for name, member in members.items()
            if name in shape.required_members or depth < _MAX_DEPTH or member.type_name not in _NESTED
        }

    def required(self, shape: Any) -> dict[str, Any]:
        return {name: self.value(shape.members[name], 1) for name in shape.required_members}

    def _count(self, shape: Any) -> int:
        low, high = shape.metadata.get("min", 1), shape.metadata.get("max", 2)
        return max(low, min(high, self.random.choice((1, 2))))

    def _list(self, shape: Any, depth: int) -> list[Any]:
        return [self.value(shape.member, depth + 1) for _ in range(self._count(shape))]

    def _map(self, shape: Any, depth: int) -> dict[str, Any]:
        if shape.serialization.get("location") == "headers":
            return {"colour": "plain", "size-x": "a b"}
        keys = {self.value(shape.key, depth + 1) for _ in range(self._count(shape))}
        return {key: self.value(shape.value, depth + 1) for key in sorted(keys)}

    def _text(self, shape: Any, depth: int) -> str:
        if shape.enum:
            return self.random.choice(shape.enum)
        if shape.name == "policyDocumentType":
            return quote(json.dumps({"Version": "2012-10-17", "Statement": []}))
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
        if "pattern" in shape.metadata:
            return self._matching(shape.metadata["pattern"], low, high)
        choices = _HEADER_TEXT if shape.serialization.get("location") in ("header", "headers") else _FREE_TEXT
        text = self.random.choice(choices)
        return (text * (low // len(text) + 1) if len(text) < low else text)[: max(int(high), 0)]

    def _matching(self, pattern: str, low: int, high: int) -> str:
        matches = matcher(pattern)
        if matches is None:
            raise Unsatisfiable(pattern)
        plain = re.sub(r"\\[pP]\{\w+\}", "a-z", pattern) if "[" in pattern else pattern.replace(r"\p{ASCII}", "[a-z]")
        parsed = regex_parser.parse(plain.replace(r"[\w-_]", r"[\w\-_]"))
        for attempt in range(400):
            repeat = (1 + attempt % 40, int(low) + attempt // 40)[attempt % 2]
            text = "".join(self._regex(parsed, repeat, attempt % 6 == 0))
            if low <= len(text) <= high and matches(text):
                return text
        raise Unsatisfiable(f"nothing found for {pattern!r} of {low} to {high} characters")

    def _regex(self, nodes: Any, repeat: int, short: bool) -> list[str]:
        out: list[str] = []
        for kind, argument in nodes:
            name = str(kind)
            if name == "LITERAL":
                out.append(chr(argument))
            elif name == "NOT_LITERAL":
                out.append("a" if argument != ord("a") else "b")
            elif name == "ANY":
                out.append("a")
            elif name == "IN":
                out.append(self._one_of(argument))
            elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                low, high, inner = argument
                count = low if short else min(high, max(low, repeat))
                for _ in range(count):
                    out += self._regex(inner, min(repeat, 2), short)
            elif name == "SUBPATTERN":
                out += self._regex(argument[3], repeat, short)
            elif name == "BRANCH":
                out += self._regex(self.random.choice(argument[1]), repeat, short)
        return out

    def _one_of(self, items: Any) -> str:
        negated = str(items[0][0]) == "NEGATE"
        if negated:
            return self.random.choice("abcXYZ019")
        kind, argument = self.random.choice(items)
        if str(kind) == "RANGE":
            return chr(self.random.randint(argument[0], min(argument[1], max(argument[0], 0x17E))))
        if str(kind) == "CATEGORY":
            return {"CATEGORY_DIGIT": "7", "CATEGORY_SPACE": " "}.get(str(argument), "x")
        return chr(argument)

    def _integer(self, shape: Any, depth: int) -> int:
        low, high = int(shape.metadata.get("min", -5)), int(shape.metadata.get("max", 1 << 30))
        return self.random.randint(low, max(low, min(high, low + 1000)))

    _long = _integer

    def _double(self, shape: Any, depth: int) -> float:
        low, high = shape.metadata.get("min", -5), shape.metadata.get("max", 100)
        return self.random.choice((float(low), float(high), (low + high) / 2))

    _float = _double

    def _boolean(self, shape: Any, depth: int) -> bool:
        return self.random.choice((True, False))

    def _blob(self, shape: Any, depth: int) -> bytes:
        return bytes(range(256))[: int(shape.metadata.get("max", 256))]

    def _timestamp(self, shape: Any, depth: int) -> datetime:
        return datetime.fromtimestamp(1_700_000_000 + self.random.randint(0, 10**8), UTC)
