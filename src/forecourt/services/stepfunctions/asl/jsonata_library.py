"""`jsonata-python` held to the reference implementation where its answers differ (JSONata's official groups say where).

- `Program` is an expression: remainders keep their fraction, what goes wrong on the right of `and` keeps its words.
- Functions in the library's place: a stable `$sort`, `$number` for decimal numbers only, whole numbers in `$string`,
  ISO timestamps only in `$toMillis`, replacements that see the groups.
- Python's own errors become JSONata's, found by their words among the library's templates.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
from collections.abc import Callable
from typing import Any

from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.signature import Signature
from jsonata.utils import Utils

# The library was translated from JavaScript by way of Java, where its messages' "function" became "Object".
_TEMPLATES = {
    code: re.sub(r"\bObject\b(?! (?:key|constructor))", "function", text)
    for code, text in JException.error_codes.items()
}
JException.error_codes.update(_TEMPLATES)
_CODE_OF_TEXT = {
    head.replace('"', "'"): code for code, text in _TEMPLATES.items() if len(head := text.split("{")[0]) > 15
}

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?")
_RADIX = {"0x": 16, "0X": 16, "0b": 2, "0B": 2, "0o": 8, "0O": 8}
_ISO_8601 = re.compile(
    r"\d{4}(-[01]\d)*(-[0-3]\d)*(T[0-2]\d:[0-5]\d:[0-5]\d)*(\.\d+)?([+-][0-2]\d:?[0-5]\d|Z)?", re.ASCII
)
_SURROGATE_ESCAPES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_LARGEST_WRITTEN_OUT = 1e21  # JavaScript writes larger numbers with an exponent


class Program(Jsonata):  # type: ignore[misc]
    """A parsed expression. Raises `JException`, and what the regular expression engine raises."""

    def __init__(self, text: str, regex_engine: Any) -> None:
        super().__init__(_SURROGATE_ESCAPES.sub(_one_character, text), regex_engine)

    def evaluate_binary(self, expr: Any, input: Any, environment: Any) -> Any:
        if expr.value not in ("and", "or"):
            return super().evaluate_binary(expr, input, environment)
        left = Jsonata.boolize(self.eval(expr.lhs, input, environment))
        if left is (expr.value == "or"):
            return left
        return Jsonata.boolize(self.eval(expr.rhs, input, environment))

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
        try:
            if op == "%" and Utils.is_numeric(lhs) and Utils.is_numeric(rhs):
                return Utils.convert_number(math.fmod(lhs, rhs))
            return super().evaluate_numeric_expression(lhs, rhs, op)
        except (ZeroDivisionError, ValueError, OverflowError) as error:
            # JavaScript has Infinity and NaN, which no operator and no result takes
            raise JException("D1001", -1, math.inf if op != "%" and lhs else math.nan) from error


def _one_character(pair: re.Match[str]) -> str:
    high, low = int(pair.group(1), 16), int(pair.group(2), 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


class _Function(Jsonata.JFunction):  # type: ignore[misc]
    """A function with JSONata's signature, whose Python errors are told as JSONata's `code`."""

    def __init__(self, name: str, signature: str, function: Callable[..., Any], code: str | None = None) -> None:
        super().__init__(None, None)
        self.signature = Signature(signature, name)
        self.function_name = name
        self._function = function
        self._count = len(inspect.signature(function).parameters)
        self._code = code

    def call(self, input: Any, arguments: Any) -> Any:
        try:
            return Functions._call(self._function, self._count, arguments[: self._count])
        except JException as error:
            raise _coded(error, arguments, None) from error
        except (ValueError, TypeError, OverflowError, RuntimeError, LookupError) as error:
            if isinstance(error, RecursionError):
                raise
            raise _coded(error, arguments, self._code) from error

    def get_number_of_args(self) -> int:
        return self._count


def _coded(error: Any, arguments: Any, otherwise: str | None) -> Any:
    """The same error by its code. The library raises some by their words alone."""
    if isinstance(error, JException) and error.error in JException.error_codes:
        return error
    text = str(error.error) if isinstance(error, JException) else str(error)
    text = text.replace('"', "'")
    code = next((code for head, code in _CODE_OF_TEXT.items() if text.startswith(head)), otherwise)
    if code is None:
        return error
    first, *rest = arguments or [None]
    return JException(code, -1, first, rest[0] if rest else None)


_PLACE = re.compile(r"\{\{\w+\}\}")
_SUBTYPES = {
    "a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings",
}  # fmt: skip


def explain(error: Any) -> str:
    """The message in the reference implementation's words: what is filled in is written as JSON."""
    template = JException.error_codes.get(error.error)
    if template is None or "{{{" in template:
        return re.sub(r"^[A-Z]\d{4}:\s*", "", str(error))
    last = _SUBTYPES.get(error.extra, error.extra) if error.error == "T0412" else error.extra
    values = iter((error.current, error.expected, last))
    return _PLACE.sub(lambda place: _written(next(values, None)), template)


def _written(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))


# --- functions --------------------------------------------------------------------------------------------------------


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return Functions.number(value)
    if _NUMBER.fullmatch(value) and math.isfinite(number := float(value)):
        return int(value) if value.lstrip("-").isdecimal() else number
    radix = _RADIX.get(value[:2])
    if radix is None:
        raise ValueError(value)
    return int(value[2:], radix)


def _string(value: Any, prettify: Any = None) -> Any:
    """Whole numbers are written out, as JavaScript does it; others get 15 digits."""
    if isinstance(value, float) and not math.isfinite(value):
        raise JException("D3001", -1, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _digits(value) or _library_string(value, prettify)
    return _library_string(value, prettify)


def _digits(value: int | float) -> str | None:
    return str(int(value)) if value == int(value) and abs(value) < _LARGEST_WRITTEN_OUT else None


def _power(base: Any, exponent: Any) -> Any:
    result = Functions.power(base, exponent)
    if isinstance(result, complex):
        raise ValueError(result)
    return result


def _to_millis(timestamp: Any, picture: Any = None) -> Any:
    if picture is None and isinstance(timestamp, str) and not _ISO_8601.fullmatch(timestamp):
        raise ValueError(timestamp)
    return Functions.datetime_to_millis(timestamp, picture)


def stable_sort(items: Any, comparator: Any = None) -> Any:
    """Items that the comparator does not tell apart keep their order: `$f($a, $b)` says whether b goes before a."""
    if items is None or len(items) <= 1:
        return items
    if comparator is None:
        if not (Utils.is_array_of_numbers(items) or Utils.is_array_of_strings(items)):
            raise JException("D3070", -1)
        return sorted(items)
    if callable(comparator):  # the order-by operator's, which answers -1, 0 or 1
        return sorted(items, key=functools.cmp_to_key(comparator))

    class Place:
        __slots__ = ("item",)

        def __init__(self, item: Any) -> None:
            self.item = item

        def __lt__(self, earlier: Place) -> bool:
            # `sorted` only ever asks whether a later item goes before an earlier one
            answer = Functions.func_apply(comparator, [earlier.item, self.item])
            return bool(answer) if isinstance(answer, bool) or answer is None else answer > 0

    return sorted(items, key=Place)


def _groups_only(match: re.Match[str]) -> dict[str, Any]:
    return {"match": match.group(), "start": match.start(), "end": match.end(), "groups": list(match.groups())}


_library_string = Functions.string
Functions.string = staticmethod(_string)
Functions.sort = staticmethod(stable_sort)
Functions.to_jsonata_match = staticmethod(_groups_only)

_MENDED: list[tuple[str, str, Callable[..., Any], str | None]] = [
    ("string", "<x-b?:s>", _string, None),
    ("number", "<(nsb)-:n>", _number, "D3030"),
    ("power", "<n-n:n>", _power, "D3061"),
    ("sort", "<af?:a>", stable_sort, "D3070"),
    ("formatNumber", "<n-so?:s>", Functions.format_number, None),
    ("formatInteger", "<n-s:s>", Functions.format_integer, None),
    ("parseInteger", "<s-s:n>", Functions.parse_integer, None),
    ("toMillis", "<s-s?:n>", _to_millis, "D3110"),
    ("fromMillis", "<n-s?s?:s>", Functions.datetime_from_millis, None),
    ("encodeUrlComponent", "<s-:s>", Functions.encode_url_component, "D3140"),
    ("encodeUrl", "<s-:s>", Functions.encode_url, "D3140"),
    ("decodeUrlComponent", "<s-:s>", Functions.decode_url_component, "D3140"),
    ("decodeUrl", "<s-:s>", Functions.decode_url, "D3140"),
]
for _name, _signature, _function, _code in _MENDED:
    Jsonata.static_frame.bind(_name, _Function(_name, _signature, _function, _code))


def define(name: str, signature: str, function: Callable[..., Any]) -> Any:
    """A function of JSONata's by its signature, for an environment."""
    return _Function(name, signature, function)
