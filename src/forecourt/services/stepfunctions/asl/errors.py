"""Failures of evaluation with the names that the States Language predefines.

A `StatesError` carries the error's name and its cause without the preamble ("An error occurred while executing the
state ..."), which only the engine can say. `States.Runtime` always fails the execution: no Catch sees it.
"""

from __future__ import annotations

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
RUNTIME = "States.Runtime"
BRANCH_FAILED = "States.BranchFailed"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
PERMISSIONS = "States.Permissions"
EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
ITEM_READER_FAILED = "States.ItemReaderFailed"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"


class StatesError(Exception):
    """An error of the language; `location` names the field for `EvaluationFailed` (JSONata only)."""

    def __init__(self, error: str, cause: str, location: str = "") -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause
        self.location = location


class DefinitionError(ValueError):
    """A path, function or expression of a definition that does not parse."""
