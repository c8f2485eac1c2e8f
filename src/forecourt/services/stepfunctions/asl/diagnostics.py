"""What ValidateStateMachineDefinition answers: findings with a code, a severity, a message and a place.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["ERROR", "WARNING"]

SCHEMA = "SCHEMA_VALIDATION_FAILED"
BAD_JSON = "INVALID_JSON_DESCRIPTION"
MISSING_TARGET = "MISSING_TRANSITION_TARGET"
MISSING_END = "MISSING_END_STATE"
DUPLICATE = "DUPLICATE_STATE_NAME"
BAD_STATE_NAME = "INVALID_STATE_NAME"
BAD_LABEL = "INVALID_LABEL_NAME"
DUPLICATE_LABEL = "DUPLICATE_LABEL_NAME"
TOO_DEEP = "TOO_DEEPLY_NESTED"
BAD_JSONATA = "INVALID_JSONATA_EXPRESSION"
UNSUPPORTED_JSONATA = "UNSUPPORTED_JSONATA_EXPRESSION"
# Warnings
NO_DOLLAR = "NO_DOLLAR"
NO_PATH = "NO_PATH"
STATIC_RESULT = "PASS_RESULT_IS_STATIC"


class Diagnostic(NamedTuple):
    code: str
    message: str
    location: str | None
    severity: Severity = "ERROR"

    def as_reason(self) -> str:
        """As it stands in the message of `InvalidDefinition`."""
        return f"{self.code}: {self.message} at {'null' if self.location is None else self.location}"


def invalid_definition_message(errors: list[Diagnostic]) -> str:
    return f"Invalid State Machine Definition: '{', '.join(error.as_reason() for error in errors)}'"
