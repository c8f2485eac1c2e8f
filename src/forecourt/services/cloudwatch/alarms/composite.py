"""The rule of a composite alarm: `(ALARM(cpu) OR ALARM("disk reads")) AND NOT ALARM(deploying)`. Pure.

    AT_LEAST(2, ALARM, (cpu, disk, network))     AT_LEAST(50%, NOT OK, (cpu, disk))     TRUE     FALSE

An alarm is named by its name or its ARN, in quotes or not. An alarm that is no more is in no state.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_MOST_CHILDREN = 100
_TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|[(),]|[^\s(),"]+)')

# The states of alarms by name and by ARN.
States = Mapping[str, str]
Test = Callable[[States], bool]


class BadRule(ValueError):
    """The message says why it is none."""


class AlarmRule(NamedTuple):
    """`children`: the names and ARNs in it."""

    holds: Test
    children: tuple[str, ...]


@lru_cache(1024)
def parse(text: str) -> AlarmRule:
    """Raises `BadRule`."""
    reader = _Reader(text)
    try:
        holds = reader.either()
    except RecursionError:
        raise BadRule("too many parentheses") from None
    if reader.peek():
        raise BadRule(f"unexpected {reader.peek()}")
    if len(reader.children) > _MOST_CHILDREN:
        raise BadRule(f"more than {_MOST_CHILDREN} alarms")
    return AlarmRule(holds, tuple(reader.children))


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self.children: dict[str, None] = {}

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def either(self) -> Test:
        tests = [self._both()]
        while self._take("OR"):
            tests.append(self._both())
        return lambda states: any(test(states) for test in tests)

    def _both(self) -> Test:
        tests = [self._not()]
        while self._take("AND"):
            tests.append(self._not())
        return lambda states: all(test(states) for test in tests)

    def _not(self) -> Test:
        if self._take("NOT"):
            test = self._not()
            return lambda states: not test(states)
        if self._take("("):
            test = self.either()
            self._expect(")")
            return test
        return self._function()

    def _function(self) -> Test:
        name = self._next().upper()
        if name in ("TRUE", "FALSE"):
            return lambda states: name == "TRUE"
        self._expect("(")
        if name == "AT_LEAST":
            return self._at_least()
        if name not in _STATES:
            raise BadRule(f"unknown function {name}")
        child = self._child()
        self._expect(")")
        return lambda states: states.get(child) == name

    def _at_least(self) -> Test:
        count = self._next()
        if not re.fullmatch(r"\d+%?", count):
            raise BadRule(f"not a number: {count}")
        self._expect(",")
        wanted, state = not self._take("NOT"), self._next().upper()
        if state not in _STATES:
            raise BadRule(f"unknown state {state}")
        self._expect(",")
        self._expect("(")
        children = [self._child()]
        while self._take(","):
            children.append(self._child())
        self._expect(")")
        self._expect(")")
        least = math.ceil(int(count[:-1]) * len(children) / 100) if count.endswith("%") else int(count)
        return lambda states: sum((states.get(child) == state) is wanted for child in children) >= least

    def _child(self) -> str:
        token = self._next()
        if token in "(),":
            raise BadRule("an alarm's name is missing")
        name = re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
        self.children[name] = None
        return name

    def _next(self) -> str:
        token = self.peek()
        if not token:
            raise BadRule("it ends too early")
        self._at += 1
        return token

    def _take(self, text: str) -> bool:
        found = self.peek().upper() == text
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise BadRule(f"{text} is missing")


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadRule(f"unexpected {text[at:].strip()[:1]}")
        tokens.append(match[1])
        at = match.end()
    return tokens
