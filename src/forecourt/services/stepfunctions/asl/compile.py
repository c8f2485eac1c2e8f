"""From a valid definition to a `Machine`. What is wrong with a definition is `validate.py`'s to say; this trusts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.asl import machine as m
from forecourt.services.stepfunctions.asl import settings
from forecourt.services.stepfunctions.asl.choice import compile_rule
from forecourt.services.stepfunctions.asl.flow import (
    compile_flow,
    jsonata_value,
    place_result,
    template_value,
)
from forecourt.services.stepfunctions.asl.jsonpath import compile_path
from forecourt.services.stepfunctions.asl.resource import parse_resource
from forecourt.services.stepfunctions.asl.template import compile_value

Raw = dict[str, Any]


def compile_machine(raw: Raw) -> m.Machine:
    """Raises `DefinitionError` or `KeyError` for what `validate` would have refused."""
    return _Compiler(raw).compile()


class _Compiler:
    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.jsonata = raw.get("QueryLanguage") == "JSONata"
        self.scopes: list[m.StateScope] = []

    def compile(self) -> m.Machine:
        self.scope(self.raw, "")
        return m.Machine(self.scopes, self.jsonata, self.raw.get("TimeoutSeconds"), self.raw)

    def scope(self, raw: Raw, location: str) -> int:
        index = len(self.scopes)
        compiled = m.StateScope(index, raw["StartAt"], {}, location)
        self.scopes.append(compiled)
        for name, state in raw["States"].items():
            compiled.states[name] = self.state(name, state, f"{location}/States/{name}")
        return index

    def state(self, name: str, raw: Raw, location: str) -> m.State:
        jsonata = raw["QueryLanguage"] == "JSONata" if "QueryLanguage" in raw else self.jsonata
        common: Raw = {
            "name": name,
            "type": raw["Type"],
            "jsonata": jsonata,
            "flow": compile_flow(raw, jsonata),
            "next": raw.get("Next"),
            "assign": _assign(raw, jsonata),
            "retry": tuple(_retrier(one) for one in raw.get("Retry", ())),
            "catch": tuple(_catcher(one, jsonata, i) for i, one in enumerate(raw.get("Catch", ()))),
        }
        return _STATES[raw["Type"]](self, raw, jsonata, common, location)

    def pass_(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        return m.Pass(**common, fixed_result=raw.get("Result"), has_result="Result" in raw)

    def succeed(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        return m.Succeed(**common)

    def fail(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        return m.Fail(
            **common, error=settings.setting(raw, "Error", jsonata), cause=settings.setting(raw, "Cause", jsonata)
        )

    def wait(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        return m.Wait(
            **common,
            seconds=settings.seconds(raw, "Seconds", jsonata),
            timestamp=settings.moment(raw, "Timestamp", jsonata),
        )

    def choice(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        rules = tuple(_rule(rule, jsonata, f"Choices[{i}]") for i, rule in enumerate(raw["Choices"]))
        return m.Choice(**common, rules=rules, default=raw.get("Default"))

    def task(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        credentials = raw.get("Credentials", {})
        return m.Task(
            **common,
            resource=parse_resource(raw["Resource"]),
            timeout_seconds=settings.seconds(raw, "TimeoutSeconds", jsonata, least=1),
            heartbeat_seconds=settings.seconds(raw, "HeartbeatSeconds", jsonata, least=1),
            role_arn=_role(credentials, jsonata),
        )

    def parallel(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        branches = tuple(self.scope(one, f"{location}/Branches[{i}]") for i, one in enumerate(raw["Branches"]))
        return m.Parallel(**common, branches=branches)

    def map(self, raw: Raw, jsonata: bool, common: Raw, location: str) -> m.State:
        field = "ItemProcessor" if "ItemProcessor" in raw else "Iterator"
        processor = raw[field]
        config = processor.get("ProcessorConfig", {})
        selector = raw.get("ItemSelector", raw.get("Parameters") if not jsonata else None)
        distributed = config.get("Mode") == "DISTRIBUTED"
        items = settings.path(raw.get("ItemsPath"))
        if "Items" in raw:
            items = jsonata_value(raw["Items"], "Items", "object" if distributed else "")
        return m.Map(
            **{**common, "flow": compile_flow({k: v for k, v in raw.items() if k != "Parameters"}, jsonata)},
            processor=self.scope(processor, f"{location}/{field}"),
            items_path=raw.get("ItemsPath", "$"),
            items=items,
            item_selector=_payload(selector, "ItemSelector", jsonata),
            max_concurrency=settings.limit(raw, "MaxConcurrency", jsonata),
            tolerated_failure_count=settings.limit(raw, "ToleratedFailureCount", jsonata),
            tolerated_failure_percentage=settings.percentage(raw, "ToleratedFailurePercentage", jsonata),
            distributed=distributed,
            execution_type=config.get("ExecutionType", "STANDARD"),
            label=raw.get("Label", ""),
            reader=_reader(raw.get("ItemReader"), jsonata),
            batcher=_batcher(raw.get("ItemBatcher"), jsonata),
            writer=_writer(raw.get("ResultWriter"), jsonata),
        )


_STATES: dict[str, Callable[[_Compiler, Raw, bool, Raw, str], m.State]] = {
    "Pass": _Compiler.pass_,
    "Succeed": _Compiler.succeed,
    "Fail": _Compiler.fail,
    "Wait": _Compiler.wait,
    "Choice": _Compiler.choice,
    "Task": _Compiler.task,
    "Parallel": _Compiler.parallel,
    "Map": _Compiler.map,
}


def _payload(raw: Any, field: str, jsonata: bool) -> m.Value | None:
    if raw is None:
        return None
    return jsonata_value(raw, field) if jsonata else template_value(raw)


def _assign(raw: Raw, jsonata: bool, within: str = "") -> m.Value | None:
    return _payload(raw.get("Assign"), within + "Assign", jsonata)


def _role(credentials: Raw, jsonata: bool) -> m.Value | None:
    if "RoleArn.$" in credentials:
        return compile_value("RoleArn.$", credentials["RoleArn.$"])
    return settings.setting(credentials, "RoleArn", jsonata, "Credentials/")


def _retrier(raw: Raw) -> m.Retrier:
    return m.Retrier(
        errors=tuple(raw["ErrorEquals"]),
        interval_seconds=raw.get("IntervalSeconds", 1),
        max_attempts=raw.get("MaxAttempts", 3),
        backoff_rate=raw.get("BackoffRate", 2.0),
        max_delay_seconds=raw.get("MaxDelaySeconds"),
        full_jitter=raw.get("JitterStrategy") == "FULL",
    )


def _catcher(raw: Raw, jsonata: bool, index: int) -> m.Catcher:
    within = f"Catch[{index}]/"
    return m.Catcher(
        errors=tuple(raw["ErrorEquals"]),
        next=raw["Next"],
        output=_catch_output(raw, jsonata, within),
        assign=_assign(raw, jsonata, within),
    )


def _catch_output(raw: Raw, jsonata: bool, within: str) -> m.Value:
    if jsonata:
        return jsonata_value(raw["Output"], within + "Output") if "Output" in raw else lambda scope, error: error
    if "ResultPath" in raw and raw["ResultPath"] is None:
        return lambda scope, error: scope.input
    if raw.get("ResultPath", "$") == "$":
        return lambda scope, error: error
    path = compile_path(raw["ResultPath"])
    return lambda scope, error: place_result(scope.input, path, error)


def _rule(raw: Raw, jsonata: bool, within: str) -> m.Rule:
    test: m.Value
    if jsonata:
        test = jsonata_value(raw["Condition"], f"{within}/Condition")
    else:
        test = compile_rule(raw)
    output = jsonata_value(raw["Output"], f"{within}/Output") if "Output" in raw else None
    return m.Rule(test, raw["Next"], _assign(raw, jsonata, within + "/"), output)


def _reader(raw: Raw | None, jsonata: bool) -> m.ItemReader | None:
    if raw is None:
        return None
    config = raw.get("ReaderConfig", {})
    field = "Arguments" if "Arguments" in raw else "Parameters"
    return m.ItemReader(
        resource=parse_resource(raw["Resource"]),
        arguments=_payload(raw.get(field, {}), f"ItemReader/{field}", jsonata) or settings.constant({}),
        config=config,
        max_items=settings.limit(config, "MaxItems", jsonata, "ItemReader/ReaderConfig/"),
    )


def _batcher(raw: Raw | None, jsonata: bool) -> m.ItemBatcher | None:
    if raw is None:
        return None
    within = "ItemBatcher/"
    return m.ItemBatcher(
        batch_input=_payload(raw.get("BatchInput"), within + "BatchInput", jsonata),
        max_items=settings.limit(raw, "MaxItemsPerBatch", jsonata, within),
        max_bytes=settings.limit(raw, "MaxInputBytesPerBatch", jsonata, within),
    )


def _writer(raw: Raw | None, jsonata: bool) -> m.ResultWriter | None:
    if raw is None:
        return None
    field = "Arguments" if "Arguments" in raw else "Parameters"
    return m.ResultWriter(
        resource=parse_resource(raw["Resource"]) if "Resource" in raw else None,
        arguments=_payload(raw.get(field), f"ResultWriter/{field}", jsonata),
        config=raw.get("WriterConfig", {}),
    )
