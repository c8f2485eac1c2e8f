"""Laws of the policy language that hold for any policy and any request."""

from __future__ import annotations

import fnmatch
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecourt.auth.policy import (
    OPERATORS,
    Effect,
    Policy,
    PolicyInvalid,
    PolicySet,
    Request,
    compile_policy,
    context_of,
    evaluate,
)
from forecourt.auth.policy.conditions import ConditionInvalid, compile_condition
from forecourt.auth.policy.pattern import wildcard
from forecourt.base.principal import Principal

ANN = Principal(
    kind="user", account="111122223333", arn="arn:aws:iam::111122223333:user/ann", user_id="AIDA1", name="ann"
)
ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]
RESOURCES = ["arn:aws:s3:::b/k", "arn:aws:s3:::c/k", "arn:aws:sqs:eu-west-1:111122223333:q"]

statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.sampled_from([*ACTIONS, "s3:*", "*", ["s3:Get*", "sqs:*"]]),
        "Resource": st.sampled_from([*RESOURCES, "*", "arn:aws:s3:::b/*", "arn:aws:s3:::${k}/*"]),
    },
    optional={
        "Condition": st.dictionaries(
            st.sampled_from(
                [
                    "StringEquals",
                    "StringNotEquals",
                    "StringLike",
                    "ForAnyValue:StringEquals",
                    "StringEqualsIfExists",
                    "ForAllValues:StringEquals",
                ]
            ),
            st.dictionaries(
                st.sampled_from(["k", "l"]), st.sampled_from(["a", "b", ["a", "b"]]), min_size=1, max_size=2
            ),
            max_size=2,
        ),
    },
)
documents = st.lists(statements, max_size=5).map(lambda found: {"Version": "2012-10-17", "Statement": found})
contexts = st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["a", "b", "c", ("a", "c")]))
requests = st.builds(
    lambda action, resource, context: Request(action, resource, context_of(context), ANN),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    contexts,
)
policies = documents.map(lambda document: compile_policy(document, "identity"))
policy_sets = st.tuples(
    st.lists(policies, max_size=3), st.none() | policies, st.none() | st.lists(policies, max_size=2)
).map(lambda layers: PolicySet(identity=layers[0], boundary=layers[1], session=layers[2]))

DENY_ALL = compile_policy({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})


@given(policy_sets, requests)
def test_a_deny_in_any_layer_wins(found: PolicySet, request: Request) -> None:
    for denied in (
        found._replace(identity=[*found.identity, DENY_ALL]),
        found._replace(boundary=DENY_ALL),
        found._replace(session=[*(found.session or []), DENY_ALL]),
        found._replace(resource=DENY_ALL),
    ):
        assert evaluate(request, denied).effect is Effect.EXPLICIT_DENY


@given(st.lists(documents, max_size=4), requests, st.randoms())
def test_order_does_not_matter(found: list[dict], request: Request, chance: random.Random) -> None:
    shuffled = [
        {**document, "Statement": chance.sample(document["Statement"], len(document["Statement"]))}
        for document in chance.sample(found, len(found))
    ]
    one, other = (
        evaluate(request, PolicySet(identity=[compile_policy(d) for d in group])).effect for group in (found, shuffled)
    )
    assert one is other


@given(policy_sets, requests, documents)
def test_adding_denials_never_opens(found: PolicySet, request: Request, more: dict) -> None:
    denials = [statement | {"Effect": "Deny"} for statement in more["Statement"]]
    added = compile_policy({**more, "Statement": denials})
    if not evaluate(request, found).allowed:
        assert not evaluate(request, found._replace(identity=[*found.identity, added])).allowed


@given(policy_sets, requests, policies)
def test_a_boundary_and_a_session_policy_never_open(found: PolicySet, request: Request, limit: Policy) -> None:
    if not evaluate(request, found._replace(boundary=None)).allowed:
        assert not evaluate(request, found._replace(boundary=limit)).allowed
    if not evaluate(request, found._replace(session=None)).allowed:
        assert not evaluate(request, found._replace(session=[limit])).allowed


@given(policies, requests)
def test_the_verdict_agrees_with_the_trace(policy: Policy, request: Request) -> None:
    applying = [line for line in policy.trace(request) if line.endswith(": applies")]
    effect = policy.evaluate(request).effect
    assert (effect is Effect.IMPLICIT_DENY) == (not applying)
    assert (effect is Effect.EXPLICIT_DENY) == any("(Deny)" in line for line in applying)


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_wildcards_are_those_of_a_shell(text: str, value: str) -> None:
    assert wildcard(text, False)(value, {}) == fnmatch.fnmatchcase(value, text)


POLICY_VALUES = {"Ip": "10.0.0.0/8", "Date": "1593561600", "Binary": "AAAA", "Numeric": "1"}
GIVEN_VALUES = ["1", "2", "10.0.0.1", "AAAA", "1593561600", "arn:aws:s3:::b", ""]


@given(st.sampled_from([op for op in OPERATORS if "Not" in op]), st.sampled_from(GIVEN_VALUES))
def test_a_negated_operator_is_the_opposite_where_the_key_is_there(operator: str, given_value: str) -> None:
    value = next((value for kind, value in POLICY_VALUES.items() if kind in operator), "arn:aws:s3:::b")
    holds = compile_condition(operator.replace("Not", "", 1), "k", [value], True).holds
    opposite = compile_condition(operator, "k", [value], True).holds
    assert holds({"k": given_value}) is not opposite({"k": given_value})


def test_a_policy_full_of_stars_is_judged_quickly() -> None:
    test = wildcard("*".join("a" * 60) + "*b", False)
    started = time.perf_counter()
    assert not test("a" * 5000, {})
    assert time.perf_counter() - started < 1.0


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda children: (
            st.lists(children, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Version",
                        "Statement",
                        "Effect",
                        "Action",
                        "Resource",
                        "Condition",
                        "Sid",
                        "Principal",
                        "StringEquals",
                        "AWS",
                        "k",
                    ]
                ),
                children,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["identity", "resource", "trust", "any"]),
)
def test_any_json_is_a_policy_or_is_refused(document: object, kind: str) -> None:
    import msgspec

    text = msgspec.json.encode(document).decode()
    try:
        compiled = compile_policy(text, kind)  # type: ignore[arg-type]
    except PolicyInvalid as refused:
        compiled = None
        message = str(refused)
    assert compiled is not None or message


ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}
REFUSED = [
    ("identity", "{", "This policy contains invalid Json"),
    ("identity", [], "Syntax errors in policy."),
    ("identity", {"Statement": [ALLOW], "Other": 1}, "Syntax errors in policy."),
    ("identity", {"Version": "2013-01-01", "Statement": [ALLOW]}, "The policy must contain a valid version string"),
    ("identity", {"Statement": [{**ALLOW, "Effect": "allow"}]}, "Invalid effect: allow"),
    ("identity", {"Statement": [{"Action": "*", "Resource": "*"}]}, "Missing required field Effect"),
    ("identity", {"Statement": [{"Effect": "Allow", "Resource": "*"}]}, "Policy statement must contain actions."),
    ("identity", {"Statement": [{"Effect": "Allow", "Action": "*"}]}, "Policy statement must contain resources."),
    (
        "identity",
        {"Statement": [{**ALLOW, "Action": "GetObject"}]},
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    ),
    ("identity", {"Statement": [{**ALLOW, "NotAction": "s3:x"}]}, "Syntax errors in policy."),
    ("identity", {"Statement": [{**ALLOW, "Resource": "bucket"}]}, 'Resource bucket must be in ARN format or "*".'),
    (
        "identity",
        {"Statement": [{**ALLOW, "Resource": "arn:oz:s3:::b"}]},
        'Partition "oz" is not valid for resource "arn:oz:s3:::b".',
    ),
    ("identity", {"Statement": [{**ALLOW, "Principal": "*"}]}, "Policy document should not specify a principal."),
    (
        "identity",
        {"Statement": [{**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}]},
        "Statement IDs (SID) in a single policy must be unique.",
    ),
    (
        "identity",
        {"Statement": [{**ALLOW, "Condition": {"StringIs": {"k": "v"}}}]},
        "Invalid Condition type : StringIs.",
    ),
    (
        "identity",
        {"Statement": [{**ALLOW, "Condition": {"ForSome:StringEquals": {"k": "v"}}}]},
        "Invalid Condition type : ForSome:StringEquals.",
    ),
    ("trust", {"Statement": [{**TRUST, "Resource": "*"}]}, "Has prohibited field Resource"),
    ("trust", {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}, "Missing required field Principal"),
    (
        "trust",
        {"Statement": [{**TRUST, "Action": "s3:GetObject"}]},
        "AssumeRole policy may only specify STS AssumeRole actions.",
    ),
    (
        "trust",
        {"Statement": [{**TRUST, "Principal": {"AWS": "nobody"}}]},
        'Invalid principal in policy: "AWS":"nobody"',
    ),
    (
        "trust",
        {"Statement": [{**TRUST, "Principal": {"Service": "lambda"}}]},
        'Invalid principal in policy: "SERVICE":"lambda"',
    ),
]


@pytest.mark.parametrize(("kind", "document", "words"), REFUSED, ids=[words for _, _, words in REFUSED])
def test_what_is_no_policy_is_refused_in_iams_words(kind: str, document: object, words: str) -> None:
    import msgspec

    text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
    with pytest.raises(PolicyInvalid) as caught:
        compile_policy(text, kind)  # type: ignore[arg-type]
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("NumericEquals", "ten"),
        ("DateEquals", "soon"),
        ("Bool", "yes"),
        ("IpAddress", "300.1.1.1"),
        ("Null", "maybe"),
        ("NullIfExists", "true"),
        ("Equals", "x"),
    ],
)
def test_a_condition_that_can_never_be_judged_is_refused(operator: str, value: str) -> None:
    with pytest.raises(ConditionInvalid):
        compile_condition(operator, "k", [value], True)
