"""Paths in a definition: `$.x` into the input, `$$.x` into the context object, `$name.x` into a variable."""

from __future__ import annotations

import functools
import re
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import to_text
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.jsonpath import MISSING, Path, compile_path
from forecourt.services.stepfunctions.asl.scope import Scope

_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class Reference:
    """A path and what it starts from. `variable` is "" for the input and the context object."""

    __slots__ = ("in_context", "path", "text", "variable")

    def __init__(self, text: str, path: Path, in_context: bool, variable: str) -> None:
        self.text = text
        self.path = path
        self.in_context = in_context
        self.variable = variable

    def root(self, scope: Scope, input: Any) -> Any:
        if self.variable:
            return scope.variables.get(self.variable, MISSING)
        return scope.context if self.in_context else input

    def find(self, scope: Scope, input: Any) -> Any:
        """What the path names, or `MISSING`. `input` is what `$` means in this field."""
        root = self.root(scope, input)
        return MISSING if root is MISSING else self.path.find(root)

    def require(self, scope: Scope, input: Any) -> Any:
        """What the path names; raises `States.Runtime` where it names nothing."""
        value = self.find(scope, input)
        if value is MISSING:
            raise StatesError(errors.RUNTIME, f"Invalid path '{self.text}': {self._miss(self.root(scope, input))}")
        return value

    def _miss(self, root: Any) -> str:
        if root is MISSING:
            return f"The variable '${self.variable}' is not defined"
        node, seen = root, "$"
        for position, key in enumerate(self.path.keys):
            seen += f"['{key}']" if isinstance(key, str) else f"[{key}]"
            node = Path("", (key,), (), None).find(node)
            if node is MISSING and position < len(self.path.keys) - 1:
                return f"Missing property in path {seen}"
        return f"No results for path: {seen}"


@functools.lru_cache(maxsize=8192)
def compile_reference(text: str) -> Reference:
    """Raises `DefinitionError` where `text` is no path."""
    if not text.startswith("$"):
        raise DefinitionError("A path must begin with '$'")
    if text.startswith("$$"):
        return Reference(text, compile_path(text[1:]), True, "")
    if match := _VARIABLE.match(text):
        return Reference(text, compile_path("$" + text[match.end() :]), False, match.group(1))
    return Reference(text, compile_path(text), False, "")


def describe_input(scope: Scope, reference: Reference, input: Any) -> str:
    """The text of what a path was looked up in, for causes."""
    root = reference.root(scope, input)
    return "{}" if root is MISSING else to_text(root)
