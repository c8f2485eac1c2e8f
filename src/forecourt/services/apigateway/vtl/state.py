"""What one rendering holds, and how much it may use.

AWS bounds a `#foreach` to 1,000 turns (further ones silently do not happen, as Velocity's `maxloops`) and a payload to
10 MB. The other bounds keep a template from taking the process's time or memory; AWS has a time-out in their place.

Work is counted in units of about a microsecond: a block costs what is in it whenever it is gone through, a long string
or list that is made or searched costs its length. What takes longer than it is counted for meets the clock, which is
looked at on every turn of a loop and after everything that may be slow.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

MAX_TURNS = 1_000
MAX_BYTES = 10 * 1024 * 1024
MAX_WORK = 200_000
MAX_SECONDS = 2.0
MAX_DEPTH = 64
MAX_ITEMS = 100_000


class TemplateError(Exception):
    """The template cannot be parsed, or rendering it failed or took too much."""


class Stopped(Exception):
    """`#stop`: what was written so far is the output."""


class Broken(Exception):
    """`#break`: out of the innermost `#foreach`; `$foreach.parent.stop()`: out of the one that `loop` is of."""

    def __init__(self, loop: Any = None) -> None:
        super().__init__()
        self.loop = loop


class State(dict[str, Any]):
    """The template's variables by name, and what rendering has used."""

    __slots__ = ("depth", "macros", "out", "size", "until", "work")

    def __init__(self, variables: Any) -> None:
        super().__init__(variables)
        self.macros: dict[str, Any] = {}
        self.out: list[str] = []
        self.depth = 0
        self.size = 0
        self.work = 0
        self.until = perf_counter() + MAX_SECONDS

    def write(self, text: str) -> None:
        self.grow(len(text))
        self.out.append(text)

    def grow(self, size: int) -> None:
        """So much is about to be written."""
        self.size += size
        if self.size > MAX_BYTES:
            raise TemplateError("the output is larger than 10 MB")

    def charge(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise TemplateError("the template does not come to an end")

    def watch(self) -> None:
        if perf_counter() > self.until:
            raise TemplateError("the template does not come to an end")

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TemplateError("macros call one another without end")

    def leave(self) -> None:
        self.depth -= 1


def bounded(text: str) -> str:
    if len(text) > MAX_BYTES:
        raise TemplateError("a string is larger than 10 MB")
    return text


def weigh(value: Any) -> int:
    """What it costs to make or to search `value`."""
    if type(value) is str:
        return len(value) >> 10
    return len(value) >> 2 if isinstance(value, list | dict) else 0
