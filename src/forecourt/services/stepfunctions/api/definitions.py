"""Definitions as operations take them: valid, or refused with all that is wrong."""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl.diagnostics import Diagnostic, invalid_definition_message
from forecourt.services.stepfunctions.asl.machine import Machine
from forecourt.services.stepfunctions.asl.validate import load
from forecourt.services.stepfunctions.errors import InvalidDefinition
from forecourt.services.stepfunctions.integrations.catalog import is_known

_MOST_DIAGNOSTICS = 100


def require_valid(definition: str, type_: str) -> Machine:
    """Raises `InvalidDefinition`."""
    machine, found = load(definition, type_ == "EXPRESS", is_known)
    if machine is None:
        raise InvalidDefinition(invalid_definition_message([one for one in found if one.severity == "ERROR"]))
    return machine


def validation_result(definition: str, type_: str, severity: str, most: int) -> dict[str, Any]:
    """As ValidateStateMachineDefinition answers."""
    _, found = load(definition, type_ == "EXPRESS", is_known)
    shown = [one for one in found if severity == "WARNING" or one.severity == "ERROR"]
    most = most or _MOST_DIAGNOSTICS
    return {
        "result": "FAIL" if any(one.severity == "ERROR" for one in found) else "OK",
        "diagnostics": [_shown(one) for one in shown[:most]],
        "truncated": len(shown) > most,
    }


def _shown(found: Diagnostic) -> dict[str, str]:
    shown = {"severity": found.severity, "code": found.code, "message": found.message}
    return {**shown, "location": found.location} if found.location is not None else shown
