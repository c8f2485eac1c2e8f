"""Filter patterns as text: pattern and messages above the line, the messages that match below it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecourt.services.logs.pattern import BadPattern, compile_pattern
from forecourt.services.logs.pattern.regex import Regex


def check(case: str) -> None:
    head, _, expected = case.strip("\n").partition("\n----\n")
    pattern, *messages = head.split("\n")
    matcher = compile_pattern(pattern)
    assert [m for m in messages if matcher.matches(m)] == [line for line in expected.split("\n") if line]


TERMS = [
    """
ERROR
[ERROR 400] BAD REQUEST
[error 400] bad request
all is well
----
[ERROR 400] BAD REQUEST
""",
    """
ERROR ARGUMENTS
[ERROR 419] MISSING ARGUMENTS
[ERROR 401] UNAUTHORIZED
----
[ERROR 419] MISSING ARGUMENTS
""",
    """
"INTERNAL SERVER"
[ERROR 500] INTERNAL SERVER ERROR
[ERROR 500] SERVER INTERNAL
----
[ERROR 500] INTERNAL SERVER ERROR
""",
    """
?ERROR ?WARN
an ERROR
a WARN
an INFO
----
an ERROR
a WARN
""",
    """
ERROR -EXITING
ERROR while running
ERROR, EXITING
INFO
----
ERROR while running
""",
    """
?ERROR REQUEST
ERROR
a REQUEST
----
a REQUEST
""",
    """
-DEBUG
DEBUG x
INFO x
----
INFO x
""",
    """
-"not this" this
this, and not this
this
----
this
""",
    """
%AUTHORIZED%
UNAUTHORIZED
AUTHORIZED
authorized
----
UNAUTHORIZED
AUTHORIZED
""",
    """
%code=[45]\\d\\d% -health
code=404 /x
code=503 /health
code=200 /x
----
code=404 /x
""",
    """
"say \\"hi\\""
they say "hi"
they say hi
----
they say "hi"
""",
    """
汉字
有汉字的
none
----
有汉字的
""",
]

JSON = [
    """
{ $.eventType = "UpdateTrail" }
{"eventType": "UpdateTrail"}
{"eventType": "DeleteTrail"}
{"type": "UpdateTrail"}
UpdateTrail
----
{"eventType": "UpdateTrail"}
""",
    """
{ $.eventType = "*Trail" }
{"eventType": "UpdateTrail"}
{"eventType": "Trails"}
----
{"eventType": "UpdateTrail"}
""",
    """
{ $.eventType = UpdateTrail }
{"eventType": "UpdateTrail"}
----
{"eventType": "UpdateTrail"}
""",
    """
{ $.sourceIPAddress != 123.123.* }
{"sourceIPAddress": "123.123.1.1"}
{"sourceIPAddress": "10.0.0.1"}
{}
----
{"sourceIPAddress": "10.0.0.1"}
""",
    """
{ $.arrayKey[0] = "value" }
{"arrayKey": ["value", "other"]}
{"arrayKey": ["other", "value"]}
{"arrayKey": []}
----
{"arrayKey": ["value", "other"]}
""",
    """
{ $.arrayKey[*] = "value" }
{"arrayKey": ["value", "other"]}
{"arrayKey": ["other", "value"]}
{"arrayKey": "value"}
----
{"arrayKey": ["value", "other"]}
{"arrayKey": ["other", "value"]}
""",
    """
{ $.eventType = "UpdateTrail" && ($.user = 1 || $.user = 2) }
{"eventType": "UpdateTrail", "user": 1}
{"eventType": "UpdateTrail", "user": 2}
{"eventType": "UpdateTrail", "user": 3}
{"eventType": "x", "user": 1}
----
{"eventType": "UpdateTrail", "user": 1}
{"eventType": "UpdateTrail", "user": 2}
""",
    """
{ $.a = 1 || $.b = 2 && $.c = 3 }
{"a": 1}
{"b": 2}
{"b": 2, "c": 3}
----
{"a": 1}
{"b": 2, "c": 3}
""",
    """
{ $.bandwidth > 75 }
{"bandwidth": 76}
{"bandwidth": 75}
{"bandwidth": 75.5}
{"bandwidth": "80"}
{"bandwidth": true}
----
{"bandwidth": 76}
{"bandwidth": 75.5}
{"bandwidth": "80"}
""",
    """
{ $.latency >= 1e3 }
{"latency": 1000}
{"latency": 999.99}
----
{"latency": 1000}
""",
    """
{ $.latency <= -.5 }
{"latency": -0.5}
{"latency": 0}
----
{"latency": -0.5}
""",
    """
{ $.errorCode = 4* }
{"errorCode": 404}
{"errorCode": "400"}
{"errorCode": 504}
----
{"errorCode": 404}
{"errorCode": "400"}
""",
    """
{ $.errorCode = 400 }
{"errorCode": 400}
{"errorCode": 400.0}
{"errorCode": 4000}
----
{"errorCode": 400}
{"errorCode": 400.0}
""",
    """
{ $.x IS NULL }
{"x": null}
{"x": 0}
{}
----
{"x": null}
""",
    """
{ $.x IS TRUE }
{"x": true}
{"x": "true"}
{"x": 1}
----
{"x": true}
""",
    """
{ $.x IS FALSE }
{"x": false}
{"x": 0}
----
{"x": false}
""",
    """
{ $.x NOT EXISTS }
{"x": null}
{"y": 1}
----
{"y": 1}
""",
    """
{ $.x = true }
{"x": true}
{"x": "true"}
{"x": false}
----
{"x": true}
{"x": "true"}
""",
    """
{ $.eventName = %Delete.*% }
{"eventName": "DeleteTable"}
{"eventName": "CreateTable"}
----
{"eventName": "DeleteTable"}
""",
    """
{ $['a.b'].c = "x" }
{"a.b": {"c": "x"}}
{"a": {"b": {"c": "x"}}}
----
{"a.b": {"c": "x"}}
""",
    """
{ $.objects[1].id = 2 }
{"objects": [{"id": 1}, {"id": 2}]}
{"objects": [{"id": 2}]}
----
{"objects": [{"id": 1}, {"id": 2}]}
""",
    """
{ $[0].id = 2 }
[{"id": 2}]
{"id": 2}
----
[{"id": 2}]
""",
    """
{ $.obj = "*" }
{"obj": {"x": 1}}
{"obj": ""}
----
{"obj": ""}
""",
]

FIELDS = [
    """
[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]
127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534
127.0.0.1 Prod frank [10/Oct/2000:13:35:22 -0700] "GET /apache.gif HTTP/1.0" 404 5324
127.0.0.1 Prod frank [10/Oct/2000:13:50:35 -0700] "GET /about.html HTTP/1.0" 200 4355
----
127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534
""",
    """
[..., status_code=4*, bytes > 2000]
127.0.0.1 "GET / HTTP/1.0" 404 1534
127.0.0.1 Prod "GET / HTTP/1.0" 404 2001
127.0.0.1 Prod "GET / HTTP/1.0" 200 2001
----
127.0.0.1 Prod "GET / HTTP/1.0" 404 2001
""",
    """
[ip=10.*, ...]
10.0.0.1 a b
11.0.0.1 a b
10.0.0.2
----
10.0.0.1 a b
10.0.0.2
""",
    """
[w1=ERROR || w1=%WARN%, w2]
ERROR one
WARNING two
INFO three
ERROR one two
----
ERROR one
WARNING two
""",
    """
[status=4* && status!=404, ...]
400 a
404 a
500 a
----
400 a
""",
    """
[a, b]
one two
one
one two three
----
one two
""",
    """
[first, ..., last = "the end"]
begin x y "the end"
begin x y the end
----
begin x y "the end"
""",
]


@pytest.mark.parametrize("case", [*TERMS, *JSON, *FIELDS], ids=lambda case: case.strip().split("\n")[0])
def test_pattern(case: str) -> None:
    check(case)


@pytest.mark.parametrize("pattern", ["", " ", '""', '" "'])
def test_an_empty_pattern_matches_everything(pattern: str) -> None:
    assert all(compile_pattern(pattern).matches(message) for message in ("a b", "x ", " "))


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a = }",
        "{ $.a }",
        "{ a = 1 }",
        "{ $.a = 1",
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a > x }",
        '{ $.a > "1" }',
        "{ $.a IS MAYBE }",
        "{ $.a NOT THERE }",
        "{ $.a = 1 } x",
        "{}",
        "[a, b",
        "[a, ..., b, ...]",
        "[a=1 && b=2]",
        "[..., ]x",
        '"unclosed',
        "%unclosed",
        "%(a|b)%",
        "%something!%",
        "%[%",
        "%%",
        "%a{2,1}%",
        "%a{9999}%",
        "%a**%",
        "%^*a%",
        "%a% %b% %c%",
        "{ $.a = %a% || $.a = %b% || $.a = %c% }",
        "{" + "(" * 900 + "$.a = 1" + ")" * 900 + "}",
    ],
)
def test_what_is_not_a_pattern(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


def test_extracted_values() -> None:
    assert compile_pattern('{ $.a = 1 && $.b.c = "x" }').extract('{"a": 1, "b": {"c": "x"}}') == {
        "$.a": "1",
        "$.b.c": "x",
    }
    assert compile_pattern("[ip, , ..., last]").extract('1 2 3 "4 5"') == {"$ip": "1", "$2": "2", "$last": "4 5"}
    assert compile_pattern("ERROR").extract("ERROR") == {}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["a", "b", ".", "[ab]", "[^a]", "\\d", "\\w", "\\.", "\\x61", "^", "$", "|", "[]a]", "[|]"]
            ),
            st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,}", "{0,2}"]),
        ),
        min_size=1,
        max_size=7,
    ),
    st.text("ab1.|]\n", max_size=8),
)
def test_regular_expressions_mean_what_they_mean_in_python(items: list[tuple[str, str]], message: str) -> None:
    text = "".join(atom + ("" if atom in "^$|" else times) for atom, times in items)
    # Python's `$` also matches before a last line feed.
    expected = re.search(re.sub(r"(?<!\\)\$", r"\\Z", text), message, re.DOTALL | re.ASCII)
    assert Regex(text).search(message) == (expected is not None)


@pytest.mark.parametrize("pattern", ["{ $.a = %s }" % ("*a" * 300), "[w=%s, ...]" % ("*a" * 300), "%a*a*a*a*b%"])
def test_hostile_patterns_are_quick(pattern: str) -> None:
    message = '{"a": "' + "a" * 3000 + '"}' if pattern.startswith("{") else "a" * 100_000
    started = time.perf_counter()
    compile_pattern(pattern).matches(message)
    assert time.perf_counter() - started < 2
