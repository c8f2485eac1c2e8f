"""The two ways in which data flows through a state.

JSONPath: InputPath -> Parameters -> (work) -> ResultSelector -> ResultPath -> OutputPath.
JSONata: Arguments -> (work) -> Output.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html
"""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.jsonata import compile_jsonata, is_expression
from forecourt.services.stepfunctions.asl.jsonpath import Path, assign_path, compile_path
from forecourt.services.stepfunctions.asl.machine import Value
from forecourt.services.stepfunctions.asl.reference import Reference, compile_reference
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.asl.template import compile_template

_WHOLE = "$"


def _optional_reference(raw: dict[str, Any], field: str) -> Reference | None:
    """None stands for the whole (`$`, which is also the default). `null` is told apart by the caller."""
    text = raw.get(field, _WHOLE)
    return None if text == _WHOLE or text is None else compile_reference(text)


class JsonPathFlow:
    __slots__ = (
        "_discards_input",
        "_discards_output",
        "_discards_result",
        "_input_path",
        "_output_path",
        "_parameters",
        "_result_path",
        "_result_selector",
    )

    def __init__(self, raw: dict[str, Any]) -> None:
        self._input_path = _optional_reference(raw, "InputPath")
        self._discards_input = "InputPath" in raw and raw["InputPath"] is None
        self._parameters = compile_template(raw["Parameters"]) if "Parameters" in raw else None
        self._result_selector = compile_template(raw["ResultSelector"]) if "ResultSelector" in raw else None
        self._result_path = _result_path(raw)
        self._discards_result = "ResultPath" in raw and raw["ResultPath"] is None
        self._output_path = _optional_reference(raw, "OutputPath")
        self._discards_output = "OutputPath" in raw and raw["OutputPath"] is None

    def effective_input(self, scope: Scope) -> Any:
        if self._discards_input:
            return {}
        return scope.input if self._input_path is None else self._input_path.require(scope, scope.input)

    def arguments(self, scope: Scope, effective: Any) -> Any:
        return effective if self._parameters is None else self._parameters.build(scope, effective)

    def result(self, scope: Scope, raw: Any) -> Any:
        return raw if self._result_selector is None else self._result_selector.build(scope, raw)

    def output(self, scope: Scope, result: Any) -> Any:
        return self.pass_through(scope, self.combined(scope, result))

    def combined(self, scope: Scope, result: Any) -> Any:
        """What ResultPath makes of input and result."""
        if self._discards_result:
            return scope.input
        return result if self._result_path is None else place_result(scope.input, self._result_path, result)

    def pass_through(self, scope: Scope, effective: Any) -> Any:
        if self._discards_output:
            return {}
        return effective if self._output_path is None else self._output_path.require(scope, effective)


def _result_path(raw: dict[str, Any]) -> Path | None:
    text = raw.get("ResultPath")
    return None if text is None or text == _WHOLE else compile_path(text)


def place_result(input: Any, path: Path, result: Any) -> Any:
    try:
        return assign_path(input, path, result)
    except LookupError as error:
        raise StatesError(
            errors.RESULT_PATH_MATCH_FAILURE,
            f"Unable to apply ReferencePath '{path.text}' to the input {to_text(input)}",
        ) from error


class JsonataFlow:
    __slots__ = ("_arguments", "_output")

    def __init__(self, raw: dict[str, Any]) -> None:
        self._arguments = compile_jsonata(raw["Arguments"], "Arguments") if "Arguments" in raw else None
        self._output = compile_jsonata(raw["Output"], "Output") if "Output" in raw else None

    def effective_input(self, scope: Scope) -> Any:
        return scope.input

    def arguments(self, scope: Scope, effective: Any) -> Any:
        return scope.input if self._arguments is None else self._arguments(scope)

    def result(self, scope: Scope, raw: Any) -> Any:
        return raw

    def output(self, scope: Scope, result: Any) -> Any:
        return result if self._output is None else self._output(scope)

    def pass_through(self, scope: Scope, effective: Any) -> Any:
        return scope.input if self._output is None else self._output(scope)


def compile_flow(raw: dict[str, Any], jsonata: bool) -> JsonPathFlow | JsonataFlow:
    return JsonataFlow(raw) if jsonata else JsonPathFlow(raw)


# What a field's expression must give, by the field's last part.
_EXPECTED = {
    "Cause": "string",
    "Condition": "boolean",
    "Error": "string",
    "HeartbeatSeconds": "number",
    "Items": "array",
    "MaxConcurrency": "number",
    "RoleArn": "string",
    "Seconds": "number",
    "TimeoutSeconds": "number",
    "Timestamp": "string",
    "ToleratedFailureCount": "number",
    "ToleratedFailurePercentage": "number",
}


def jsonata_value(raw: Any, field: str, other: str = "") -> Value:
    """A field of a JSONata state; where it is an expression, its result's kind is checked (`other` is good as well)."""
    build = compile_jsonata(raw, field)
    expected = _EXPECTED.get(field.rsplit("/", 1)[-1])
    if expected is None or not is_expression(raw):
        return lambda scope, input: build(scope)
    text = raw[2:-2].strip()

    def checked(scope: Scope, input: Any) -> Any:
        value = build(scope)
        if (kind := json_kind(value)) not in (expected, other):
            raise StatesError(
                errors.QUERY_EVALUATION_ERROR,
                f"The JSONata expression '{text}' specified for the field '{field}' returned an unexpected result "
                f"type. Expected '{expected}', but was '{kind}' for value: {to_text(value)}",
                field,
            )
        return value

    return checked


def json_kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def template_value(raw: Any) -> Value:
    return compile_template(raw).build
