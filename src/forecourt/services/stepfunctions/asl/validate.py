"""What is wrong with a definition, in AWS's words.

First the JSON, then the schema (fields, kinds, expressions), then the graph: each part is only looked at when the one
before is sound, so that a later check may rely on an earlier one. The wordings are AWS's where they are known from its
answers; the tables of `fields.py` say what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from forecourt.services.stepfunctions.asl import choice, fields
from forecourt.services.stepfunctions.asl import errors as names
from forecourt.services.stepfunctions.asl.checks import (
    CHECKS,
    EXPRESSIBLE,
    expression_faults,
    looks_like_path,
    suspicious_members,
    template_faults,
)
from forecourt.services.stepfunctions.asl.compile import compile_machine
from forecourt.services.stepfunctions.asl.diagnostics import (
    BAD_JSON,
    BAD_LABEL,
    BAD_STATE_NAME,
    DUPLICATE_LABEL,
    NO_DOLLAR,
    NO_PATH,
    SCHEMA,
    STATIC_RESULT,
    TOO_DEEP,
    Diagnostic,
    Severity,
)
from forecourt.services.stepfunctions.asl.errors import DefinitionError
from forecourt.services.stepfunctions.asl.graph import check_graph
from forecourt.services.stepfunctions.asl.json_text import BadJson, parse_json
from forecourt.services.stepfunctions.asl.jsonata import is_expression
from forecourt.services.stepfunctions.asl.machine import Machine, Resource
from forecourt.services.stepfunctions.asl.resource import parse_resource

Raw = dict[str, Any]
_LONGEST_NAME = 80
_LONGEST_LABEL = 40
_NOT_IN_LABELS = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]")
_MOST_NESTING = 40


Knows = Callable[[Resource], bool]


def load(
    definition: str, express: bool = False, knows: Knows = lambda resource: True
) -> tuple[Machine | None, list[Diagnostic]]:
    """The machine (None where it has errors) and everything found, warnings included.

    `knows` tells which integrations there are.
    """
    try:
        return _load(definition, express, knows)
    except RecursionError:
        return None, [Diagnostic(TOO_DEEP, "The definition is nested too deeply", "/")]


def compile_text(definition: str) -> Machine:
    """The machine of a definition that was found valid before."""
    return compile_machine(parse_json(definition))


def _load(definition: str, express: bool, knows: Knows) -> tuple[Machine | None, list[Diagnostic]]:
    if not definition.strip():
        return None, [Diagnostic(SCHEMA, "Definition must be a valid JSON object", None)]
    try:
        raw = parse_json(definition)
    except BadJson as error:
        return None, [_json_diagnostic(definition, error)]
    if not isinstance(raw, dict):
        return None, [Diagnostic(SCHEMA, "Definition must be a valid JSON object", None)]
    found = _validate(raw, express, knows)
    if any(one.severity == "ERROR" for one in found):
        return None, found
    try:
        return compile_machine(raw), found
    except (DefinitionError, KeyError, TypeError) as error:
        return None, [*found, Diagnostic(SCHEMA, str(error), "/")]


def _json_diagnostic(definition: str, error: BadJson) -> Diagnostic:
    fault = error.fault
    excerpt = definition if len(definition) <= 500 else definition[:500] + "[truncated]"
    source = f'[Source: (String)"{excerpt}"; line: {fault.line}, column: {fault.column}]'
    return Diagnostic(BAD_JSON, f"{fault.message}\n at {source}", source)


def _validate(raw: Raw, express: bool, knows: Knows) -> list[Diagnostic]:
    validator = _Validator(raw, express, knows)
    validator.machine()
    if any(one.severity == "ERROR" for one in validator.found):
        return validator.found
    return [*validator.found, *check_graph(raw, "", {})]


class _Validator:
    def __init__(self, raw: Raw, express: bool, knows: Knows) -> None:
        self.raw = raw
        self.express = express
        self.knows = knows
        self.jsonata = raw.get("QueryLanguage") == "JSONata"
        self.depth = 0
        self.labels: set[str] = set()
        self.found: list[Diagnostic] = []

    def report(self, message: str, location: str, severity: Severity = "ERROR", code: str = SCHEMA) -> None:
        self.found.append(Diagnostic(code, message, location or "/", severity))

    # --- objects in general -------------------------------------------------------------------------------------------

    def require(self, raw: Raw, fields_: Iterable[str], location: str) -> bool:
        missing = [field for field in fields_ if field not in raw]
        if missing:
            self.report(f"These fields are required: [{', '.join(missing)}]", location)
        return not missing

    def supported(self, raw: Raw, allowed: set[str], location: str) -> None:
        for field in raw:
            if field not in allowed:
                self.report(f"Field '{field}' is not supported", location)

    def kinds(self, raw: Raw, location: str, jsonata: bool) -> bool:
        """Whether every field is of its kind."""
        well = True
        for field, value in raw.items():
            kind = fields.KINDS.get(field, "any")
            if jsonata and kind in EXPRESSIBLE and is_expression(value):
                continue
            if problem := CHECKS[kind](value):
                self.report(problem, f"{location}/{field}")
                well = False
        return well

    def one_of(self, raw: Raw, field: str, values: tuple[str, ...], location: str) -> None:
        if field in raw and raw[field] not in values:
            self.report(
                f"The field '{field}' should have one of these values: [{', '.join(values)}]", f"{location}/{field}"
            )

    # --- machine, branch, processor -----------------------------------------------------------------------------------

    def machine(self) -> None:
        self.one_of(self.raw, "QueryLanguage", ("JSONPath", "JSONata"), "")
        self.scope(self.raw, fields.MACHINE_FIELDS, "")

    def scope(self, raw: Any, allowed: set[str], location: str) -> None:
        if not isinstance(raw, dict):
            self.report("Expected value of type Object", location)
            return
        self.supported(raw, allowed, location)
        if not self.require(raw, ("States", "StartAt"), location) or not self.kinds(raw, location, False):
            return
        self.depth += 1
        if self.depth > _MOST_NESTING:
            self.report("The definition is nested too deeply", location, code=TOO_DEEP)
        else:
            for name, state in raw["States"].items():
                self.state(name, state, f"{location}/States/{name}")
        self.depth -= 1

    # --- states -------------------------------------------------------------------------------------------------------

    def state(self, name: str, raw: Any, location: str) -> None:
        if not isinstance(raw, dict):
            self.report("Expected value of type Object", location)
            return
        if not 0 < len(name) <= _LONGEST_NAME:
            said = f"State name must have between 1 and {_LONGEST_NAME} characters"
            self.report(said, location, code=BAD_STATE_NAME)
        if not self.require(raw, ("Type",), location):
            return
        if raw["Type"] not in fields.TYPES:
            self.one_of(raw, "Type", fields.TYPES, location)
            return
        self.one_of(raw, "QueryLanguage", ("JSONPath", "JSONata"), location)
        jsonata = raw["QueryLanguage"] == "JSONata" if "QueryLanguage" in raw else self.jsonata
        if self.jsonata and not jsonata:
            self.report("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine", location)
        self.fields_of(raw, jsonata, location)
        if self.kinds(raw, location, jsonata) and self.require(raw, fields.REQUIRED.get(raw["Type"], ()), location):
            self.contents(raw, jsonata, location)

    def fields_of(self, raw: Raw, jsonata: bool, location: str) -> None:
        kind = raw["Type"]
        self.supported(raw, fields.STATE_FIELDS[kind], location)
        for field in raw:
            if field in fields.STATE_FIELDS[kind]:
                self.language(field, jsonata, location)
        if kind not in ("Succeed", "Fail", "Choice") and ("Next" in raw) == (raw.get("End") is True):
            self.report("Exactly one of these fields is required: [Next, End]", location)
        for group in fields.EXCLUSIVE:
            if sum(field in raw for field in group) > 1 and not (jsonata and "Parameters" in group):
                self.report(f"At most one of these fields is allowed: [{', '.join(group)}]", location)
        only = fields.EXACTLY_ONE.get(kind)
        if only and sum(field in raw for field in only) != 1:
            self.report(f"Exactly one of these fields is required: [{', '.join(only)}]", location)

    def language(self, field: str, jsonata: bool, location: str) -> None:
        current, other = ("JSONata", "JSONPath") if jsonata else ("JSONPath", "JSONata")
        if field in (fields.JSONPATH_ONLY if jsonata else fields.JSONATA_ONLY):
            self.report(
                f"The QueryLanguage is set to '{current}', but field '{field}' is only supported for the "
                f"'{other}' QueryLanguage",
                location,
            )

    def contents(self, raw: Raw, jsonata: bool, location: str) -> None:
        self.expressions(raw, jsonata, location)
        self.recovery(raw, jsonata, location)
        if special := _CONTENTS.get(raw["Type"]):
            special(self, raw, jsonata, location)

    def expressions(self, raw: Raw, jsonata: bool, location: str) -> None:
        """Templates and JSONata in the fields that belong to the state itself."""
        nested = ("Branches", "ItemProcessor", "Iterator")
        if jsonata:
            for field, value in raw.items():
                if field not in nested:
                    self.found += expression_faults(value, f"{location}/{field}", field == "Catch")
            return
        for field in ("Parameters", "ResultSelector", "ItemSelector", "Assign", "ItemReader", "ItemBatcher"):
            for message in template_faults(raw.get(field)):
                self.report(message, f"{location}/{field}")
            for member in suspicious_members(raw.get(field)):
                self.report(
                    f"The value of the field '{member}' looks like a path, but its name does not end with '.$'",
                    f"{location}/{field}/{member}",
                    "WARNING",
                    NO_DOLLAR,
                )
        for field in ("Error", "Cause"):
            if looks_like_path(raw.get(field)):
                self.report(
                    f"The value of the field '{field}' looks like a path, but its name does not end with 'Path'",
                    f"{location}/{field}",
                    "WARNING",
                    NO_PATH,
                )

    def recovery(self, raw: Raw, jsonata: bool, location: str) -> None:
        for field, allowed, needed in (
            ("Retry", fields.RETRIER_FIELDS, ("ErrorEquals",)),
            ("Catch", fields.CATCHER_FIELDS, ("ErrorEquals", "Next")),
        ):
            entries = raw.get(field, ())
            for index, entry in enumerate(entries):
                here = f"{location}/{field}[{index}]"
                if not isinstance(entry, dict):
                    self.report("Expected value of type Object", here)
                    continue
                self.supported(entry, allowed, here)
                for name in entry:
                    self.language(name, jsonata, here)
                self.one_of(entry, "JitterStrategy", ("FULL", "NONE"), here)
                if self.require(entry, needed, here) and self.kinds(entry, here, jsonata):
                    self.error_names(entry["ErrorEquals"], index == len(entries) - 1, here)
                for message in template_faults(entry.get("Assign")) if not jsonata else ():
                    self.report(message, f"{here}/Assign")

    def error_names(self, listed: list[Any], last: bool, location: str) -> None:
        here = f"{location}/ErrorEquals"
        if not listed:
            self.report("ErrorEquals must not be empty", here)
        for name in listed:
            if not isinstance(name, str):
                self.report("Expected value of type String", here)
        if names.ALL in listed and (len(listed) > 1 or not last):
            self.report("States.ALL must appear alone and in the last element", here)

    # --- per type -----------------------------------------------------------------------------------------------------

    def task(self, raw: Raw, jsonata: bool, location: str) -> None:
        here = f"{location}/Resource"
        try:
            resource = parse_resource(raw["Resource"])
            if not self.knows(resource):
                raise DefinitionError("not known")
        except DefinitionError:
            if not raw["Resource"].startswith("arn:"):
                self.report("Value is not a valid resource ARN", here)
                return
            self.report(
                f"The resource provided {raw['Resource']} is not recognized. The value is not a valid resource ARN, "
                "or the resource is not available in this region.",
                here,
            )
            return
        if self.express and resource.kind == "activity":
            self.report("Express state machine does not support Activity ARN", here)
        if self.express and resource.pattern != "request":
            pattern = "waitForTaskToken" if resource.pattern == "waitForTaskToken" else "sync"
            self.report(f"Express state machine does not support '.{pattern}' service integration ", here)
        timeout, heartbeat = raw.get("TimeoutSeconds"), raw.get("HeartbeatSeconds")
        if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
            self.report("HeartbeatSeconds must be smaller than TimeoutSeconds", location)

    def choice(self, raw: Raw, jsonata: bool, location: str) -> None:
        if not raw["Choices"]:
            self.report("Choices must not be empty", f"{location}/Choices")
        for index, rule in enumerate(raw["Choices"]):
            here = f"{location}/Choices[{index}]"
            if not isinstance(rule, dict):
                self.report("Expected value of type Object", here)
            elif self.require(rule, ("Next",), here) and self.kinds(rule, here, jsonata):
                self.rule_fields(rule, jsonata, here)

    def rule_fields(self, rule: Raw, jsonata: bool, here: str) -> None:
        if jsonata:
            self.supported(rule, {"Assign", "Comment", "Condition", "Next", "Output"}, here)
            if self.require(rule, ("Condition",), here) and not isinstance(rule["Condition"], (bool, str)):
                self.report("Expected value of type Boolean", f"{here}/Condition")
            return
        for message in template_faults(rule.get("Assign")):
            self.report(message, f"{here}/Assign")
        self.rule({key: value for key, value in rule.items() if key not in ("Next", "Assign", "Comment")}, here)

    def rule(self, rule: Any, here: str) -> None:
        """A comparison, or a boolean expression of rules."""
        if not isinstance(rule, dict):
            self.report("Expected value of type Object", here)
            return
        for field in rule:
            if field not in choice.OPERATORS and field not in ("And", "Or", "Not", "Variable", "Comment"):
                self.report(f"Field '{field}' is not supported", here)
        parts = [field for field in rule if field in choice.OPERATORS or field in ("And", "Or", "Not")]
        if len(parts) != 1:
            self.report("Exactly one comparison operator is required", here)
        elif parts[0] == "Not":
            self.rule(rule["Not"], f"{here}/Not")
        elif parts[0] in ("And", "Or"):
            self.several_rules(rule[parts[0]], f"{here}/{parts[0]}")
        else:
            self.comparison(rule, parts[0], here)

    def several_rules(self, rules: Any, here: str) -> None:
        if not isinstance(rules, list) or not rules:
            self.report("Expected a non-empty value of type Array", here)
            return
        for index, rule in enumerate(rules):
            self.rule(rule, f"{here}[{index}]")

    def comparison(self, rule: Raw, operator: str, here: str) -> None:
        if not self.require(rule, ("Variable",), here):
            return
        for field, kind in (("Variable", "value-path"), (operator, _operand_kind(operator))):
            if problem := CHECKS[kind](rule[field]):
                self.report(problem, f"{here}/{field}")

    def parallel(self, raw: Raw, jsonata: bool, location: str) -> None:
        if not raw["Branches"]:
            self.report("Branches must not be empty", f"{location}/Branches")
        for index, branch in enumerate(raw["Branches"]):
            self.scope(branch, fields.BRANCH_FIELDS, f"{location}/Branches[{index}]")

    def map(self, raw: Raw, jsonata: bool, location: str) -> None:
        field = "ItemProcessor" if "ItemProcessor" in raw else "Iterator"
        if field not in raw:
            return
        processor = raw[field]
        self.scope(processor, fields.PROCESSOR_FIELDS, f"{location}/{field}")
        if not self.kinds(processor, f"{location}/{field}", jsonata):
            return
        config = processor.get("ProcessorConfig", {})
        here = f"{location}/{field}/ProcessorConfig"
        self.one_of(config, "Mode", ("INLINE", "DISTRIBUTED"), here)
        self.one_of(config, "ExecutionType", ("STANDARD", "EXPRESS"), here)
        if config.get("Mode") == "DISTRIBUTED":
            self.require(config, ("ExecutionType",), here)
            self.distributed(raw, jsonata, location)
        else:
            for only in ("ItemReader", "ItemBatcher", "ResultWriter", "Label"):
                if only in raw:
                    self.report(f"Field '{only}' is only supported for Mode 'DISTRIBUTED'", location)

    def distributed(self, raw: Raw, jsonata: bool, location: str) -> None:
        if self.express:
            self.report("Express state machine does not support Distributed Map", location)
        for field, allowed in (
            ("ItemReader", fields.READER_FIELDS),
            ("ItemBatcher", fields.BATCHER_FIELDS),
            ("ResultWriter", fields.WRITER_FIELDS),
        ):
            if field in raw:
                self.supported(raw[field], allowed, f"{location}/{field}")
                if not self.kinds(raw[field], f"{location}/{field}", jsonata):
                    return
        reader = raw.get("ItemReader", {})
        if "ItemReader" in raw and self.require(reader, ("Resource",), f"{location}/ItemReader"):
            config = reader.get("ReaderConfig", {})
            self.supported(config, fields.READER_CONFIG_FIELDS, f"{location}/ItemReader/ReaderConfig")
            self.reader_config(reader, config, f"{location}/ItemReader/ReaderConfig", jsonata)
        writer = raw.get("ResultWriter", {})
        for field, known in fields.WRITER_CONFIG.items():
            self.one_of(writer.get("WriterConfig", {}), field, known, f"{location}/ResultWriter/WriterConfig")
        batcher = raw.get("ItemBatcher", {})
        if "ItemBatcher" in raw and not any(key.startswith("Max") for key in batcher):
            self.report("MaxItemsPerBatch or MaxInputBytesPerBatch is required", f"{location}/ItemBatcher")
        if "Label" in raw:
            self.label(raw["Label"], f"{location}/Label")

    def reader_config(self, reader: Raw, config: Raw, here: str, jsonata: bool) -> None:
        if not self.kinds(config, here, jsonata):
            return
        for field, known in fields.READER_CONFIG.items():
            self.one_of(config, field, known, here)
        if config.get("InputType") == "CSV" and config.get("ManifestType") is None:
            self.require(config, ("CSVHeaderLocation",), here)
        if config.get("CSVHeaderLocation") == "GIVEN":
            self.require(config, ("CSVHeaders",), here)
        if reader["Resource"].endswith(":s3:getObject"):
            if "ManifestType" not in config:
                self.require(config, ("InputType",), here)
        elif config.get("Transformation") == "LOAD_AND_FLATTEN":
            self.require(config, ("InputType",), here)

    def label(self, label: str, here: str) -> None:
        if not 0 < len(label) <= _LONGEST_LABEL:
            self.report(f"Label must have between 1 and {_LONGEST_LABEL} characters", here, code=BAD_LABEL)
        elif _NOT_IN_LABELS.search(label):
            self.report(f"Label '{label}' has characters that are not allowed", here, code=BAD_LABEL)
        elif label in self.labels:
            self.report(f"Duplicate Label name: {label}", here, code=DUPLICATE_LABEL)
        self.labels.add(label)

    def pass_(self, raw: Raw, jsonata: bool, location: str) -> None:
        if jsonata and "Result" in raw:
            self.report(
                "The QueryLanguage is set to 'JSONata', but field 'Result' is only supported for the "
                "'JSONPath' QueryLanguage",
                location,
            )
        for member in suspicious_members(raw.get("Result")):
            self.report(
                f"The value of the field '{member}' in Result is static and will not be evaluated as a path",
                f"{location}/Result/{member}",
                "WARNING",
                STATIC_RESULT,
            )


_CONTENTS: dict[str, Callable[[_Validator, Raw, bool, str], None]] = {
    "Task": _Validator.task,
    "Choice": _Validator.choice,
    "Parallel": _Validator.parallel,
    "Map": _Validator.map,
    "Pass": _Validator.pass_,
}


def _operand_kind(operator: str) -> str:
    if operator in choice.PATH_COMPARISONS:
        return "value-path"
    if operator in choice.TYPE_TESTS or operator == "BooleanEquals":
        return "boolean"
    return {"S": "text", "N": "number", "T": "timestamp"}[operator[0]]
