"""The methods a template may call: those of Java's String, List, Map and numbers, as a table per kind of value.

What is not in a table does not exist: the reference is then null, as Velocity has it for a method that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.services.apigateway.vtl.state import MAX_BYTES, MAX_ITEMS, TemplateError, bounded
from forecourt.services.apigateway.vtl.values import Entry, equal, text_of

Method = Callable[..., Any]


class Callables:
    """An object of ours whose marked methods a template may call by name (`$input`, `$util`)."""

    METHODS: Mapping[str, Method] = {}

    def member(self, name: str) -> Any:
        """`$object.name`."""
        return None


def call(value: Any, name: str, arguments: list[Any]) -> Any:
    """Null where there is no such method, or it does not take these arguments."""
    method = _method(value, name)
    if method is None:
        return None
    try:
        return method(value, *arguments)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, re.error):
        return None


def _method(value: Any, name: str) -> Method | None:
    if isinstance(value, Callables):
        return type(value).METHODS.get(name)
    for kind, table in _TABLES:
        if isinstance(value, kind):
            return table.get(name) or _ANY.get(name)
    return None


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
    if isinstance(value, list | tuple | range) and isinstance(index, int) and not isinstance(index, bool):
        return value[index] if -len(value) <= index < len(value) else None
    return None


# -- String


def _replace(text: str, old: str, new: str) -> str:
    old, new = text_of(old), text_of(new)
    if len(text) + text.count(old) * len(new) > MAX_BYTES:
        raise TemplateError("a string is larger than 10 MB")
    return text.replace(old, new)


def _java_replacement(replacement: str) -> Callable[[re.Match[str]], str]:
    """`$1` and `${name}` are groups; a backslash takes the next character as it is."""

    def group(found: re.Match[str], token: re.Match[str]) -> str:
        if token[1] is not None:
            return token[1]
        return found[int(token[2])] or "" if token[2] else found[token[3]] or ""

    return lambda found: re.sub(r"\\(.)|\$(\d)|\$\{(\w+)\}", lambda token: group(found, token), replacement)


def _replace_regex(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    compiled = re.compile(_java_pattern(pattern))
    matches = sum(1 for _ in compiled.finditer(text))
    if len(text) + matches * (len(replacement) + 64) > MAX_BYTES:
        raise TemplateError("a string is larger than 10 MB")
    return bounded(compiled.sub(_java_replacement(replacement), text, count=count))


def _java_pattern(pattern: str) -> str:
    return pattern.replace(r"\p{Alpha}", "[A-Za-z]").replace(r"\p{Punct}", r"[!-/:-@\[-`{-~]").replace("(?<", "(?P<")


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    """Empty strings at the end are dropped, as Java does without a limit."""
    parts = re.split(_java_pattern(pattern), text, maxsplit=max(limit - 1, 0))
    if limit == 0:
        while parts and parts[-1] == "":
            parts.pop()
    return parts or [text]


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
    "matches": lambda s, pattern: re.fullmatch(_java_pattern(pattern), s) is not None,
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
    "getBytes": lambda s: list(s.encode()),
    "toCharArray": list,
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
        return items.pop(which)
    if which in items:
        items.remove(which)
        return True
    return False


def _set(items: list[Any], at: int, value: Any) -> Any:
    before, items[at] = items[at], value
    return before


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
    "subList": lambda items, start, end: items[start:end] if 0 <= start <= end <= len(items) else None,
    "toArray": list,
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
    "keySet": list,
    "values": lambda table: list(table.values()),
    "entrySet": lambda table: [Entry(key=key, value=value) for key, value in table.items()],
    "size": len,
    "isEmpty": lambda table: not table,
    "remove": lambda table, key: table.pop(text_of(key), None),
    "clear": lambda table: table.clear() or "",
    "getKey": lambda entry: entry["key"] if isinstance(entry, Entry) else None,
    "getValue": lambda entry: entry["value"] if isinstance(entry, Entry) else None,
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
    """`String.hashCode`."""
    result = 0
    for char in text:
        result = (31 * result + ord(char)) & 0xFFFFFFFF
    return result - (1 << 32) if result >= 1 << 31 else result


_TABLES: tuple[tuple[Any, Mapping[str, Method]], ...] = (
    (str, _STRING),
    (bool, _BOOLEAN),
    ((int, float), _NUMBER),
    (Mapping, _MAP),
    ((list, tuple, range), _LIST),
)
