"""JSONata expressions, `{% $states.input.order.total * 1.2 %}`, evaluated by the `jsonata-python` library in bounds.

- What an expression may see: `$states.input`, `.context`, `.result`, `.errorOutput`, and the variables. There is no
  context value, so `$` and `$$` are undefined.
- Step Functions adds `$partition`, `$range`, `$hash`, `$random`, `$uuid` and `$parse`, and takes `$eval` away.
- Randomness and time come from the scope, so the same visit of a state gives the same value again.
- Bounds: evaluation steps (not seconds: a bound must decide the same on every machine), nesting, and the length of any
  string or array on the way. What exceeds them fails with `States.QueryEvaluationError`.
- The commonest expression, a plain path into `$states.input` through objects, does not reach the library at all.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.utils import Utils

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.chance import seeded_fraction
from forecourt.services.stepfunctions.asl.data import MOST_INTERMEDIATE, from_text, measure
from forecourt.services.stepfunctions.asl.errors import DefinitionError, StatesError
from forecourt.services.stepfunctions.asl.intrinsics import hash_text
from forecourt.services.stepfunctions.asl.jsonata_library import Program, define, explain
from forecourt.services.stepfunctions.asl.jsonata_references import unsupported_references
from forecourt.services.stepfunctions.asl.jsonpath import MISSING
from forecourt.services.stepfunctions.asl.regex import TooComplex, bounded_engine
from forecourt.services.stepfunctions.asl.scope import Scope

# The library sets the process's recursion limit to 10,000 when it is imported. Everywhere else an early RecursionError
# is what bounds hostile nesting, so the usual limit is put back, and raised only while an expression is worked on.
_USUAL_RECURSION = 1_000
_LIBRARY_RECURSION = 10_000
sys.setrecursionlimit(_USUAL_RECURSION)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _LIBRARY_RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


_MOST_STEPS = 200_000
_MOST_DEPTH = 1_000
_MOST_LENGTH = 1_000_000
# Of all strings and arrays that are not short, together
_FEW, _MOST_WEIGHT = 10_000, 300_000_000
_MOST_NODES = 500_000

_EXPRESSION = re.compile(r"^\{%(.*)%\}$", re.DOTALL)
_PLAIN_PATH = re.compile(r"\s*\$states\.(input|result|context)((?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*")
# `$states` used for more than its cheap members: then the context object has to be built
_WANTS_CONTEXT = re.compile(r"\$states(?!\s*\.\s*(?:input|result|errorOutput)\b)")
UNDEFINED = MISSING


def is_expression(text: Any) -> bool:
    return isinstance(text, str) and text.startswith("{%") and text.endswith("%}") and len(text) >= 4


class _Overrun(Exception):
    """An expression left its bounds."""


class _Meter:
    """Counts one evaluation's steps and looks at every result's length."""

    __slots__ = ("depth", "steps", "weight")

    def __init__(self) -> None:
        self.steps = 0
        self.weight = 0
        self.depth = 0

    def enter(self, expression: Any, input: Any, environment: Any) -> None:
        self.steps += 1
        self.depth += 1
        if self.steps > _MOST_STEPS:
            raise _Overrun("The expression took too many steps")
        if self.depth > _MOST_DEPTH:
            raise _Overrun("The expression is nested or recurses too deeply")

    def leave(self, expression: Any, input: Any, environment: Any, result: Any) -> None:
        self.depth -= 1
        if isinstance(result, (str, list)) and len(result) > _FEW:
            if len(result) > _MOST_LENGTH:
                raise _Overrun("A string or array within the expression is too long")
            self.weigh(len(result))

    def weigh(self, length: int) -> None:
        self.weight += length
        if self.weight > _MOST_WEIGHT:
            raise _Overrun("The strings and arrays within the expression are too long")


class Expression:
    """A compiled expression; `text` is what stands between `{%` and `%}`."""

    __slots__ = ("_compiled", "_plain", "_wants_context", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._wants_context = _WANTS_CONTEXT.search(text) is not None
        plain = _PLAIN_PATH.fullmatch(text)
        self._plain: tuple[str, tuple[str, ...]] | None = (
            (plain.group(1), tuple(plain.group(2).split(".")[1:])) if plain else None
        )
        try:
            with _deep_recursion():
                compiled = Program(text, bounded_engine)
        except JException as error:
            raise DefinitionError(explain(error)) from error
        except (TooComplex, re.error) as error:
            raise DefinitionError(str(error)) from error
        except RecursionError as error:
            raise DefinitionError("The expression is nested too deeply") from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:  # the parser lets Python's own through
            raise DefinitionError("Syntax error") from error
        if compiled.errors:
            raise DefinitionError(explain(compiled.errors[0]))
        compiled.set_output_convert_nulls(False)
        self._compiled = compiled

    def unsupported(self, in_catch: bool) -> list[str]:
        """Why Step Functions does not take the expression although it is JSONata."""
        with _deep_recursion():
            return unsupported_references(self._compiled.ast, in_catch)

    def evaluate(self, scope: Scope, field: str) -> Any:
        """The value. Raises `States.QueryEvaluationError`, naming `field`, where it fails or yields nothing."""
        value = self._follow_plain_path(scope) if self._plain else UNDEFINED
        if value is UNDEFINED:
            value = self._evaluate(scope, field)
        if value is UNDEFINED:
            raise self._failure(field, "returned nothing (undefined).")
        return value

    def _follow_plain_path(self, scope: Scope) -> Any:
        assert self._plain is not None
        root, names = self._plain
        node: Any = {"input": scope.input, "result": scope.result}[root] if root != "context" else scope.context
        for name in names:
            node = node.get(name, UNDEFINED) if type(node) is dict else UNDEFINED
            if node is UNDEFINED:
                return UNDEFINED
        # An array is a sequence to JSONata, with rules of its own
        return UNDEFINED if type(node) is list or node is None else node

    def _evaluate(self, scope: Scope, field: str) -> Any:
        try:
            return self.over(None, scope)
        except JException as error:
            raise self._failure(field, f"threw an error during evaluation{_tail(error)}") from error
        except (_Overrun, TooComplex) as error:
            raise self._failure(field, f"threw an error during evaluation: {error}") from error
        except RecursionError as error:
            said = "threw an error during evaluation: The expression recurses too deeply"
            raise self._failure(field, said) from error
        except StatesError:
            raise
        except Exception as error:  # the library lets Python's own errors through
            said = f"threw an error during evaluation: {type(error).__name__}: {error}"
            raise self._failure(field, said) from error

    def over(self, context_value: Any, scope: Scope) -> Any:
        """The value with `$` and `$$` bound to `context_value`, None in Step Functions; `UNDEFINED` for nothing.

        JSONata's official test groups need a context value. Raises what the library and the bounds raise.
        """
        with _deep_recursion():
            return _plain_json(self._compiled.evaluate(context_value, _bindings(scope, self.text, self._wants_context)))

    def _failure(self, field: str, outcome: str) -> StatesError:
        return StatesError(
            errors.QUERY_EVALUATION_ERROR,
            f"The JSONata expression '{self.text.strip()}' specified for the field '{field}' {outcome}",
            location=field,
        )


def _tail(error: Any) -> str:
    """Measured on AWS: a message with a code is a sentence of its own."""
    code = str(error.error)
    return f". {code}: {explain(error)}" if re.fullmatch(r"[A-Z]\d{4}", code) else f": {explain(error)}"


@functools.lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """`text` with its `{%` and `%}`. Raises `DefinitionError`."""
    match = _EXPRESSION.match(text)
    if match is None:
        raise DefinitionError("A JSONata expression must be enclosed in '{%' and '%}'")
    return Expression(match.group(1).strip())


# --- what the expression sees -----------------------------------------------------------------------------------------


def _to_library(value: Any) -> Any:
    return Utils.NULL_VALUE if value is None else value


def _plain_json(value: Any) -> Any:
    """The library's result as plain JSON values; `UNDEFINED` for nothing."""
    if value is None:
        return UNDEFINED
    budget = [_MOST_NODES, MOST_INTERMEDIATE]

    def plain(node: Any) -> Any:
        budget[0] -= 1
        if budget[0] < 0:
            raise _Overrun("The result is too large")
        if node is None or node is Utils.NULL_VALUE:
            return None
        if isinstance(node, dict):
            return {key: plain(item) for key, item in node.items() if not Utils.is_function(item)}
        if isinstance(node, list):
            return [plain(item) for item in node]
        if isinstance(node, str):
            budget[1] -= len(node)
            if budget[1] < 0:
                raise _Overrun("The result is too large")
        if isinstance(node, str) and not node.isascii() and any("\ud800" <= letter <= "\udfff" for letter in node):
            raise _Overrun("The result holds half of a surrogate pair")
        if isinstance(node, float) and not math.isfinite(node):
            raise _Overrun("The result is a number out of range")
        if isinstance(node, (str, int, float)):
            return node
        raise _Overrun("The result is not a JSON value")

    return plain(value)


def _bindings(scope: Scope, text: str, wants_context: bool) -> dict[str, Any]:
    meter = _Meter()
    bound: dict[str, Any] = {name: _to_library(value) for name, value in scope.variables.items()}
    states: dict[str, Any] = {"input": scope.input}
    if wants_context:
        states["context"] = scope.context
    if scope.result is not MISSING:
        states["result"] = scope.result
    if scope.error_output is not None:
        states["errorOutput"] = scope.error_output
    bound["states"] = states
    bound["__evaluate_entry"] = meter.enter
    bound["__evaluate_exit"] = meter.leave
    for name, (signature, make) in _FUNCTIONS.items():
        if name in text:
            bound[name] = define(name, signature, make(scope))
    for name, (signature, function, cost) in _GUARDED.items():
        if name in text:
            bound[name] = define(name, signature, _guarded(function, cost, meter))
    return bound


def _guarded(function: Callable[..., Any], cost: Callable[..., int], meter: _Meter) -> Callable[..., Any]:
    """One of the library's functions that could make something huge in a single step.

    The meter does not see what a tail call gives, so it is told what it costs.
    """

    @functools.wraps(function)  # the library counts the parameters
    def call(*arguments: Any) -> Any:
        length = cost(*arguments)
        if length > 4 * _MOST_LENGTH:
            raise _Overrun("A string within the expression is too long")
        meter.weigh(length)
        return function(*arguments)

    return call


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, list)) else 1


def _pad(text: Any, width: Any, fill: Any = None) -> Any:
    return Functions.pad(text, width, fill)


class _FirstOnly:
    """A pattern that replaces so many times at most: the library knows no function as replacement then."""

    def __init__(self, pattern: Any, most: int) -> None:
        self._pattern = pattern
        self._most = most

    def sub(self, replacement: Any, text: str) -> Any:
        return self._pattern.sub(replacement, text, count=self._most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)


def _replace(text: Any, pattern: Any, replacement: Any, limit: Any = None) -> Any:
    if isinstance(pattern, str) or not isinstance(limit, (int, float)) or limit < 1:
        return Functions.replace(text, pattern, replacement, limit)
    return Functions.replace(text, _FirstOnly(pattern, int(limit)), replacement, None)


def _join(parts: Any, separator: Any = None) -> Any:
    return Functions.join(parts, separator)


def _string(value: Any, prettify: Any = None) -> Any:
    return Functions.string(value, prettify)


def _random(scope: Scope) -> Callable[..., Any]:
    return lambda seed=None: scope.chance.fraction() if seed is None else seeded_fraction(seed)


def _shuffle(scope: Scope) -> Callable[..., Any]:
    def shuffle(items: Any) -> Any:
        if not isinstance(items, list):
            return items
        out = list(items)
        for last in range(len(out) - 1, 0, -1):
            other = scope.chance.integer(0, last + 1)
            out[last], out[other] = out[other], out[last]
        return out

    return shuffle


def _partition(array: Any, size: Any) -> list[Any] | None:
    if array is None or size is None:
        return None
    if int(size) < 1:
        raise _Overrun("The second argument of $partition must be a positive number")
    return [array[start : start + int(size)] for start in range(0, len(array), int(size))]


def _range(first: Any, last: Any, step: Any) -> list[Any] | None:
    if None in (first, last, step):
        return None
    if not step:
        raise _Overrun("The third argument of $range must not be 0")
    count = int((last - first) / step) + 1
    if count > _MOST_LENGTH:
        raise _Overrun("$range would make too long an array")
    return [first + index * step for index in range(max(count, 0))]


def _hash(data: Any, algorithm: Any = None) -> str | None:
    if data is None:
        return None
    try:
        return hash_text(data if isinstance(data, str) else Functions.string(data), algorithm or "SHA-1")
    except KeyError as error:
        raise _Overrun(f"$hash does not know the algorithm {algorithm}") from error


def _parse(text: Any) -> Any:
    if text is None:
        return None
    try:
        return _to_library(from_text(text))
    except ValueError as error:
        raise _Overrun("The argument of $parse must be valid JSON") from error


def _no_eval(text: Any = None, context: Any = None) -> Any:
    raise _Overrun("$eval is not supported in Step Functions")


def _now(scope: Scope) -> Callable[..., Any]:
    return lambda picture=None, zone=None: Functions.datetime_from_millis(int(scope.now * 1000), picture, zone)


# name -> (JSONata's signature, what makes the function for a scope)
_FUNCTIONS: dict[str, tuple[str, Callable[[Scope], Callable[..., Any]]]] = {
    "partition": ("<an:a>", lambda scope: _partition),
    "range": ("<nnn:a>", lambda scope: _range),
    "hash": ("<xs?:s>", lambda scope: _hash),
    "random": ("<n?:n>", _random),
    "shuffle": ("<a:a>", _shuffle),
    "uuid": ("<:s>", lambda scope: scope.chance.uuid),
    "parse": ("<s:x>", lambda scope: _parse),
    "eval": ("<x?x?:x>", lambda scope: _no_eval),
    "now": ("<s?s?:s>", _now),
    "millis": ("<:n>", lambda scope: lambda: int(scope.now * 1000)),
}

_GUARDED: dict[str, tuple[str, Callable[..., Any], Callable[..., int]]] = {
    "pad": ("<s-ns?:s>", _pad, lambda text, width, fill=None: abs(int(width)) * max(_length(fill), 1)),
    "replace": (
        "<s-(sf)(sf)n?:s>",
        _replace,
        lambda text, pattern, replacement, limit=None: (_length(text) + 1) * _length(replacement),
    ),
    "join": (
        "<a<s>s?:s>",
        _join,
        lambda parts, separator=None: measure(parts) + _length(parts) * _length(separator),
    ),
    "string": ("<x-b?:s>", _string, lambda value, prettify=None: measure(value)),
}

# --- templates --------------------------------------------------------------------------------------------------------

Build = Callable[[Scope], Any]


def compile_jsonata(raw: Any, field: str) -> Build:
    """Any JSON value in which strings may be expressions (Arguments, Output, Assign's members, Items, ...)."""
    return _compile(raw, field) or (lambda scope: raw)


def _compile(raw: Any, field: str) -> Build | None:
    """The builder, or None for a constant."""
    if is_expression(raw):
        expression = compile_expression(raw)
        return lambda scope: expression.evaluate(scope, field)
    if isinstance(raw, dict):
        members = [(key, value, _compile(value, f"{field}/{key}")) for key, value in raw.items()]
        if not any(build for _, _, build in members):
            return None
        return lambda scope: {key: build(scope) if build else value for key, value, build in members}
    if isinstance(raw, list):
        items = [(value, _compile(value, f"{field}[{index}]")) for index, value in enumerate(raw)]
        if not any(build for _, build in items):
            return None
        return lambda scope: [build(scope) if build else value for value, build in items]
    return None
