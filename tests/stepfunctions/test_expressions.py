"""JSONPath, intrinsic functions, payload templates, choice rules and JSONata, case by case."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forecourt.services.stepfunctions.asl.chance import Chance
from forecourt.services.stepfunctions.asl.choice import compile_rule
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.intrinsics import compile_intrinsic
from forecourt.services.stepfunctions.asl.jsonata import compile_expression
from forecourt.services.stepfunctions.asl.jsonpath import MISSING, assign_path, compile_path
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.asl.template import compile_template

from .text import Line, json, lines, name

CONTEXT = {"Execution": {"Id": "arn", "Name": "run"}, "State": {"Name": "S"}}
VARIABLES = {"n": 3, "list": [1, 2], "who": {"name": "Ada"}}


def scope(input: object) -> Scope:
    return Scope(input, VARIABLES, Chance(b"seed" * 4), lambda: CONTEXT, 1_700_000_000.0)


def check(actual: object, expected: str) -> None:
    assert msgspec.json.encode(actual).decode() == msgspec.json.encode(json(expected)).decode()


PATHS = lines(r"""
$ | {"a":1} => {"a":1}
$.a | {"a":1} => 1
$.a.b | {"a":{"b":[1,2]}} => [1,2]
$['a'] | {"a":1} => 1
$["a b"]['c.d'] | {"a b":{"c.d":7}} => 7
$['it\'s'] | {"it's":1} => 1
$.a-b_c | {"a-b_c":1} => 1
$.größe | {"größe":4} => 4
$[0] | [5,6] => 5
$[-1] | [5,6] => 6
$.a[1].b | {"a":[{"b":1},{"b":2}]} => 2
$.[0] | [9] => 9
$.a[0,2] | {"a":[1,2,3]} => [1,3]
$.a[1:] | {"a":[1,2,3]} => [2,3]
$.a[:2] | {"a":[1,2,3]} => [1,2]
$.a[-2:] | {"a":[1,2,3]} => [2,3]
$.a[0:3:2] | {"a":[1,2,3]} => [1,3]
$.a[*] | {"a":[1,2]} => [1,2]
$.* | {"a":1,"b":2} => [1,2]
$.a[*].b | {"a":[{"b":1},{"c":2},{"b":3}]} => [1,3]
$['a','b'] | {"a":1,"b":2,"c":3} => {"a":1,"b":2}
$..b | {"b":1,"a":{"b":2,"c":[{"b":3}]}} => [1,2,3]
$..* | {"a":[1]} => [[1],1]
$..a[0] | {"x":{"a":[1]},"a":[2]} => [2,1]
$.a[?(@.x > 1)] | {"a":[{"x":1},{"x":2}]} => [{"x":2}]
$.a[?(@.x >= 1 && @.y == 'q')].x | {"a":[{"x":1,"y":"q"},{"x":2}]} => [1]
$.a[?(@.x == 1 || @.x == 3)].x | {"a":[{"x":1},{"x":2},{"x":3}]} => [1,3]
$.a[?(@.x)].x | {"a":[{"x":null},{"y":2}]} => [null]
$.a[?(!@.x)] | {"a":[{"x":1},{"y":2}]} => [{"y":2}]
$.a[?(@.x != 1)] | {"a":[{"x":1},{"x":2}]} => [{"x":2}]
$.a[?(@.x =~ /b.*/i)].x | {"a":[{"x":"Bob"},{"x":"al"}]} => ["Bob"]
$.a[?(@.x =~ /[A-C].b/ && @.y =~ /a\/b/)].x | {"a":[{"x":"Bob","y":"a/b"},{"x":"al","y":"a/b"}]} => ["Bob"]
$.a[?(@.x in ['p','q'])].x | {"a":[{"x":"p"},{"x":"r"}]} => ["p"]
$.a[?(@.x nin [1])].x | {"a":[{"x":1},{"x":2}]} => [2]
$.a[?(@.t contains 'n')].x | {"a":[{"x":1,"t":["n"]},{"x":2,"t":[]}]} => [1]
$.a[?(@.t size 2)].x | {"a":[{"x":1,"t":[1,2]},{"x":2,"t":[]}]} => [1]
$.a[?(@.t empty true)].x | {"a":[{"x":1,"t":[1]},{"x":2,"t":[]}]} => [2]
$.a[?(@.t subsetof [1,2,3])].x | {"a":[{"x":1,"t":[1,2]},{"x":2,"t":[4]}]} => [1]
$.a[?(@ > $.m)] | {"a":[1,5,9],"m":4} => [5,9]
$.a[?(@.Name==Receipt)] | {"a":[{"Name":"Receipt"}]} => [{"Name":"Receipt"}]
$.a[?((@.x == 1) && !(@.y))].x | {"a":[{"x":1,"y":1},{"x":1}]} => [1]
$.a[?(@['x y'] == true)] | {"a":[{"x y":true},{"x y":"true"}]} => [{"x y":true}]
$.a.length() | {"a":[1,2,3]} => 3
$.a.min() | {"a":[3,1,2]} => 1
$.a.max() | {"a":[3,1,2]} => 3
$.a.sum() | {"a":[3,1,2]} => 6
$.a.avg() | {"a":[3,1,2]} => 2.0
$.a.keys() | {"a":{"x":1,"y":2}} => ["x","y"]
$..x.length() | {"x":1,"a":{"x":2}} => 2
$.a | {} => "MISSING"
$.a.b | {"a":1} => "MISSING"
$[3] | [1] => "MISSING"
$.a[*] | {} => "MISSING"
$.a[?(@.x)] | {"a":[]} => []
$.a[5:9] | {"a":[1]} => []
""")


@pytest.mark.parametrize("case", PATHS, ids=name)
def test_jsonpath(case: Line) -> None:
    found = compile_path(case.what).find(json(case.input))
    check("MISSING" if found is MISSING else found, case.expected)


@pytest.mark.parametrize(
    "text",
    ["", "a", "$.", "$a", "$.a[", "$.a['x]", "$[?(@.x == )]", "$[?(@.x", "$.a[x]", "$[1:2:0]", "$.a.nope()", "$..",
     "$[?(@.a =~ /(/)]", "$[?" + "(" * 100 + "]"],
)  # fmt: skip
def test_a_bad_path_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError):
        compile_path(text)


WRITES = lines("""
$ | {"a":1} => 7
$.r | {"a":1} => {"a":1,"r":7}
$.a | {"a":1} => {"a":7}
$.x.y.z | {} => {"x":{"y":{"z":7}}}
$.a[1] | {"a":[1,2,3]} => {"a":[1,7,3]}
$.a[0].b | {"a":[{"c":1}]} => {"a":[{"c":1,"b":7}]}
$.a[5] | {"a":[1]} => "refused"
$.a.b | {"a":[1]} => "refused"
$.a | [1] => "refused"
""")


@pytest.mark.parametrize("case", WRITES, ids=name)
def test_reference_paths_write(case: Line) -> None:
    input = json(case.input)
    before = msgspec.json.encode(input)
    try:
        result: object = assign_path(input, compile_path(case.what), 7)
    except LookupError:
        result = "refused"
    check(result, case.expected)
    assert msgspec.json.encode(input) == before, "the input is shared and must not change"


FUNCTIONS = lines(r"""
States.Format('Hello, {}.', $.name) | {"name":"Ada"} => "Hello, Ada."
States.Format('{} {} {}', $.a, $.b, $.c) | {"a":1,"b":null,"c":true} => "1 null true"
States.Format('{}', $.o) | {"o":{"x":[1]}} => "{\"x\":[1]}"
States.Format('It\'s {}', 1.5) | {} => "It's 1.5"
States.Format('\{\} {}', 'x') | {} => "{} x"
States.Format('plain') | {} => "plain"
States.Format('a\\{}', 1) | {} => "a\\1"
States.Format('{}', $.v) | {"v":"\\{x\\}"} => "\\{x\\}"
States.Format($.t, 1) | {"t":"\\{\\}{}"} => "{}1"
States.Array('a\\b', 'it\'s', '\{\}') | {} => ["a\\b","it's","{}"]
States.Format('{}', $$.Execution.Name) | {} => "run"
States.Format('{}', $who.name) | {} => "Ada"
States.Format('{}', States.Format('{}', 'in')) | {} => "in"
States.StringToJson('{"a":[1,2]}') | {} => {"a":[1,2]}
States.StringToJson($.s) | {"s":"5"} => 5
States.JsonToString($.o) | {"o":{"a":1}} => "{\"a\":1}"
States.Array() | {} => []
States.Array(1, 'a', $.x, null, false) | {"x":[2]} => [1,"a",[2],null,false]
States.ArrayPartition($.a, 2) | {"a":[1,2,3]} => [[1,2],[3]]
States.ArrayPartition($.a, 4) | {"a":[1]} => [[1]]
States.ArrayPartition($.a, 4) | {"a":[]} => []
States.ArrayContains($.a, 2) | {"a":[1,2]} => true
States.ArrayContains($.a, $.o) | {"a":[{"x":1}],"o":{"x":1}} => true
States.ArrayContains($.a, '2') | {"a":[1,2]} => false
States.ArrayContains($.a, $.b) | {"a":[{"x":1,"y":2}],"b":{"y":2,"x":1}} => true
States.ArrayUnique($.a) | {"a":[{"x":1,"y":2},{"y":2,"x":1}]} => [{"x":1,"y":2}]
States.ArrayRange(1, 9, 2) | {} => [1,3,5,7,9]
States.ArrayRange(5, 1, 1) | {} => []
States.ArrayRange(5, 1, -2) | {} => [5,3,1]
States.ArrayRange(1, 1, 1) | {} => [1]
States.ArrayGetItem($.a, 1) | {"a":[1,2]} => 2
States.ArrayLength($.a) | {"a":[1,2]} => 2
States.ArrayLength($.a) | {"a":[]} => 0
States.ArrayUnique($.a) | {"a":[1,2,1,"1",{"x":1},{"x":1}]} => [1,2,"1",{"x":1}]
States.Base64Encode('Data to encode') | {} => "RGF0YSB0byBlbmNvZGU="
States.Base64Decode('RGVjb2RlZCBkYXRh') | {} => "Decoded data"
States.Base64Decode('/w==') | {} => "\ufffd"
States.StringSplit(',a,,b,', ',') | {} => ["a","b"]
States.Hash('x', 'MD5') | {} => "9dd4e461268c8034f5c8564e155c67a6"
States.Hash('x', 'SHA-1') | {} => "11f6ad8ec52a2984abaafd7c3b516503785c2072"
States.Hash('x', 'SHA-256') | {} => "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
States.JsonMerge($.a, $.b, false) | {"a":{"x":1,"y":{"p":1}},"b":{"y":{"q":2}}} => {"x":1,"y":{"q":2}}
States.MathAdd($.v, 1) | {"v":41} => 42
States.MathAdd(1.4, 1.4) | {} => 2
States.MathAdd(-1.49, -1.5) | {} => -2
States.MathAdd(-1.5, -1.51) | {} => -3
States.MathAdd(0.5, 2.5) | {} => 4
States.ArrayGetItem($.a, 0.5) | {"a":[1,2]} => 2
States.MathRandom(5, 6) | {} => 5
States.StringSplit('1,2,3', ',') | {} => ["1","2","3"]
States.StringSplit('a-b+c', '-+') | {} => ["a","b","c"]
States.StringSplit('abc', '/') | {} => ["abc"]
States.ArrayLength(States.ArrayRange(1, 1000, 1)) | {} => 1000
States.Array($.a[?(@.x == 1)].y) | {"a":[{"x":1,"y":2}]} => [[2]]
""")


@pytest.mark.parametrize("case", FUNCTIONS, ids=name)
def test_intrinsic_functions(case: Line) -> None:
    input = json(case.input)
    check(compile_intrinsic(case.what)(scope(input), input), case.expected)


FAILURES = lines("""
States.Format('{}', $.nope) | {"other":1} => States.Runtime The function 'States.Format('{}', $.nope)' had the following error: The JsonPath argument for the field '$.nope' could not be found in the input '{"other":1}'
States.Format('{}', $.items[5]) | {"items":[1]} => States.Runtime The function 'States.Format('{}', $.items[5])' had the following error: The JsonPath argument for the field '$.items[5]' could not be found in the input '{"items":[1]}'
States.Format('{} {}', 1) | {} => States.IntrinsicFailure
States.StringToJson('{') | {} => States.IntrinsicFailure
States.ArrayGetItem($.a, 2) | {"a":[1]} => States.IntrinsicFailure
States.ArrayGetItem($.a, -1) | {"a":[1]} => States.IntrinsicFailure
States.ArrayLength('x') | {} => States.IntrinsicFailure
States.ArrayPartition($.a, 0) | {"a":[1]} => States.IntrinsicFailure
States.ArrayRange(1, 5000, 1) | {} => States.IntrinsicFailure
States.ArrayRange(1, 5, 0) | {} => States.IntrinsicFailure
States.ArrayRange(0, 1e300, 1) | {} => States.IntrinsicFailure
States.Hash('x', $.a) | {"a":["MD5"]} => States.IntrinsicFailure
States.StringToJson(5) | {} => States.IntrinsicFailure The function 'States.StringToJson(5)' had the following error: The value for the string argument must be a string
States.Base64Decode('é') | {} => States.IntrinsicFailure
States.Base64Decode('?') | {} => States.IntrinsicFailure
States.Hash('x', 'CRC') | {} => States.IntrinsicFailure
States.JsonMerge($.a, $.a, true) | {"a":{}} => States.IntrinsicFailure
States.JsonMerge($.a, 1, false) | {"a":{}} => States.IntrinsicFailure
States.MathRandom(3, 3) | {} => States.IntrinsicFailure
States.MathAdd('1', 1) | {} => States.IntrinsicFailure
""")  # noqa: E501


@pytest.mark.parametrize("case", FAILURES, ids=name)
def test_intrinsic_failures(case: Line) -> None:
    input = json(case.input)
    with pytest.raises(StatesError) as raised:
        compile_intrinsic(case.what)(scope(input), input)
    error, _, cause = case.expected.partition(" ")
    assert raised.value.error == error
    assert raised.value.cause == cause or not cause


@pytest.mark.parametrize(
    "text",
    ["States.Nope()", "States.Format(", "States.Format('a", "States.UUID(1)", "States.Array(1,)", "States.Hash('a')",
     "x", r"States.Format('\q')", r"States.Array('\"')", "States.Format('a') b", "States.Array(" * 12 + ")" * 12],
)  # fmt: skip
def test_a_bad_function_call_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError):
        compile_intrinsic(text)


def test_random_values_repeat_with_the_seed_and_differ_from_each_other() -> None:
    draw = compile_intrinsic("States.Array(States.UUID(), States.UUID(), States.MathRandom(0, 1000000))")
    first, again = draw(scope({}), {}), draw(scope({}), {})
    assert first == again
    assert first[0] != first[1]
    assert 0 <= first[2] < 1_000_000
    seeded = compile_intrinsic("States.MathRandom(1, 999, 5)")
    assert seeded(scope({}), {}) == seeded(Scope({}, {}, Chance(b"other" * 3), dict), {})


TEMPLATES = lines("""
{"a":1} | {"x":2} => {"a":1}
{"a.$":"$.x"} | {"x":2} => {"a":2}
{"a":{"b.$":"$","c":[1,{"d.$":"$.x"}]}} | {"x":2} => {"a":{"b":{"x":2},"c":[1,{"d":2}]}}
{"a.$":"$$.Execution.Id"} | {} => {"a":"arn"}
{"a.$":"$list[1]"} | {} => {"a":2}
{"a.$":"$n"} | {} => {"a":3}
{"a.$":"States.Array($.x)"} | {"x":2} => {"a":[2]}
{"a.$":"$.items[5]"} | {"items":[1]} => {"a":null}
{"a":"$.x"} | {"x":2} => {"a":"$.x"}
{"a.$":"$.x[*].y"} | {"x":[{"y":1},{"y":2}]} => {"a":[1,2]}
""")


@pytest.mark.parametrize("case", TEMPLATES, ids=name)
def test_payload_templates(case: Line) -> None:
    input = json(case.input)
    check(compile_template(json(case.what)).build(scope(input), input), case.expected)


def test_a_template_names_the_field_whose_path_finds_nothing() -> None:
    with pytest.raises(StatesError) as raised:
        compile_template({"a": {"b.$": "$.x"}}).build(scope({"y": 1}), {"y": 1})
    assert raised.value.error == "States.Runtime"
    assert raised.value.cause == (
        """The JSONPath '$.x' specified for the field 'b.$' could not be found in the input '{"y":1}'"""
    )


RULES = lines(r"""
{"Variable":"$.v","StringEquals":"a"} | {"v":"a"} => true
{"Variable":"$.v","StringEquals":"a"} | {"v":1} => false
{"Variable":"$.v","StringEqualsPath":"$.w"} | {"v":"a","w":"a"} => true
{"Variable":"$.v","StringLessThan":"b"} | {"v":"a"} => true
{"Variable":"$.v","StringLessThanPath":"$.w"} | {"v":"b","w":"a"} => false
{"Variable":"$.v","StringGreaterThan":"a"} | {"v":"b"} => true
{"Variable":"$.v","StringGreaterThanPath":"$.w"} | {"v":"b","w":"a"} => true
{"Variable":"$.v","StringLessThanEquals":"a"} | {"v":"a"} => true
{"Variable":"$.v","StringLessThanEqualsPath":"$.w"} | {"v":"b","w":"a"} => false
{"Variable":"$.v","StringGreaterThanEquals":"b"} | {"v":"a"} => false
{"Variable":"$.v","StringGreaterThanEqualsPath":"$.w"} | {"v":"a","w":"a"} => true
{"Variable":"$.v","StringMatches":"*.log"} | {"v":"zebra.log"} => true
{"Variable":"$.v","StringMatches":"log-*.txt"} | {"v":"log-2023.txt"} => true
{"Variable":"$.v","StringMatches":"a*b*c"} | {"v":"a1b2b3c"} => true
{"Variable":"$.v","StringMatches":"a*b"} | {"v":"ab"} => true
{"Variable":"$.v","StringMatches":"a*a"} | {"v":"a"} => false
{"Variable":"$.v","StringMatches":"a\\*b"} | {"v":"a*b"} => true
{"Variable":"$.v","StringMatches":"a\\*b"} | {"v":"axb"} => false
{"Variable":"$.v","StringMatches":"a\\\\b"} | {"v":"a\\b"} => true
{"Variable":"$.v","StringMatches":"*"} | {"v":""} => true
{"Variable":"$.v","NumericEquals":1} | {"v":1.0} => true
{"Variable":"$.v","NumericEquals":1} | {"v":"1"} => false
{"Variable":"$.v","NumericEquals":1} | {"v":true} => false
{"Variable":"$.v","NumericEqualsPath":"$.w"} | {"v":1,"w":2} => false
{"Variable":"$.v","NumericLessThan":2} | {"v":1} => true
{"Variable":"$.v","NumericLessThanPath":"$.w"} | {"v":1,"w":2} => true
{"Variable":"$.v","NumericGreaterThan":2} | {"v":1} => false
{"Variable":"$.v","NumericGreaterThanPath":"$.w"} | {"v":3,"w":2} => true
{"Variable":"$.v","NumericLessThanEquals":1} | {"v":1} => true
{"Variable":"$.v","NumericLessThanEqualsPath":"$.w"} | {"v":3,"w":2} => false
{"Variable":"$.v","NumericGreaterThanEquals":1} | {"v":0.5} => false
{"Variable":"$.v","NumericGreaterThanEqualsPath":"$.w"} | {"v":2,"w":2} => true
{"Variable":"$.v","BooleanEquals":true} | {"v":true} => true
{"Variable":"$.v","BooleanEquals":true} | {"v":"true"} => false
{"Variable":"$.v","BooleanEqualsPath":"$.w"} | {"v":false,"w":false} => true
{"Variable":"$.v","TimestampEquals":"2020-01-01T00:00:00Z"} | {"v":"2020-01-01T01:00:00+01:00"} => true
{"Variable":"$.v","TimestampEqualsPath":"$.w"} | {"v":"2020-01-01T00:00:00Z","w":"x"} => false
{"Variable":"$.v","TimestampLessThan":"2020-01-01T00:00:00Z"} | {"v":"2019-12-31T23:59:59.999Z"} => true
{"Variable":"$.v","TimestampLessThanPath":"$.w"} | {"v":"2020-01-01T00:00:00Z","w":"2021-01-01T00:00:00Z"} => true
{"Variable":"$.v","TimestampGreaterThan":"2020-01-01T00:00:00Z"} | {"v":"2020-01-01T00:00:00Z"} => false
{"Variable":"$.v","TimestampGreaterThanPath":"$.w"} | {"v":"2022-01-01T00:00:00Z","w":"2021-01-01T00:00:00Z"} => true
{"Variable":"$.v","TimestampLessThanEquals":"2020-01-01T00:00:00Z"} | {"v":"2020-01-01T00:00:00Z"} => true
{"Variable":"$.v","TimestampLessThanEqualsPath":"$.w"} | {"v":5,"w":"2021-01-01T00:00:00Z"} => false
{"Variable":"$.v","TimestampGreaterThanEquals":"2020-01-01T00:00:00Z"} | {"v":"2020-01-01"} => false
{"Variable":"$.v","TimestampGreaterThanEqualsPath":"$.w"} | {"v":"2021-01-01T00:00:00Z","w":"2021-01-01T00:00:00Z"} => true
{"Variable":"$.v","IsNull":true} | {"v":null} => true
{"Variable":"$.v","IsNull":false} | {"v":1} => true
{"Variable":"$.v","IsPresent":true} | {} => false
{"Variable":"$.v","IsPresent":false} | {} => true
{"Variable":"$.v","IsPresent":true} | {"v":null} => true
{"Variable":"$.v","IsNumeric":true} | {"v":1.5} => true
{"Variable":"$.v","IsNumeric":true} | {"v":true} => false
{"Variable":"$.v","IsString":true} | {"v":""} => true
{"Variable":"$.v","IsBoolean":true} | {"v":false} => true
{"Variable":"$.v","IsTimestamp":true} | {"v":"2020-01-01T00:00:00Z"} => true
{"Variable":"$.v","IsTimestamp":true} | {"v":"2020-13-01T00:00:00Z"} => false
{"And":[{"Variable":"$.v","IsPresent":true},{"Variable":"$.v","NumericEquals":1}]} | {"v":1} => true
{"And":[{"Variable":"$.v","IsPresent":true},{"Variable":"$.v","NumericEquals":1}]} | {} => false
{"Or":[{"Variable":"$.v","NumericEquals":2},{"Variable":"$.v","NumericEquals":1}]} | {"v":1} => true
{"Not":{"Variable":"$.v","NumericEquals":2}} | {"v":1} => true
{"Not":{"And":[{"Variable":"$.v","IsNumeric":true},{"Not":{"Variable":"$.v","NumericEquals":1}}]}} | {"v":1} => true
{"Variable":"$n","NumericEquals":3} | {} => true
{"Variable":"$$.State.Name","StringEquals":"S"} | {} => true
""")  # noqa: E501


@pytest.mark.parametrize("case", RULES, ids=name)
def test_choice_rules(case: Line) -> None:
    input = json(case.input)
    check(compile_rule(json(case.what))(scope(input), input), case.expected)  # type: ignore[arg-type]


def test_a_rule_about_nothing_is_an_error() -> None:
    with pytest.raises(StatesError) as raised:
        compile_rule({"Variable": "$.jobs[0].done", "BooleanEquals": True})(scope({}), {})
    assert raised.value.error == "States.Runtime"
    assert raised.value.cause == (
        "Invalid path '$.jobs[0].done': The choice state's condition path references an invalid value."
    )


def test_string_matches_never_backtracks() -> None:
    rule = compile_rule({"Variable": "$.v", "StringMatches": "*a" * 200 + "b"})
    assert rule(scope({"v": "a" * 50_000}), {"v": "a" * 50_000}) is False


JSONATA = lines(r"""
$states.input | {"a":1} => {"a":1}
$states.input.a.b | {"a":{"b":2}} => 2
$states.input.a.b | {"a":[{"b":1},{"b":2}]} => [1,2]
$states.input.a[b=2].c | {"a":[{"b":2,"c":5}]} => 5
$states.input.n | {"n":null} => null
$states.input.l | {"l":[]} => []
$n + 1 | {} => 4
$who.name & '!' | {} => "Ada!"
$states.context.Execution.Name | {} => "run"
$sum($list) | {} => 3
$count($states.input.a) | {"a":[1,2,3]} => 3
5.5 % 2 | {} => 1.5
$string(5890840712243076) & '' & 1e20 | {} => "5890840712243076100000000000000000000"
$sort([{"k":1,"v":"a"},{"k":1,"v":"b"},{"k":0,"v":"c"}], function($a,$b){$a.k > $b.k}).v | {} => ["c","a","b"]
$replace('68F', /(\d+)F/, function($m){ $m.groups[0] & 'K' }) | {} => "68K"
$length("\uD834\uDD1E") | {} => 1
$join('a', ',') | {} => "a"
($f := function($n){ $n = 0 ? 0 : 1 + $f($n - 1) }; $f(90)) | {} => 90
$map([1..3], function($x){ $x * 2 }) | {} => [2,4,6]
$filter($states.input.a, function($x){ $x > 1 }) | {"a":[1,2,3]} => [2,3]
$reduce([1..4], function($p,$c){ $p * $c }) | {} => 24
($x := 2; $y := $x * 3; $y + 1) | {} => 7
$states.input.v > 3 ? 'big' : 'small' | {"v":5} => "big"
{'a': $states.input.v, 'b': [1, $n]} | {"v":5} => {"a":5,"b":[1,3]}
$merge([$states.input, {'z': 1}]) | {"a":1} => {"a":1,"z":1}
$exists($states.input.q) | {} => false
$states.input.a ~> $sum() | {"a":[1,2]} => 3
$string($states.input) | {"a":[1,null]} => "{\"a\":[1,null]}"
$parse('{"a":[1,null]}') | {} => {"a":[1,null]}
$partition([1,2,3,4,5], 2) | {} => [[1,2],[3,4],[5]]
$range(1, 9, 2) | {} => [1,3,5,7,9]
$range(3, 1, -1) | {} => [3,2,1]
$count($map([1,2], $uuid)) | {} => 2
$count($shuffle([1,2,3])) | {} => 3
$hash('x', 'SHA-256') | {} => "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
$now() | {} => "2023-11-14T22:13:20.000Z"
$millis() | {} => 1700000000000
$length($uuid()) | {} => 36
$random() < 1 and $random() >= 0 | {} => true
$random(7) = $random(7) | {} => true
$contains('abracadabra', /a.*a/) | {} => true
$replace('ab ab', 'a', 'x') | {} => "xb xb"
$join(['a','b'], '-') | {} => "a-b"
$split('a,b', ',') | {} => ["a","b"]
$pad('a', 3, '.') | {} => "a.."
$uppercase('x') & $lowercase('Y') | {} => "Xy"
$round(2.567, 1) | {} => 2.6
$number('12') | {} => 12
$toMillis('1970-01-01T00:00:01Z') | {} => 1000
$sort([3,1,2]) | {} => [1,2,3]
$distinct([1,1,2]) | {} => [1,2]
$lookup({'a': 1}, 'a') | {} => 1
$states.input.**.b | {"a":{"b":1},"c":{"b":2}} => [1,2]
10 / 4 | {} => 2.5
'a' in ['a','b'] | {} => true
$type(null) | {} => "null"
""")


@pytest.mark.parametrize("case", JSONATA, ids=name)
def test_jsonata(case: Line) -> None:
    check(compile_expression("{% " + case.what + " %}").evaluate(scope(json(case.input)), "Output"), case.expected)


HOSTILE = [
    "($f := function($n){ $f($n + 1) }; $f(0))",
    "($f := function($n){ 1 + $f($n + 1) }; $f(0))",
    "($d := function($x, $n){ $n = 0 ? $x : $d($x & $x, $n - 1) }; $length($d('aaaaaaaa', 60)))",
    "($d := function($x, $n){ $n = 0 ? $x : $d($append($x, $x), $n - 1) }; $count($d([1,2,3], 60)))",
    "($d := function($x, $n){ $n = 0 ? $x : $d({'a': $x, 'b': $x}, $n - 1) }; $d(1, 40))",
    "$sum([1..9999999])",
    "$range(0, 1000000000, 1)",
    "$pad('a', 1000000000)",
    "$replace($pad('a', 900000), 'a', $pad('b', 900000))",
    "$eval('1+1')",
    "$error('no')",
    "$$",
    "$states.input.nope",
    "function($x){ $x }",
    "1 + 'a'",
    "$number('x')",
    "$contains($pad('', 60, 'a'), /^(a|aa)+c?b$/)",
    "$count($map([1..100000], function($i){ $contains($pad('', 22, 'a') & 'b', /^(a|a)+$/) }))",
    "$count($map([1..9999], function($i){ $pad('', 900000, 'x') }))",
    "$length($string($map([1..9999], function($i){ $states.input.big })))",
    "$length($join($map([1..9999], function($i){ $states.input.big })))",
    "$map([1..9999], function($i){ $states.input.big })",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_jsonata_that_does_not_end_well_fails_soon(text: str) -> None:
    with pytest.raises(StatesError) as raised:
        compile_expression("{% " + text + " %}").evaluate(scope({"big": "x" * 9_000}), "Output/a[0]")
    assert raised.value.error == "States.QueryEvaluationError"
    assert raised.value.location == "Output/a[0]"
    assert raised.value.cause.startswith(f"The JSONata expression '{text}' specified for the field 'Output/a[0]' ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('$replace("265USD", /([0-9]+)USD/, "$0$1$2")', "265USD265"),
        ('$replace("abcdefghijklmno", /xyz/, "$8$12")', "abcdefghijklmno"),
        ('$replace("abcdefghijklmno", /(ijk)/, "$8$5$12$12$18$123")', "abcdefghijk2ijk2ijk8ijk23lmno"),
        ('$replace("a1b2", /[0-9]/, function($m){ "<" & $m.match & ">" }, 1)', "a<1>b2"),
        ('$replace("aaa", /a/, "b$0", 2)', "babaa"),
        ('$match("ab", /(?<first>a)(b)/).groups', ["a", "b"]),
        ('$split("a1b22c", /[0-9]+/)', ["a", "b", "c"]),
    ],
)
def test_patterns_of_jsonata(text: str, value: Any) -> None:
    assert compile_expression("{% " + text + " %}").evaluate(scope({}), "Output") == value


CAUSES = lines("""
$sum(['x']) | {} => . T0412: Argument 1 of function "sum" must be an array of "numbers"
$abs('x') | {} => . T0410: Argument 1 of function "abs" does not match function signature
'a' < 1 | {} => . T2009: The values "a" and 1 either side of operator "<" must be of the same data type
1 / 0 | {} => . D1001: Number out of range: Infinity
$number('x') | {} => . D3030: Unable to cast value to a number: "x"
$error('boom') | {} => . D3137: boom
$random('x') | {} => . T0410: Argument 1 of function "random" does not match function signature
$range(1, 5, 0) | {} => : The third argument of $range must not be 0
$partition([1], 0) | {} => : The second argument of $partition must be a positive number
$parse('{') | {} => : The argument of $parse must be valid JSON
$hash('x', 'CRC') | {} => : $hash does not know the algorithm CRC
$eval('1') | {} => : $eval is not supported in Step Functions
""")


@pytest.mark.parametrize("case", CAUSES, ids=name)
def test_what_the_cause_says_of_a_failed_evaluation(case: Line) -> None:
    with pytest.raises(StatesError) as raised:
        compile_expression("{% " + case.what + " %}").evaluate(scope({}), "Output")
    sentence = f"The JSONata expression '{case.what}' specified for the field 'Output' threw an error during evaluation"
    said = raised.value.cause.removeprefix(sentence)
    assert said == case.expected


@pytest.mark.parametrize(
    "text",
    [
        "a[1,2)",
        '"unterminated',
        "1 +",
        '{"a":}',
        "$x :=",
        '$match("a", /abc',
        "(" * 3000,
        "/(/",
        "[1!2]",
        "1 /* open",
    ],
)
def test_jsonata_that_does_not_parse_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError):
        compile_expression("{%" + text + "%}")
