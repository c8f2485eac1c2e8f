"""Diagnostics: a definition above, what AWS says about it below (`code location message`, severity if not ERROR)."""

from __future__ import annotations

import time

import pytest

from forecourt.services.stepfunctions.api.definitions import validation_result
from forecourt.services.stepfunctions.asl.diagnostics import invalid_definition_message
from forecourt.services.stepfunctions.asl.validate import load
from forecourt.services.stepfunctions.asl.variables import variable_references

from .text import Block, blocks, name

CASES = blocks(r"""
=== Not JSON
not a definition
---
INVALID_JSON_DESCRIPTION [Source: (String)"not a definition"; line: 1, column: 4] Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')
 at [Source: (String)"not a definition"; line: 1, column: 4]

=== Empty object
{}
---
SCHEMA_VALIDATION_FAILED / These fields are required: [States, StartAt]

=== No StartAt
{"States":{"A":{"Type":"Succeed"}}}
---
SCHEMA_VALIDATION_FAILED / These fields are required: [StartAt]

=== An array
[]
---
SCHEMA_VALIDATION_FAILED - Definition must be a valid JSON object

=== An unknown field
{"StartAt":"A","Foo":1,"States":{"A":{"Type":"Succeed"}}}
---
SCHEMA_VALIDATION_FAILED / Field 'Foo' is not supported

=== An unknown type
{"StartAt":"A","States":{"A":{"Type":"Nope"}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Type The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]

=== No type
{"StartAt":"A","States":{"A":{}}}
---
SCHEMA_VALIDATION_FAILED /States/A These fields are required: [Type]

=== Catch on a Pass
{"StartAt":"A","States":{"A":{"Type":"Pass","Catch":[{"ErrorEquals":["States.ALL"],"Next":"A"}],"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A Field 'Catch' is not supported

=== TimeoutSeconds on a Map and a Parallel
{"StartAt":"M","States":{"M":{"Type":"Map","TimeoutSeconds":1,"ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Succeed"}}},"Next":"P"},"P":{"Type":"Parallel","TimeoutSeconds":1,"Branches":[{"StartAt":"B","States":{"B":{"Type":"Succeed"}}}],"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/M Field 'TimeoutSeconds' is not supported
SCHEMA_VALIDATION_FAILED /States/P Field 'TimeoutSeconds' is not supported

=== A workflow without an end
{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}
---
MISSING_END_STATE - Workflow has no terminal state

=== A state that nothing reaches
{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"},"C":{"Type":"Pass","End":true}}}
---
MISSING_TRANSITION_TARGET /States/C State "C" is not reachable.

=== A target that does not exist
{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"NOPE"}}}
---
MISSING_TRANSITION_TARGET /States/A/Next Missing 'Next' target: NOPE
MISSING_END_STATE - Workflow has no terminal state

=== Targets of Choice, Default and Catch
{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Variable":"$.x","IsNull":true,"Next":"X"}],"Default":"Y"},"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Catch":[{"ErrorEquals":["States.ALL"],"Next":"Z"}],"End":true}}}
---
MISSING_TRANSITION_TARGET /States/C/Choices[0]/Next Missing 'Next' target: X
MISSING_TRANSITION_TARGET /States/C/Default Missing 'Next' target: Y
MISSING_TRANSITION_TARGET /States/T/Catch[0]/Next Missing 'Next' target: Z
MISSING_TRANSITION_TARGET /States/T State "T" is not reachable.

=== A target outside the branch
{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"Z"},"B":{"Type":"Succeed"}}}],"Next":"Z"},"Z":{"Type":"Succeed"}}}
---
MISSING_TRANSITION_TARGET /States/P/Branches[0]/States/A/Next Missing 'Next' target: Z
MISSING_TRANSITION_TARGET /States/P/Branches[0]/States/B State "B" is not reachable.

=== The same name in two scopes
{"StartAt":"A","States":{"A":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}],"End":true}}}
---
DUPLICATE_STATE_NAME /States/A/Branches[0]/States/A Duplicate State name: A

=== Neither Next nor End
{"StartAt":"A","States":{"A":{"Type":"Pass"}}}
---
SCHEMA_VALIDATION_FAILED /States/A Exactly one of these fields is required: [Next, End]

=== Wait with two of its fields
{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":1,"SecondsPath":"$.s","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A Exactly one of these fields is required: [Seconds, SecondsPath, Timestamp, TimestampPath]

=== Values of the wrong kind
{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":"1","Next":"B"},"B":{"Type":"Pass","ResultPath":"$.a[*]","InputPath":"a","Comment":1,"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Seconds Expected value of type Integer
SCHEMA_VALIDATION_FAILED /States/B/ResultPath Value is not a Reference Path
SCHEMA_VALIDATION_FAILED /States/B/InputPath Value is not a valid JSONPath
SCHEMA_VALIDATION_FAILED /States/B/Comment Expected value of type String

=== A Resource that is none
{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"createToken","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Resource Value is not a valid resource ARN

=== A template member that is neither path nor function
{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a":{"Date.$":"today"}},"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Parameters The value for the field 'Date.$' must be a valid JSONPath or a valid intrinsic function call

=== Retry and Catch
{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:f","Retry":[{"ErrorEquals":["States.ALL","X"]},{"ErrorEquals":[]},{"MaxAttempts":1}],"Catch":[{"ErrorEquals":["X"]}],"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Retry[0]/ErrorEquals States.ALL must appear alone and in the last element
SCHEMA_VALIDATION_FAILED /States/A/Retry[1]/ErrorEquals ErrorEquals must not be empty
SCHEMA_VALIDATION_FAILED /States/A/Retry[2] These fields are required: [ErrorEquals]
SCHEMA_VALIDATION_FAILED /States/A/Catch[0] These fields are required: [Next]

=== Choice rules
{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Next":"E"},{"Variable":"$.x","StringEquals":1,"Next":"E"},{"And":[],"Next":"E"},{"Variable":"$.x","Foo":1,"Next":"E"},{"Variable":"$.x","IsNull":true}]},"E":{"Type":"Succeed"}}}
---
SCHEMA_VALIDATION_FAILED /States/C/Choices[0] Exactly one comparison operator is required
SCHEMA_VALIDATION_FAILED /States/C/Choices[1]/StringEquals Expected value of type String
SCHEMA_VALIDATION_FAILED /States/C/Choices[2]/And Expected a non-empty value of type Array
SCHEMA_VALIDATION_FAILED /States/C/Choices[3] Field 'Foo' is not supported
SCHEMA_VALIDATION_FAILED /States/C/Choices[3] Exactly one comparison operator is required
SCHEMA_VALIDATION_FAILED /States/C/Choices[4] These fields are required: [Next]

=== A JSONata field in a JSONPath machine
{"StartAt":"A","States":{"A":{"Type":"Pass","Output":"x","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage

=== A JSONPath field in a JSONata machine
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","InputPath":"$.x","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for the 'JSONPath' QueryLanguage

=== JSONPath under JSONata
{"QueryLanguage":"JSONata","StartAt":"Pass","States":{"Pass":{"QueryLanguage":"JSONPath","Type":"Pass","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/Pass 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine

=== QueryLanguage on an ItemProcessor
{"StartAt":"M","States":{"M":{"Type":"Map","ItemProcessor":{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Succeed"}}},"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/M/ItemProcessor Field 'QueryLanguage' is not supported

=== JSONata that does not parse
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","Output":{"a":["{% 1 + %}"]},"End":true}}}
---
INVALID_JSONATA_EXPRESSION /States/A/Output/a[0] Unexpected end of expression

=== JSONata that reads a context value
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","Output":{"v":"{% phone %}","w":"{% $sum(a.b) + $$.c %}","x":"{% $ %}","ok":"{% $states.input.a[b=$.c].d %}"},"End":true}}}
---
UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/v Reference to 'phone' at the top level is not supported.
UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/w Reference to 'a' at the top level is not supported.
UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/w Reference to '$$' is not supported.
UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/x Reference to '$' at the top level is not supported.

=== The error output outside a Catcher
{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","Output":"{% $states.errorOutput.Cause %}","Catch":[{"ErrorEquals":["States.ALL"],"Output":"{% $states.errorOutput.Cause %}","Next":"B"}],"Next":"B"},"B":{"Type":"Succeed"}}}
---
UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output Reference to '$states.errorOutput' is only supported in the Output and Assign of a Catcher.

=== Labels
{"StartAt":"A","States":{"A":{"Type":"Map","Label":"l","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Succeed"}}},"Next":"B"},"B":{"Type":"Map","Label":"l","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"Q","States":{"Q":{"Type":"Succeed"}}},"Next":"C"},"C":{"Type":"Map","Label":"a b","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"R","States":{"R":{"Type":"Succeed"}}},"Next":"D"},"D":{"Type":"Map","Label":"","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"S","States":{"S":{"Type":"Succeed"}}},"End":true}}}
---
DUPLICATE_LABEL_NAME /States/B/Label Duplicate Label name: l
INVALID_LABEL_NAME /States/C/Label Label 'a b' has characters that are not allowed
INVALID_LABEL_NAME /States/D/Label Label must have between 1 and 40 characters

=== A moment that is none
{"StartAt":"A","States":{"A":{"Type":"Wait","Timestamp":"2016-12-05 21:29:29Z","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Timestamp String does not match RFC3339 timestamp

=== A resource in no service
{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::s3","End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/A/Resource The resource provided arn:aws:states:::s3 is not recognized. The value is not a valid resource ARN, or the resource is not available in this region.

=== A name too long
{"StartAt":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","States":{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":{"Type":"Succeed"}}}
---
INVALID_STATE_NAME /States/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx State name must have between 1 and 80 characters

=== Warnings
{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a":"States.UUID()","b":["$$.x"],"c":{"d":"$$.x"}},"Next":"B"},"B":{"Type":"Fail","Error":"$.e"}}}
---
NO_DOLLAR /States/A/Parameters/a WARNING The value of the field 'a' looks like a path, but its name does not end with '.$'
NO_DOLLAR /States/A/Parameters/d WARNING The value of the field 'd' looks like a path, but its name does not end with '.$'
NO_PATH /States/B/Error WARNING The value of the field 'Error' looks like a path, but its name does not end with 'Path'

=== Fields of a distributed Map on an inline one
{"StartAt":"M","States":{"M":{"Type":"Map","Label":"l","ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Succeed"}}},"End":true}}}
---
SCHEMA_VALIDATION_FAILED /States/M Field 'Label' is only supported for Mode 'DISTRIBUTED'

=== A member that looks like a path
{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a":"$.x"},"Next":"B"},"B":{"Type":"Pass","Result":{"b":"$.y"},"End":true}}}
---
NO_DOLLAR /States/A/Parameters/a WARNING The value of the field 'a' looks like a path, but its name does not end with '.$'
PASS_RESULT_IS_STATIC /States/B/Result/b WARNING The value of the field 'b' in Result is static and will not be evaluated as a path
""")  # noqa: E501


@pytest.mark.parametrize("case", CASES, ids=name)
def test_diagnostics(case: Block) -> None:
    _, found = load(case.given)
    shown = [
        f"{one.code} {one.location or '-'} {'' if one.severity == 'ERROR' else one.severity + ' '}{one.message}"
        for one in found
    ]
    assert "\n".join(shown) == case.expected


@pytest.mark.parametrize(
    ("pattern", "resource", "message"),
    [
        (".sync", "states:startExecution", "Express state machine does not support '.sync' service integration "),
        (
            ".waitForTaskToken",
            "sqs:sendMessage",
            "Express state machine does not support '.waitForTaskToken' service integration ",
        ),
    ],
)
def test_express_refuses_patterns(pattern: str, resource: str, message: str) -> None:
    definition = (
        '{"StartAt":"A","States":{"A":{"Type":"Task","End":true,"Parameters":{},'
        f'"Resource":"arn:aws:states:::{resource}{pattern}"}}}}}}'
    )
    _, found = load(definition, express=True)
    assert [(one.message, one.location) for one in found] == [(message, "/States/A/Resource")]
    assert load(definition)[0] is not None


def test_the_reasons_stand_in_the_message_of_create() -> None:
    _, found = load('{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}')
    assert invalid_definition_message(found) == (
        "Invalid State Machine Definition: 'MISSING_END_STATE: Workflow has no terminal state at null'"
    )


def test_results_are_filtered_and_truncated() -> None:
    definition = '{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a":"$.x","b":"$.y"},"End":true}}}'
    assert validation_result(definition, "STANDARD", "ERROR", 0) == {
        "result": "OK",
        "diagnostics": [],
        "truncated": False,
    }
    warned = validation_result(definition, "STANDARD", "WARNING", 1)
    assert (warned["result"], len(warned["diagnostics"]), warned["truncated"]) == ("OK", 1, True)


def _nested(depth: int) -> str:
    inner = '{"StartAt":"X","States":{"X":{"Type":"Succeed"}}}'
    for level in range(depth):
        inner = (
            f'{{"StartAt":"P{level}","States":{{"P{level}":{{"Type":"Parallel","Branches":[{inner}],"End":true}}}}}}'
        )
    return inner


@pytest.mark.parametrize(
    "definition",
    [
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        _nested(300),
        '{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":'
        + '{"a":' * 900
        + "1"
        + "}" * 900
        + ',"End":true}}}',
        '{"StartAt":"A","States":{"A":' + "x" * 1_000_000,
        '{"StartAt":5,"States":[]}',
        '{"StartAt":"A","States":{"A":null}}',
        '{"StartAt":"A","States":{"A":{"Type":["Pass"],"End":true}}}',
        '{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":{}}}}',
        '{"StartAt":"A","States":{"A":{"Type":"Map","ItemProcessor":[],"End":true}}}',
        '{"StartAt":"A","States":{"A":{"Type":"Map","ItemProcessor":{"ProcessorConfig":1,"StartAt":"B","States":{}},"End":true}}}',
        '{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::sqs:sendMessage","Retry":[1],"End":true}}}',
        '{"StartAt":"\\ud800","States":{}}',
    ],
    ids=lambda text: text[:60],
)
def test_hostile_definitions_are_answered(definition: str) -> None:
    started = time.perf_counter()
    load(definition)
    assert time.perf_counter() - started < 5


def test_a_definition_of_a_megabyte_is_validated_soon() -> None:
    count = 6000
    states = ",".join(
        f'"State number {i:06d} of a long chain":{{"Type":"Pass","Parameters":{{"a.$":"$.x","b":"{"y" * 60}"}},'
        f'"Next":"State number {i + 1:06d} of a long chain"}}'
        for i in range(count)
    )
    last = f'"State number {count:06d} of a long chain":{{"Type":"Succeed"}}'
    definition = f'{{"StartAt":"State number 000000 of a long chain","States":{{{states},{last}}}}}'
    assert len(definition) > 900_000
    started = time.perf_counter()
    machine, found = load(definition)
    assert (machine is not None, found) == (True, [])
    assert time.perf_counter() - started < 5


def test_variable_references() -> None:
    definition = {
        "States": {
            "A": {"Type": "Pass", "Parameters": {"a.$": "States.Format('{} $no', $b)", "c": "$no"}, "Assign": {"x": 1}},
            "C": {"Type": "Choice", "Choices": [{"Variable": "$guess", "StringEqualsPath": "$answer.x", "Next": "A"}]},
            "M": {"Type": "Map", "ItemProcessor": {"States": {"I": {"Type": "Wait", "SecondsPath": "$waitTime"}}}},
            "J": {
                "Type": "Pass",
                "QueryLanguage": "JSONata",
                "Output": "{% ($y := $z; $sum($states.input.a) + $y + $map([1], function($q){ $q })) %}",
            },
        }
    }
    assert variable_references(definition) == {
        "A": ["b"], "C": ["answer", "guess"], "I": ["waitTime"], "J": ["z"]
    }  # fmt: skip
