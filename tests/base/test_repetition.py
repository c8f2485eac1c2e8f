"""How large a pattern becomes is known before it is compiled."""

from __future__ import annotations

import pytest

from forecourt.base.repetition import repeats_too_much
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template import parameters
from forecourt.services.logs.insights.expressions import Pattern
from forecourt.services.logs.insights.tokens import MalformedQuery, Token
from forecourt.services.stepfunctions.asl.regex import TooComplex, compile_pattern

BOMB = "(?:ab|c){1000000}"


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:ab|c){1000000}",
        "(?:ab|c){1000000,}",
        "(?:(?:ab|c){1000}){1000}",
        "(?:ab|c)+{1000000}",
        "(?:ab|c)(?#often){1000000}",
        "(?x)(?:ab|c) # often\n {1000000}",
        "(?x)[#](?:ab|c){1000000}",
        "a{99999999999999999999}" * 1000,
    ],
    ids=lambda pattern: pattern[:20],
)
def test_what_would_take_all_memory(pattern: str) -> None:
    assert repeats_too_much(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["[0-9a-f]{8}(-[0-9a-f]{4}){3}", ".{0,65536}", "(a{3}|b){100,}", "[(]{9999}", r"(\({10}){10}", "x" * 20_000],
    ids=lambda pattern: pattern[:20],
)
def test_what_repeats_in_measure(pattern: str) -> None:
    assert not repeats_too_much(pattern)


def test_those_who_compile_what_users_wrote_ask_first() -> None:
    with pytest.raises(TooComplex):
        compile_pattern(BOMB)
    with pytest.raises(MalformedQuery):
        Pattern(Token("regex", BOMB, 0, len(BOMB)))
    with pytest.raises(ValidationError, match="cannot be used"):
        parameters._matches(BOMB, "ab")
