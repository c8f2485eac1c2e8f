"""The methods a template may call: those of Java's String, List, Map and numbers, as a table per kind of value.

What is not in a table does not exist: the reference is then null, as Velocity has it for a method that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import regex  # type: ignore[import-untyped]

from forecourt.services.apigateway.patterns import compile_pattern
from forecourt.services.apigateway.vtl.state import MAX_BYTES, MAX_ITEMS, Broken, TemplateError, bounded
from forecourt.services.apigateway.vtl.values import Entry, JavaList, equal, text_of

Method = Callable[..., Any]
_PATTERN_SECONDS = 0.1


class Loop(dict[str, Any]):
    """`$foreach`."""


class Callables:
    """An object of ours whose marked methods a template may call by name (`$input`, `$util`)."""

    METHODS: Mapping[str, Method] = {}
    # What its methods of `COSTLY` have cost and nobody has charged yet
    work = 0

    def member(self, name: str) -> Any:
        """`$object.name`."""
        return None


# What a method raises that does not take the arguments it is given: the call is then null.
Refused = (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError)


def call(value: Any, name: str, arguments: list[Any]) -> Any:
    """Null where there is no such method, or it does not take these arguments."""
    method = methods_of(type(value)).get(name)
    if method is None:
        return None
    try:
        return method(value, *arguments)
    except Refused:
        return None


def methods_of(kind: type) -> Mapping[str, Method]:
    known = _known.get(kind)
    if known is None:
        known = _known[kind] = _table_of(kind)
    return known


def _table_of(kind: type) -> Mapping[str, Method]:
    if issubclass(kind, Callables):
        return kind.METHODS
    table = next((table for known, table in _TABLES if issubclass(kind, known)), None)
    return {} if table is None else {**_ANY, **table}


_known: dict[type, Mapping[str, Method]] = {}


def property_of(value: Any, name: str) -> Any:
    """`$value.name`: a map's value, else what a getter (`getName`, `isName`) would give."""
    if isinstance(value, Callables):
        return value.member(name)
    if isinstance(value, Mapping):
        found = value.get(name)
        if found is not None or name in value:
            return found
        return call(value, f"is{name[:1].upper()}{name[1:]}", []) if name == "empty" else None
    if name in ("empty", "bytes"):
        getter = "isEmpty" if name == "empty" else "getBytes"
        return call(value, getter, [])
    return None


def index_of(value: Any, index: Any) -> Any:
    """`$value[index]`."""
    if isinstance(value, Mapping):
        return value.get(index if isinstance(index, str) else text_of(index))
    if isinstance(value, list) and isinstance(index, int) and not isinstance(index, bool):
        return value[index] if -len(value) <= index < len(value) else None
    return None


# -- String


def _replace(text: str, old: str, new: str) -> str:
    old, new = text_of(old), text_of(new)
    if len(text) + text.count(old) * len(new) > MAX_BYTES:
        raise TemplateError("a string is larger than 10 MB")
    return text.replace(old, new)


def _java_replacement(replacement: str) -> Callable[[regex.Match[str]], str]:
    """`$1` and `${name}` are groups; a backslash takes the next character as it is."""

    def group(found: regex.Match[str], token: re.Match[str]) -> str:
        if token[1] is not None:
            return token[1]
        return found[int(token[2])] or "" if token[2] else found[token[3]] or ""

    return lambda found: re.sub(r"\\(.)|\$(\d)|\$\{(\w+)\}", lambda token: group(found, token), replacement)


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise TemplateError("a pattern takes too long to match") from error


def _replace_regex(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    compiled = compile_pattern(pattern)
    with _in_time():
        matches = sum(1 for _ in compiled.finditer(text, timeout=_PATTERN_SECONDS))
        if len(text) + matches * (len(replacement) + 64) > MAX_BYTES:
            raise TemplateError("a string is larger than 10 MB")
        replaced = compiled.sub(_java_replacement(replacement), text, count=count, timeout=_PATTERN_SECONDS)
    return bounded(replaced)


def _matches(text: str, pattern: str) -> bool:
    with _in_time():
        return compile_pattern(pattern).fullmatch(text, timeout=_PATTERN_SECONDS) is not None


def _split(text: str, pattern: str, limit: int = 0) -> JavaList:
    """Empty strings at the end are dropped, as Java does without a limit; one at the start that nothing made, too."""
    with _in_time():
        parts = compile_pattern(pattern).split(text, maxsplit=max(limit - 1, 0), timeout=_PATTERN_SECONDS)
    if limit == 0:
        while parts and parts[-1] == "":
            parts.pop()
    return JavaList(parts or [text])


def _substring(text: str, start: int, end: int | None = None) -> str | None:
    stop = len(text) if end is None else end
    return text[start:stop] if 0 <= start <= stop <= len(text) else None


def _compare(text: str, other: str) -> int:
    return (text > other) - (text < other)


def _repeat(text: str, times: int) -> str:
    if len(text) * times > MAX_BYTES:
        raise TemplateError("a string is larger than 10 MB")
    return text * times


_STRING: Mapping[str, Method] = {
    "length": len,
    "isEmpty": lambda s: not s,
    "isBlank": lambda s: not s.strip(),
    "substring": _substring,
    "indexOf": lambda s, part, start=0: s.find(text_of(part), start),
    "lastIndexOf": lambda s, part: s.rfind(text_of(part)),
    "contains": lambda s, part: text_of(part) in s,
    "startsWith": lambda s, part, start=0: s.startswith(part, start),
    "endsWith": lambda s, part: s.endswith(part),
    "replace": _replace,
    "replaceAll": _replace_regex,
    "replaceFirst": lambda s, pattern, new: _replace_regex(s, pattern, new, 1),
    "matches": _matches,
    "split": _split,
    "toLowerCase": str.lower,
    "toUpperCase": str.upper,
    "trim": lambda s: s.strip(),
    "strip": lambda s: s.strip(),
    "equalsIgnoreCase": lambda s, other: s.lower() == other.lower(),
    "charAt": lambda s, at: s[at] if 0 <= at < len(s) else None,
    "concat": lambda s, other: bounded(s + other),
    "compareTo": _compare,
    "compareToIgnoreCase": lambda s, other: _compare(s.lower(), other.lower()),
    "repeat": _repeat,
    "getBytes": lambda s: JavaList(s.encode()),
    "toCharArray": JavaList,
}


# -- List


def _grown(items: list[Any]) -> bool:
    if len(items) > MAX_ITEMS:
        raise TemplateError(f"a list has more than {MAX_ITEMS} items")
    return True


def _add(items: list[Any], *arguments: Any) -> bool:
    if len(arguments) == 2:
        items.insert(arguments[0], arguments[1])
    else:
        items.append(*arguments)
    return _grown(items)


def _add_all(items: list[Any], more: list[Any]) -> bool:
    items.extend(list(more))
    return _grown(items)


def _remove(items: list[Any], which: Any) -> Any:
    if isinstance(which, int) and not isinstance(which, bool):
        return items.pop(_place(items, which))
    if which in items:
        items.remove(which)
        return True
    return False


def _set(items: list[Any], at: int, value: Any) -> Any:
    before, items[_place(items, at)] = items[at], value
    return before


def _place(items: list[Any], at: int) -> int:
    """As Java has it: nothing is counted from the end."""
    if not 0 <= at < len(items):
        raise IndexError
    return at


_LIST: Mapping[str, Method] = {
    "size": len,
    "length": len,
    "isEmpty": lambda items: not items,
    "get": lambda items, at: items[at] if 0 <= at < len(items) else None,
    "add": _add,
    "addAll": _add_all,
    "set": _set,
    "remove": _remove,
    "clear": lambda items: items.clear() or "",
    "contains": lambda items, value: any(equal(item, value) for item in items),
    "containsAll": lambda items, values: all(any(equal(item, value) for item in items) for value in values),
    "indexOf": lambda items, value: items.index(value) if value in items else -1,
    "subList": lambda items, start, end: JavaList(items[start:end]) if 0 <= start <= end <= len(items) else None,
    "toArray": JavaList,
}

# -- Map


def _put(table: dict[str, Any], key: Any, value: Any) -> Any:
    before = table.get(text_of(key))
    table[text_of(key)] = value
    if len(table) > MAX_ITEMS:
        raise TemplateError(f"a map has more than {MAX_ITEMS} entries")
    return before


_MAP: Mapping[str, Method] = {
    "get": lambda table, key: table.get(text_of(key)),
    "getOrDefault": lambda table, key, default: table.get(text_of(key), default),
    "put": _put,
    "putAll": lambda table, more: table.update(more),
    "containsKey": lambda table, key: text_of(key) in table,
    "containsValue": lambda table, value: any(equal(item, value) for item in table.values()),
    "keySet": JavaList,
    "values": lambda table: JavaList(table.values()),
    "entrySet": lambda table: JavaList(Entry(key=key, value=value) for key, value in table.items()),
    "size": len,
    "isEmpty": lambda table: not table,
    "remove": lambda table, key: table.pop(text_of(key), None),
    "clear": lambda table: table.clear() or "",
    "getKey": lambda entry: entry["key"] if isinstance(entry, Entry) else None,
    "getValue": lambda entry: entry["value"] if isinstance(entry, Entry) else None,
}


def _leave(loop: Loop) -> None:
    raise Broken(loop)


_LOOP: Mapping[str, Method] = {
    "hasNext": lambda loop: loop["hasNext"],
    "getIndex": lambda loop: loop["index"],
    "getCount": lambda loop: loop["count"],
    "isFirst": lambda loop: loop["first"],
    "isLast": lambda loop: loop["last"],
    "getParent": lambda loop: loop["parent"],
    "getTopmost": lambda loop: loop["topmost"],
    "stop": _leave,
}
_NUMBER: Mapping[str, Method] = {
    "intValue": int,
    "longValue": int,
    "doubleValue": float,
    "floatValue": float,
    "compareTo": lambda number, other: (number > other) - (number < other),
}
_BOOLEAN: Mapping[str, Method] = {"booleanValue": bool}

_ANY: Mapping[str, Method] = {
    "toString": lambda value: bounded(text_of(value)),
    "equals": equal,
    "hashCode": lambda value: _hash(text_of(value)),
}


def _hash(text: str) -> int:
    """`String.hashCode`, which is of UTF-16."""
    result = 0
    for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"):
        result = (31 * result + unit) & 0xFFFFFFFF
    return result - (1 << 32) if result >= 1 << 31 else result


_TABLES: tuple[tuple[Any, Mapping[str, Method]], ...] = (
    (str, _STRING),
    (bool, _BOOLEAN),
    ((int, float), _NUMBER),
    (Loop, _LOOP),
    (Mapping, _MAP),
    (list, _LIST),
)

# Methods of `Callables` that account for their own work.
COSTLY = frozenset({"path", "json", "parseJson", "base64Decode"})

# Methods whose time a pattern decides.
MATCHING = frozenset({"matches", "split", "replaceAll", "replaceFirst"})

# Methods whose time grows with what they are asked of.
WALKING = frozenset(
    {*_STRING, *_LIST, *_MAP, *_ANY}
    - {"size", "length", "isEmpty", "get", "getOrDefault", "charAt", "containsKey", "add", "set", "put"}
)
