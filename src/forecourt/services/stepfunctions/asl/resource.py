"""`Resource` of a Task: a function's ARN, an activity's ARN, or `arn:aws:states:::service:action[.pattern]`."""

from __future__ import annotations

import re

from forecourt.services.stepfunctions.asl.errors import DefinitionError
from forecourt.services.stepfunctions.asl.machine import Pattern, Resource

_INTEGRATION = re.compile(
    r"arn:[^:]*:states:[^:]*:[^:]*:(?P<service>aws-sdk:[a-z0-9]+|[a-z0-9-]+):(?P<action>[A-Za-z0-9]+)"
    r"(?:\.(?P<pattern>sync:2|sync|waitForTaskToken))?"
)
_ACTIVITY = re.compile(r"arn:[^:]*:states:[^:]*:[^:]*:activity:[^:]+")
_FUNCTION = re.compile(r"arn:[^:]*:lambda:[^:]*:[^:]*:function:.+")


def parse_resource(arn: str) -> Resource:
    """Raises `DefinitionError` where `arn` names nothing that a Task can use."""
    if _ACTIVITY.fullmatch(arn):
        return Resource(arn, "activity")
    if _FUNCTION.fullmatch(arn):
        return Resource(arn, "lambda", "lambda")
    if match := _INTEGRATION.fullmatch(arn):
        pattern: Pattern = match["pattern"] or "request"  # type: ignore[assignment]
        return Resource(arn, "service", match["service"], match["action"], pattern)
    raise DefinitionError("not a resource")
