"""Logs Insights: the language, case by case in `insights.cases`, over the events below; and what a query may cost.

A case is a query, three dashes, and its rows, newest event first; or what is wrong with it, and where.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.services.logs.insights import MalformedQuery, Row, TooMuch, compile_query, event_row
from forecourt.services.logs.insights.values import sort_key

CASES = Path(__file__).with_name("insights.cases")
MESSAGES = (
    '{"level": "INFO", "ms": 12, "path": "/pets", "ok": true, "items": [{"id": "a"}, {"id": "b"}]}',
    '2023-11-14T22:14:20Z\tINFO\t{"level": "ERROR", "ms": 340.5, "path": "/pets/1", "ok": false}',
    '{"nested": {"deeper": {"value": 7}}, "with-dash": "yes"}',
    "{not json}",
    "REPORT RequestId: 703128ba-5843-496a-b11e-cc48374285e4\tDuration: 12.50 ms\tBilled Duration: 13 ms\t"
    "Memory Size: 256 MB\tMax Memory Used: 13 MB\tInit Duration: 34.51 ms\t",
    "user=ann, method:get, latency := 55",
    "user=bob, method:get, latency := 5",
)


def rows() -> list[Row]:
    group = ("000000000000", "us-east-1", "/aws/lambda/f")
    first = 1_700_000_000_000
    return [
        event_row(group, "s", first + number * 60_000, first, message, str(number))
        for number, message in reversed([*enumerate(MESSAGES)])
    ]


def cases() -> list[tuple[str, str]]:
    parts = [part.split("\n---") for part in CASES.read_text().rstrip("\n").split("\n\n")]
    return [(query, expected.strip("\n")) for query, expected in parts]


def found(query: str) -> str:
    try:
        results = compile_query(query).run(rows(), 1000).rows
    except MalformedQuery as error:
        return f"{error.message} ({error.start}-{error.end})"
    shown = [", ".join(f"{name}: {value}" for name, value in row if name != "@ptr") for row in results]
    return "\n".join(line or "(nothing)" for line in shown)


@pytest.mark.parametrize(("query", "expected"), cases(), ids=[query for query, _ in cases()])
def test_case(query: str, expected: str) -> None:
    assert found(query) == expected


def test_events_that_are_shown_can_be_found_again() -> None:
    assert [row[-1] for row in compile_query("fields level").run(rows(), 2).rows] == [("@ptr", "6"), ("@ptr", "5")]
    assert compile_query("stats count(*) as n").run(rows(), 2).rows == [[("n", "7")]]


def test_a_limit_reads_no_more_than_it_shows() -> None:
    read = iter(rows())
    assert len(compile_query("filter @message like 'user' | limit 1").run(read, 100).rows) == 1
    assert len(list(read)) == len(MESSAGES) - 1


def test_what_would_have_to_be_held_has_a_bound() -> None:
    many = (Row({"n": number}) for number in range(10**9))
    with pytest.raises(TooMuch):
        compile_query("stats count(*) by n").run(many, 10)
    few = (Row({"n": number % 7}) for number in range(100_000))
    assert compile_query("sort n desc | limit 1 | display n").run(few, 10).rows[0][0] == ("n", "6")


DEEP = {"parentheses": "filter " + "(" * 5000, "calls": "fields " + "abs(" * 2000 + "1" + ")" * 2000}
LONG = {
    "nots": "filter " + "not " * 2000 + "1",
    "ors": "filter " + "a or " * 1900 + "1",
    "signs": "filter " + "-" * 9000 + "1",
    "sums": "filter " + "1+" * 4000 + "1",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_query_that_is_nested_deeply_is_refused(name: str) -> None:
    assert found(DEEP[name]).startswith("the query is nested too deeply")


@pytest.mark.parametrize("name", LONG)
def test_a_query_that_is_only_long_is_answered(name: str) -> None:
    assert len(compile_query(LONG[name]).run(rows(), 100).rows) == len(MESSAGES)


def test_an_expression_that_goes_astray_ends() -> None:
    began = time.monotonic()
    row = [Row({"@message": "a" * 60 + "b"})]
    assert compile_query("filter @message like /(a+)+$/").run(row, 1).rows == []
    assert time.monotonic() - began < 5


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=6), st.integers(-1000, 1000), st.sampled_from(["5A", "111A", "0#"])))
)
def test_any_values_have_an_order(values: list[str | int | None]) -> None:
    ordered = sorted(values, key=sort_key)
    kinds = [sort_key(value)[0] for value in ordered]
    assert kinds == sorted(kinds)  # type: ignore[type-var]


def test_texts_are_sorted_as_aws_says() -> None:
    expected = ["!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh", "0", "1", "2"]
    assert sorted({*expected}, key=sort_key) == expected
