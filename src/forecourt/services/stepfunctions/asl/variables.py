"""Which variables a state refers to, as DescribeStateMachine shows them (`variableReferences`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from forecourt.services.stepfunctions.asl.graph import nested_scopes
from forecourt.services.stepfunctions.asl.jsonata import is_expression

Raw = dict[str, Any]

_NAME = re.compile(r"(?<![\w$.])\$([A-Za-z_]\w*)(?!\w*\s*\()")
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
_SCOPES = ("Branches", "ItemProcessor", "Iterator")
# Fields of JSONPath states whose value is a path although their name does not end in `.$`.
_PATHS = re.compile(r"(Path|^Variable)$")


def variable_references(definition: Raw) -> dict[str, list[str]]:
    """By state, in all scopes; states without references are left out."""
    jsonata = definition.get("QueryLanguage") == "JSONata"
    found: dict[str, list[str]] = {}
    pending = [definition]
    while pending:
        for name, state in pending.pop().get("States", {}).items():
            own = state.get("QueryLanguage", "JSONata" if jsonata else "JSONPath") == "JSONata"
            names = sorted(set(_names({k: v for k, v in state.items() if k not in _SCOPES}, own)))
            if names:
                found[name] = names
            pending += [scope for scope, _ in nested_scopes(state)]
    return found


def _names(raw: Any, jsonata: bool, key: str = "") -> Iterator[str]:
    if isinstance(raw, dict):
        for name, value in raw.items():
            yield from _names(value, jsonata, name)
    elif isinstance(raw, list):
        for item in raw:
            yield from _names(item, jsonata)
    elif isinstance(raw, str) and (is_expression(raw) if jsonata else key.endswith(".$") or _PATHS.search(key)):
        for name in _NAME.findall(_LITERAL.sub("''", raw)):
            # What an expression binds itself (`$x := 1`, `function($x)`) is told from a variable by its first use
            if name != "states" and not (jsonata and _binds(raw, name)):
                yield name


def _binds(text: str, name: str) -> bool:
    return re.search(rf"\${name}\s*:=|function\s*\([^)]*\${name}\b", text) is not None
