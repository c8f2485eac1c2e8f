"""Which field may stand where, and what it must be: the tables behind validation.

https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html and the pages of each state type.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "any", "array", "boolean", "count", "delay", "factor", "object", "path", "percentage", "positive", "reference",
    "string", "text", "timestamp", "value-path",
]  # fmt: skip

_EVERY_STATE = {"Type", "Comment", "QueryLanguage"}
_NEXT = {"Next", "End"}
_PATHS = {"InputPath", "OutputPath"}
_RECOVERY = {"Retry", "Catch"}
_RESULT = {"ResultPath", "ResultSelector"}

STATE_FIELDS: dict[str, set[str]] = {
    "Pass": _EVERY_STATE | _NEXT | _PATHS | {"Assign", "Output", "Parameters", "Result", "ResultPath"},
    "Succeed": _EVERY_STATE | _PATHS | {"Output"},
    "Fail": _EVERY_STATE | {"Error", "Cause", "ErrorPath", "CausePath"},
    "Wait": _EVERY_STATE
    | _NEXT
    | _PATHS
    | {"Assign", "Output", "Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Choice": _EVERY_STATE | _PATHS | {"Assign", "Output", "Choices", "Default"},
    "Task": _EVERY_STATE
    | _NEXT
    | _PATHS
    | _RECOVERY
    | _RESULT
    | {"Arguments", "Assign", "Credentials", "Output", "Parameters", "Resource"}
    | {"HeartbeatSeconds", "HeartbeatSecondsPath", "TimeoutSeconds", "TimeoutSecondsPath"},
    "Parallel": _EVERY_STATE
    | _NEXT
    | _PATHS
    | _RECOVERY
    | _RESULT
    | {"Arguments", "Assign", "Branches", "Output", "Parameters"},
    "Map": _EVERY_STATE
    | _NEXT
    | _PATHS
    | _RECOVERY
    | _RESULT
    | {"Assign", "ItemBatcher", "ItemProcessor", "ItemReader", "ItemSelector", "Items", "ItemsPath", "Iterator"}
    | {"Label", "MaxConcurrency", "MaxConcurrencyPath", "Output", "Parameters", "ResultWriter"}
    | {"ToleratedFailureCount", "ToleratedFailureCountPath"}
    | {"ToleratedFailurePercentage", "ToleratedFailurePercentagePath"},
}

REQUIRED: dict[str, tuple[str, ...]] = {"Task": ("Resource",), "Choice": ("Choices",), "Parallel": ("Branches",)}

# The types in AWS's order, for its message.
TYPES = ("Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map")

JSONPATH_ONLY = {
    "InputPath", "OutputPath", "Parameters", "ResultSelector", "ResultPath", "ItemsPath", "SecondsPath",
    "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath", "ErrorPath", "CausePath", "MaxConcurrencyPath",
    "ToleratedFailureCountPath", "ToleratedFailurePercentagePath", "Variable", "MaxItemsPath",
    "MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath",
}  # fmt: skip
JSONATA_ONLY = {"Arguments", "Output", "Items", "Condition"}

KINDS: dict[str, Kind] = {
    "Type": "text",
    "Comment": "text",
    "QueryLanguage": "text",
    "Version": "text",
    "StartAt": "text",
    "Next": "text",
    "End": "boolean",
    "Default": "text",
    "Resource": "text",
    "Label": "text",
    "InputPath": "path",
    "OutputPath": "path",
    "ResultPath": "reference",
    "ItemsPath": "value-path",
    "SecondsPath": "value-path",
    "TimestampPath": "value-path",
    "TimeoutSecondsPath": "value-path",
    "HeartbeatSecondsPath": "value-path",
    "MaxConcurrencyPath": "value-path",
    "ToleratedFailureCountPath": "value-path",
    "ToleratedFailurePercentagePath": "value-path",
    "MaxItemsPath": "value-path",
    "MaxItemsPerBatchPath": "value-path",
    "MaxInputBytesPerBatchPath": "value-path",
    "Seconds": "count",
    "Timestamp": "timestamp",
    "TimeoutSeconds": "positive",
    "HeartbeatSeconds": "positive",
    "MaxConcurrency": "count",
    "ToleratedFailureCount": "count",
    "ToleratedFailurePercentage": "percentage",
    "MaxItems": "positive",
    "MaxItemsPerBatch": "positive",
    "MaxInputBytesPerBatch": "positive",
    "Error": "string",
    "Cause": "string",
    "Retry": "array",
    "Catch": "array",
    "Choices": "array",
    "Branches": "array",
    "States": "object",
    "Credentials": "object",
    "ItemProcessor": "object",
    "Iterator": "object",
    "ItemReader": "object",
    "ItemBatcher": "object",
    "ResultWriter": "object",
    "ReaderConfig": "object",
    "ProcessorConfig": "object",
    "WriterConfig": "object",
    "ResultSelector": "object",
    "Assign": "object",
    "ErrorEquals": "array",
    "IntervalSeconds": "positive",
    "MaxAttempts": "count",
    "BackoffRate": "factor",
    "MaxDelaySeconds": "delay",
    "JitterStrategy": "text",
}

MACHINE_FIELDS = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"}
BRANCH_FIELDS = {"Comment", "StartAt", "States"}
PROCESSOR_FIELDS = BRANCH_FIELDS | {"ProcessorConfig"}
RETRIER_FIELDS = {
    "BackoffRate", "Comment", "ErrorEquals", "IntervalSeconds", "JitterStrategy", "MaxAttempts", "MaxDelaySeconds"
}  # fmt: skip
CATCHER_FIELDS = {"Assign", "Comment", "ErrorEquals", "Next", "Output", "ResultPath"}
READER_FIELDS = {"Arguments", "Parameters", "ReaderConfig", "Resource"}
READER_CONFIG_FIELDS = {
    "CSVDelimiter", "CSVHeaderLocation", "CSVHeaders", "InputType", "ItemsPointer", "ManifestType", "MaxItems",
    "MaxItemsPath", "Transformation",
}  # fmt: skip
BATCHER_FIELDS = {
    "BatchInput", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", "MaxItemsPerBatch", "MaxItemsPerBatchPath"
}  # fmt: skip
READER_CONFIG = {
    "InputType": ("CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"),
    "ManifestType": ("ATHENA_DATA", "S3_INVENTORY"),
    "Transformation": ("NONE", "LOAD_AND_FLATTEN"),
    "CSVDelimiter": ("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"),
    "CSVHeaderLocation": ("FIRST_ROW", "GIVEN"),
}
WRITER_CONFIG = {"OutputType": ("JSON", "JSONL"), "Transformation": ("NONE", "COMPACT", "FLATTEN")}
WRITER_FIELDS = {"Arguments", "Parameters", "Resource", "WriterConfig"}

# Pairs of which at most one may be set.
EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    ("Error", "ErrorPath"),
    ("Cause", "CausePath"),
    ("TimeoutSeconds", "TimeoutSecondsPath"),
    ("HeartbeatSeconds", "HeartbeatSecondsPath"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
    ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
    ("ItemProcessor", "Iterator"),
    ("ItemSelector", "Parameters"),
)
# Fields of which a state type needs exactly one.
EXACTLY_ONE: dict[str, tuple[str, ...]] = {
    "Wait": ("Seconds", "SecondsPath", "Timestamp", "TimestampPath"),
    "Map": ("ItemProcessor", "Iterator"),
}
