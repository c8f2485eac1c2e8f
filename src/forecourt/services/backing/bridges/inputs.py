"""What a rule's target gets of an event: all of it, a part, or what its template makes of it. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from forecourt.services.backing.bridges.notes import as_json

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_PLACEHOLDER = re.compile(r"<([\w.\-]+)>")


def target_input(rule: Any, target: Mapping[str, Any], event: dict[str, Any]) -> str:
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return as_json(at_path(target["InputPath"], event))
    transformer = target.get("InputTransformer")
    return as_json(event) if not transformer else transformed(rule, transformer, event)


def at_path(path: str, event: Any) -> Any:
    """`$.detail.pets[0].name`; None where there is nothing. EventBridge has no other operators."""
    for name, index in _STEP.findall(path):
        try:
            event = event[int(index)] if index else event[name]
        except (KeyError, IndexError, TypeError):
            return None
    return event


def transformed(rule: Any, transformer: Mapping[str, Any], event: dict[str, Any]) -> str:
    template: str = transformer["InputTemplate"]
    values = {name: at_path(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
    }

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            return match[0]
        value = values[match[1]]
        quoted = template[: match.start()].replace('\\"', "").count('"') % 2 == 1
        if not quoted:
            return as_json(value)
        return as_json(value if isinstance(value, str) else as_json(value))[1:-1]

    return _PLACEHOLDER.sub(fill, template)
