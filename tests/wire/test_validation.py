"""AWS's wording, case by case in `validation.cases`: service, operation and JSON parameters above the dashes, the error
below."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from forecourt.wire import HttpRequest, InvalidInput, check, decode, resolve
from forecourt.wire.patterns import matcher

CASES = Path(__file__).with_name("validation.cases")


def cases() -> list[tuple[str, str]]:
    found = []
    for case in CASES.read_text().strip().split("\n\n"):
        given, _, expected = case.partition("\n---\n")
        found.append((given, expected))
    return found


@pytest.mark.parametrize(("given", "expected"), cases())
def test_a_broken_constraint_is_reported_as_aws_reports_it(given: str, expected: str) -> None:
    service, operation, params = given.split(" ", 2)
    try:
        check(service, operation, json.loads(params))
        said = "fine"
    except InvalidInput as error:
        said = str(error)
    assert said == expected


def test_what_arrives_over_the_wire_is_checked() -> None:
    request = HttpRequest(
        "POST",
        b"/",
        b"",
        [(b"x-amz-target", b"AWSCognitoIdentityProviderService.SignUp")],
        b'{"ClientId": "c", "Username": "u", "Password": ""}',
    )
    with pytest.raises(InvalidInput, match="Value at 'password' failed to satisfy"):
        decode(resolve(request), request)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        (r"[\w-_]*", "a-_", True),
        (r"[\w+=,.@-]+", "é", False),
        (r"\d+", "٣", False),
        (r"\S+", "a b", False),
        (r"[\S]+.*[\S]+", "ab", True),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "é漢1+!", True),
        (r"[\p{L}]+", "a1", False),
        (r"\p{ASCII}*", "abc", True),
        (r"\p{ASCII}*", "é", False),
        (r"^a$", "a", True),
        (r"a", "xax", False),
    ],
)
def test_patterns_are_javas(pattern: str, value: str, expected: bool) -> None:
    matches = matcher(pattern)
    assert matches is not None
    assert matches(value) is expected


def test_a_pattern_that_cannot_be_read_constrains_nothing() -> None:
    assert matcher("[a") is None


def test_a_match_is_bounded_in_time() -> None:
    matches = matcher("(a+)+b")
    assert matches is not None
    start = time.perf_counter()
    assert matches("a" * 5000 + "c") is False
    assert time.perf_counter() - start < 2
