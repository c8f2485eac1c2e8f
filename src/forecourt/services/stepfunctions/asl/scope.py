"""What an expression can see: the state's input, the context object, the variables, a result.

A scope is made per state visit and filled as the visit goes on. `context` is built only when something asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.stepfunctions.asl.chance import Chance
from forecourt.services.stepfunctions.asl.jsonpath import MISSING

_UNBUILT: dict[str, Any] = {}


class Scope:
    __slots__ = ("_build_context", "_context", "chance", "error_output", "input", "now", "result", "variables")

    def __init__(
        self,
        input: Any,
        variables: Mapping[str, Any],
        chance: Chance,
        build_context: Callable[[], dict[str, Any]],
        now: float = 0.0,
    ) -> None:
        self.input = input
        self.variables = variables
        self.chance = chance
        self.now = now
        self.result: Any = MISSING
        self.error_output: Any = None
        self._build_context = build_context
        self._context = _UNBUILT

    @property
    def context(self) -> dict[str, Any]:
        """The context object, `$$` in JSONPath and `$states.context` in JSONata."""
        if self._context is _UNBUILT:
            self._context = self._build_context()
        return self._context

    def with_context(self, extra: Mapping[str, Any]) -> Scope:
        """The same scope with more in its context object: `Map.Item`, `Task.Token`."""
        context = {**self.context, **extra}
        return Scope(self.input, self.variables, self.chance, lambda: context, self.now)
