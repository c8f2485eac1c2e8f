"""What one rendering holds, and how much it may use.

AWS bounds a `#foreach` to 1,000 turns (further ones silently do not happen, as Velocity's `maxloops`) and a payload to
10 MB. The other bounds keep a template from taking the process's time or memory; AWS has a time-out in their place.
"""

from __future__ import annotations

from typing import Any

MAX_TURNS = 1_000
MAX_BYTES = 10 * 1024 * 1024
MAX_STEPS = 200_000
MAX_DEPTH = 64
MAX_ITEMS = 100_000


class TemplateError(Exception):
    """The template cannot be parsed, or rendering it failed or took too much."""


class Stopped(Exception):
    """`#stop`: what was written so far is the output."""


class Broken(Exception):
    """`#break`: out of the innermost `#foreach`."""


class State:
    __slots__ = ("_size", "_steps", "depth", "macros", "out", "variables")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.macros: dict[str, Any] = {}
        self.out: list[str] = []
        self.depth = 0
        self._size = 0
        self._steps = 0

    def write(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_BYTES:
            raise TemplateError("the output is larger than 10 MB")
        self.out.append(text)

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
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
