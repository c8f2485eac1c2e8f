"""Stack policies: which resources an update may change. Without one, all; with one, those that it allows.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def denied(policy: str | None, action: str, logical_id: str, type_name: str) -> str | None:
    """Why `action` (`Update:Modify`, `Update:Replace`, `Update:Delete`) is not allowed, or None where it is."""
    if policy is None:
        return None
    statements = json.loads(policy).get("Statement") or []
    numbered = list(enumerate(statements if isinstance(statements, list) else [statements], 1))
    fitting = [(n, one) for n, one in numbered if _fits(one, action, logical_id, type_name)]
    for number, statement in fitting:
        if statement.get("Effect") == "Deny":
            return (
                f"Action denied by stack policy: Statement [#{number}] does not allow [{action}] for resource "
                f"[{logical_id}]"
            )
    if any(statement.get("Effect") == "Allow" for _, statement in fitting):
        return None
    return f"Action not allowed by stack policy: no statement allows [{action}] for resource [{logical_id}]"


def _fits(statement: Mapping[str, Any], action: str, logical_id: str, type_name: str) -> bool:
    return (
        _named(statement, "Action", action)
        and _named(statement, "Resource", f"LogicalResourceId/{logical_id}")
        and _conditions_hold(statement.get("Condition") or {}, type_name)
    )


def _named(statement: Mapping[str, Any], member: str, value: str) -> bool:
    """By `Action`, or all but those of `NotAction`."""
    if member in statement:
        return _any_like(statement[member], value)
    return f"Not{member}" in statement and not _any_like(statement[f"Not{member}"], value)


def _conditions_hold(conditions: Mapping[str, Any], type_name: str) -> bool:
    """There is one key, `ResourceType`, and two operators."""
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            like = _any_like(values, type_name) if operator == "StringLike" else type_name in values
            if key != "ResourceType" or not like:
                return False
    return True


def _any_like(patterns: Any, value: str) -> bool:
    return any(_like(pattern, value) for pattern in (patterns if isinstance(patterns, list) else [patterns]))


def _like(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), value, re.DOTALL) is not None
