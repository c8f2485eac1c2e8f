"""The filters of a JSONPath, `[?(@.price < 10 && !(@.kind in ['a', 'b']))]`, as functions of a node.

Comparisons with literals and with other paths of the node, `=~ /pattern/i`, `in` and `nin`, a path alone (it is there),
`!`, `&&`, `||` and parentheses. What cannot be compared does not match.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import regex  # type: ignore[import-untyped]

from forecourt.services.apigateway.patterns import compile_pattern

Test = Callable[[Any], bool]
# Compiles a path to what finds it in a node; None where it is not there.
Paths = Callable[[str], Callable[[Any], Any]]

_PATTERN_SECONDS = 0.1
_SPACE = regex.compile(r"\s*")
_PATH = regex.compile(r"@(?:\.[\w$-]+(?:\(\))?|\[(?:[^\]'\"]|'[^']*'|\"[^\"]*\")*\])*")
_OPERATOR = regex.compile(r"==|!=|<=|>=|<|>|=~|nin\b|in\b")
_OPERAND = regex.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true\b|false\b|null\b"""
)
_PATTERN = regex.compile(r"/((?:[^/\\]|\\.)*)/(i?)")
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=~": lambda text, pattern: isinstance(text, str) and pattern.fullmatch(text, timeout=_PATTERN_SECONDS),
    "in": lambda value, values: value in values,
    "nin": lambda value, values: value not in values,
}


def compile_filter(text: str, paths: Paths) -> Test:
    """Raises `ValueError` where `text` is not a filter."""
    reader = _Reader(text, paths)
    try:
        test = reader.either()
    except (RecursionError, regex.error) as error:
        raise ValueError(f"not a filter: {text[:100]!r}") from error
    if reader.at < len(text):
        raise ValueError(f"not a filter: {text!r}")
    return test


class _Reader:
    def __init__(self, text: str, paths: Paths) -> None:
        self.text = text
        self.at = 0
        self._paths = paths

    def either(self) -> Test:
        tests = [self._both()]
        while self._take("||"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda node: any(test(node) for test in tests)

    def _both(self) -> Test:
        tests = [self._single()]
        while self._take("&&"):
            tests.append(self._single())
        return tests[0] if len(tests) == 1 else lambda node: all(test(node) for test in tests)

    def _single(self) -> Test:
        if self._take("!"):
            test = self._single()
            return lambda node: not test(node)
        if self._take("("):
            inside = self.either()
            if not self._take(")"):
                raise ValueError(f"not a filter: {self.text!r}")
            return inside
        find = self._paths(self._match(_PATH))
        self._space()
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            return lambda node: find(node) is not None
        self.at = found.end()
        return _comparison(_COMPARE[found[0]], find, self._right(found[0]))

    def _right(self, symbol: str) -> Callable[[Any], Any]:
        self._space()
        if symbol == "=~":
            pattern, flags = _PATTERN.fullmatch(self._match(_PATTERN)).groups()
            compiled = compile_pattern(pattern, ignore_case=bool(flags))
            return lambda node: compiled
        if symbol in ("in", "nin"):
            values = self._list()
            return lambda node: values
        if self.text.startswith("@", self.at):
            return self._paths(self._match(_PATH))
        value = _literal(self._match(_OPERAND))
        return lambda node: value

    def _list(self) -> list[Any]:
        values: list[Any] = []
        if not self._take("["):
            raise ValueError(f"not a filter: {self.text!r}")
        while not self._take("]"):
            if values and not self._take(","):
                raise ValueError(f"not a filter: {self.text!r}")
            self._space()
            values.append(_literal(self._match(_OPERAND)))
        return values

    # -- small things

    def _space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()

    def _take(self, token: str) -> bool:
        self._space()
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        self._space()
        return True

    def _match(self, pattern: Any) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise ValueError(f"not a filter: {self.text!r}")
        self.at = found.end()
        text: str = found[0]
        return text


def _comparison(compare: Callable[[Any, Any], Any], left: Callable[[Any], Any], right: Callable[[Any], Any]) -> Test:
    def test(node: Any) -> bool:
        try:
            return bool(compare(left(node), right(node)))
        except TypeError:
            return False
        except TimeoutError as error:
            raise ValueError("a filter's pattern takes too long to match") from error

    return test


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return regex.sub(r"\\(.)", r"\1", text[1:-1])
    return msgspec.json.decode(text)
