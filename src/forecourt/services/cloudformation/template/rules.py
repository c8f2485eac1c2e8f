"""Rules: what a template asserts of its parameters, once, before anything is made.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template.evaluate import Scope, evaluate, holds


def broken(rules: Mapping[str, Any], scope: Scope) -> str | None:
    """What the first assertion that does not hold says."""
    for name, rule in rules.items():
        if "RuleCondition" in rule and not _holds(rule["RuleCondition"], scope):
            continue
        for assertion in rule.get("Assertions", ()):
            if not _holds(assertion.get("Assert"), scope):
                said = assertion.get("AssertDescription") or f"Rule {name} is not satisfied"
                return f"Template error: {said}"
    return None


def _holds(value: Any, scope: Scope) -> bool:
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
        if name in _COMBINED:
            return _COMBINED[name](_holds(part, scope) for part in argument)
        if name == "Fn::Not":
            return not _holds(argument[0], scope)
        if name in _SETS:
            if not isinstance(argument, list) or len(argument) != 2:
                raise ValidationError(f"Template error: every {name} object requires two lists")
            first, second = [evaluate(part, scope) for part in argument]
            return _SETS[name](first, second)
    return holds(value, scope)


_COMBINED: dict[str, Callable[[Any], bool]] = {"Fn::And": all, "Fn::Or": any}
_SETS: dict[str, Callable[[Any, Any], bool]] = {
    "Fn::Contains": lambda items, value: value in items,
    "Fn::EachMemberEquals": lambda items, value: all(item == value for item in items),
    "Fn::EachMemberIn": lambda items, allowed: all(item in allowed for item in items),
}
