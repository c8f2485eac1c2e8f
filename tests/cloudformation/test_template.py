"""The template language, as text cases: what a value comes to, and what AWS says of a template that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.services.cloudformation.api.requests import bucket_of
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template import document, extensions, parameters, references, sections
from forecourt.services.cloudformation.template.evaluate import UNKNOWN, evaluate
from forecourt.services.cloudformation.template.parameters import Given, Value
from forecourt.services.cloudformation.template.references import order
from forecourt.services.cloudformation.template.scope import Resources, StackScope, pseudo_parameters

_TEMPLATE = """
Parameters: {Word: {Type: String}, Many: {Type: CommaDelimitedList}}
Mappings: {Ages: {young: {low: 1, high: 17}}}
Conditions:
  Is: !Equals [!Ref Word, hello]
  Not: !Not [!Condition Is]
  Both: !And [!Condition Is, !Not [!Condition Not]]
  Either: !Or [!Condition Not, !Condition Is]
Resources: {R: {Type: AWS::SQS::Queue}}
"""


class _Made(Resources):
    def ref(self, name: str) -> Any:
        return {"R": "url", "New": UNKNOWN}[name]

    def attribute(self, name: str, attribute: str) -> Any:
        return UNKNOWN if name == "New" else f"{name}.{attribute}"


def _scope() -> StackScope:
    template = sections.read(document.parse(_TEMPLATE))
    values = {"Word": Value("hello", "hello"), "Many": Value("a,b", ["a", "b"])}
    pseudo = pseudo_parameters("123456789012", "eu-west-1", "id", "stack", [])
    return StackScope(template, values, pseudo, _Made(), lambda name: f"export of {name}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Word", "hello"),
        ("!Ref R", "url"),
        ("!Ref AWS::Region", "eu-west-1"),
        ("!GetAtt R.Arn", "R.Arn"),
        ("!GetAtt [R, Arn]", "R.Arn"),
        ("!Sub '${Word} ${R} ${R.Arn} ${AWS::AccountId} ${!Word}'", "hello url R.Arn 123456789012 ${Word}"),
        ("!Sub ['${a}-${Word}', {a: !Ref R}]", "url-hello"),
        ("!Join [':', [a, !Ref Word, 3, true]]", "a:hello:3:true"),
        ("!Join ['', !Ref Many]", "ab"),
        ("!Split ['-', a-b-c]", ["a", "b", "c"]),
        ("!Select [1, !Split ['-', a-b-c]]", "b"),
        ("!Select ['0', !GetAZs '']", "eu-west-1a"),
        ("!FindInMap [Ages, young, high]", 17),
        ("!FindInMap [Ages, old, high, {DefaultValue: none}]", "none"),
        ("!If [Is, 1, 2]", 1),
        ("!If [Not, 1, 2]", 2),
        ("{a: !If [Both, x, y], b: !If [Not, x, !Ref AWS::NoValue]}", {"a": "x"}),
        ("[1, !Ref AWS::NoValue, !If [Either, 2, 3]]", [1, 2]),
        ("!Base64 hi", "aGk="),
        ("!ImportValue other", "export of other"),
        ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
        ("{Fn::Length: !Ref Many}", 2),
        ("!ToJsonString {a: [1, !Ref Word]}", '{"a":[1,"hello"]}'),
        ("2012-10-17", "2012-10-17"),
        ("!Ref New", UNKNOWN),
        ("!Sub 'x${New.Arn}'", UNKNOWN),
        ("!Join [',', [a, !Ref New]]", UNKNOWN),
        ("!Select [0, [a, !Ref New]]", "a"),
    ],
)
def test_functions(text: str, value: Any) -> None:
    assert evaluate(document.parse(f"v: {text}")["v"], _scope()) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!Select [5, [a]]", "Template error: Fn::Select  cannot select nonexistent value at index 5"),
        ("!FindInMap [Ages, old, high]", "Template error: Unable to get mapping for Ages::old::high"),
        ("!Join [a]", "every Fn::Join object requires two parameters"),
        ("!Split ['', a]", "every Fn::Split object requires two parameters"),
        ("!Sub {a: b}", "One or more Fn::Sub intrinsic functions don't specify expected arguments"),
        ("!GetAtt R", "every Fn::GetAtt object requires two non-empty parameters"),
        ("!Cidr [10.0.0.0/30, 5, 1]", "Fn::Cidr cannot"),
        ("{Ref: [a]}", "every Ref object must have a single String value"),
    ],
)
def test_what_is_wrong_with_a_function(text: str, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        evaluate(document.parse(f"v: {text}")["v"], _scope())
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "Template format error: YAML not well-formed. (line "),
        ('{"a": ]}', "Template format error: JSON not well-formed. (line 1, column 7)"),
        ("- a", "Template format error: unsupported structure."),
        ("a: &x 1\nb: *x", "Template format error: YAML aliases are not allowed in CloudFormation templates"),
        ("Description: x", "At least one Resources member must be defined."),
        ("Resourcez: {}", "Invalid template property or properties [Resourcez]"),
        ("Resources: {R: {Properties: {}}}", "Every Resources object must contain a Type member."),
        ("Resources: {R: {Type: T, Nonsense: 1}}", "Invalid template resource property 'Nonsense'"),
        ("Resources: {R-1: {Type: T}}", "Resources name R-1 is non alphanumeric."),
        ("Resources: {R: {Type: T, Condition: C}}", "Unresolved condition dependency C in the Resources block"),
        ("Resources: {R: {Type: T, DependsOn: X}}", "Unresolved resource dependencies [X] in the Resources block"),
        ("Resources: {R: {Type: T, Properties: {a: !Ref X}}}", "Unresolved resource dependencies [X]"),
        ("Resources: {R: {Type: T, Properties: {a: !Sub '${X.Arn}'}}}", "Unresolved resource dependencies [X]"),
        ("Resources: {R: {Type: T}}\nOutputs: {O: {Value: !Ref X}}", "[X] in the Outputs block of the template"),
        ("Resources: {R: {Type: T}}\nOutputs: {O: {}}", "Output O is malformed. The Value field is missing."),
        (
            "Resources: {A: {Type: T, Properties: !Ref B}, B: {Type: T, DependsOn: A}, C: {Type: T, DependsOn: A}}",
            "Circular dependency between resources: [A, B]",
        ),
        ("AWSTemplateFormatVersion: 2011-01-01\nResources: {R: {Type: T}}", "unsupported value"),
    ],
)
def test_what_is_wrong_with_a_template(text: str, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        references.check(sections.read(document.parse(text)))
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("declared", "given_value", "message"),
    [
        ({"Type": "String"}, None, "Parameters: [P] must have values"),
        ({"Type": "String", "AllowedValues": ["a", 1]}, "b", "Parameter 'P' must be one of AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "Parameter 'P' must match pattern [a-z]+"),
        ({"Type": "String", "MinLength": 3}, "ab", "Parameter 'P' must contain at least 3 characters"),
        ({"Type": "String", "MaxLength": "1"}, "ab", "Parameter 'P' must contain at most 1 characters"),
        ({"Type": "Number"}, "x", "Parameter 'P' must be a number."),
        ({"Type": "Number", "MinValue": 3}, "2", "Parameter 'P' must be a number not less than 3"),
        ({"Type": "Number", "MaxValue": 3}, "4", "Parameter 'P' must be a number not greater than 3"),
        (
            {"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "an x"},
            "y",
            "Parameter 'P' failed to satisfy constraint: an x",
        ),
        (
            {"Type": "String"},
            Given(previous=True),
            "Cannot specify usePreviousValue as true for a parameter key not in",
        ),
    ],
)
def test_what_is_wrong_with_a_parameter(declared: dict[str, Any], given_value: Any, message: str) -> None:
    given_one = given_value if isinstance(given_value, Given) else Given(given_value)
    with pytest.raises(ValidationError) as raised:
        parameters.settle({"P": declared}, {"P": given_one})
    assert message in raised.value.message


def test_parameters_are_given_kept_or_their_default() -> None:
    declared = {"A": {"Type": "String"}, "B": {"Type": "Number", "Default": 3}, "C": {"Type": "List<Number>"}}
    given_ones = {"A": Given(previous=True), "C": Given("1, 2")}
    settled = parameters.settle(declared, given_ones, {"A": "kept"})
    assert settled == {"A": "kept", "B": "3", "C": "1, 2"}
    found = parameters.values(declared, settled, {})
    assert {name: value.value for name, value in found.items()} == {"A": "kept", "B": "3", "C": ["1", "2"]}


def test_for_each_writes_a_piece_once_for_each() -> None:
    body = document.parse("""
Resources:
  Fn::ForEach::Queues:
    - Name
    - !Ref Names
    - Queue${Name}:
        Type: AWS::SQS::Queue
        Properties: {QueueName: !Sub "x-${Name}", Fn::ForEach::Inner: [Key, [a, b], {"${Key}": !Ref Name}]}
""")
    found = extensions.expand(body, {"Names": "One,Two"})["Resources"]
    assert set(found) == {"QueueOne", "QueueTwo"}
    assert found["QueueTwo"]["Properties"] == {"QueueName": {"Fn::Sub": "x-Two"}, "a": "Two", "b": "Two"}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh"), max_size=3), max_size=8))
def test_the_order_puts_everything_behind_what_it_needs(edges: dict[str, set[str]]) -> None:
    names = sorted({*edges, *(other for needed in edges.values() for other in needed)})
    # Only backwards: no circle
    graph = {name: {other for other in edges.get(name, ()) if other < name} for name in names}
    found = order(graph)
    assert sorted(found) == names
    assert all(found.index(other) < found.index(name) for name, needed in graph.items() for other in needed)


@given(st.recursive(st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
def test_json_without_functions_is_what_it_is(value: Any) -> None:
    plain = json.loads(json.dumps(value).replace("Fn::", "").replace("Ref", "").replace("Condition", ""))
    assert evaluate(plain, _scope()) == plain


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://s3.amazonaws.com/bucket/a/b.yaml", ("bucket", "a/b.yaml")),
        ("https://s3.eu-west-1.amazonaws.com/bucket/b.yaml", ("bucket", "b.yaml")),
        ("https://bucket.s3.amazonaws.com/b.yaml", ("bucket", "b.yaml")),
        ("https://my.bucket.s3.eu-west-1.amazonaws.com/a%20b", ("my.bucket", "a b")),
        ("https://bucket.s3-eu-west-1.amazonaws.com/b", ("bucket", "b")),
        ("http://bucket.s3.localhost:4566/b", ("bucket", "b")),
        ("http://127.0.0.1:4566/bucket/b", ("bucket", "b")),
    ],
)
def test_the_address_of_a_template_names_a_bucket(url: str, where: tuple[str, str]) -> None:
    assert bucket_of(url) == where


@pytest.mark.parametrize("url", ["ftp://s3.amazonaws.com/bucket/b", "https://s3.amazonaws.com/bucket", "nonsense"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="TemplateURL must be a supported URL"):
        bucket_of(url)


def test_loops_in_loops_have_an_end() -> None:
    body: Any = {"Key": "x"}
    for name in ("A", "B", "C", "D"):
        body = {f"Fn::ForEach::{name}": [name, [str(n) for n in range(20)], {f"${{{name}}}": body}]}
    with pytest.raises(ValidationError, match="may write 2000 pieces at most"):
        extensions.expand({"Resources": body}, {})


def test_what_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(ValidationError, match="nesting is too deep"):
        document.parse('{"a":' * 200 + "1" + "}" * 200)


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Sub": "${Long}" * 100},
        {"Fn::Join": ["", [{"Ref": "Long"}] * 100]},
        {"Fn::Join": ["x" * 100_000, ["a"] * 100]},
        {"Fn::ToJsonString": [{"Ref": "Long"}] * 100},
    ],
    ids=["sub", "join", "delimiter", "json"],
)
def test_a_short_template_makes_no_endless_text(value: Any) -> None:
    template = sections.read(document.parse(_TEMPLATE))
    scope = StackScope(template, {"Long": Value("", "x" * 100_000)}, {})
    with pytest.raises(ValidationError, match="longer than 2000000 characters"):
        evaluate(value, scope)
