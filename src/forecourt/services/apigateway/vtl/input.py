"""What API Gateway adds to a template: `$input` and `$util`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec

from forecourt.services.apigateway.vtl.jsonpath import JsonPath
from forecourt.services.apigateway.vtl.methods import Callables, Method
from forecourt.services.apigateway.vtl.state import TemplateError
from forecourt.services.apigateway.vtl.values import json_text, text_of

_UNREAD = object()
# By place (`path`, `querystring`, `header`) and name.
Parameters = Mapping[str, Mapping[str, str]]


class Input(Callables):
    """A request's body and parameters, or a response's. The body is parsed when a path first asks for it, once.

    The document is one: what a template changes in it by `$input.path` shows in `$input.json`, too.
    """

    METHODS: Mapping[str, Method]

    def __init__(self, body: str, parameters: Callable[[], Parameters]) -> None:
        """`parameters` is called when the template asks for one."""
        self._body = body
        self._parameters = parameters
        self._known: Parameters | None = None
        self._document: Any = _UNREAD

    def member(self, name: str) -> Any:
        return self._body if name == "body" else None

    def path(self, path: str) -> Any:
        return self._find(path)

    def json(self, path: str) -> str:
        """The node as JSON; what is not there is an empty string, quoted. A body that is not there is `{}`."""
        found = self._find(path)
        if found is None:
            return "{}" if path == "$" and not self._body.strip() else '""'
        return json_text(found)

    def _find(self, path: str) -> Any:
        document = self._document
        if document is _UNREAD:
            try:
                document = msgspec.json.decode(self._body) if self._body.strip() else None
            except (msgspec.DecodeError, RecursionError):
                # A body that is not JSON, or nested beyond all measure, is a string.
                document = self._body
            self._document = document
        if path == "$":
            return document
        try:
            compiled = _compiled(path)
            found = compiled.find(document)
        except ValueError as error:
            raise TemplateError(str(error)) from error
        self.work += compiled.visited >> 2
        return found

    def params(self, name: str | None = None) -> Any:
        """Without a name all parameters by place; else the path's, the query's, the header's, in this order."""
        known = self._known
        if known is None:
            known = self._known = self._parameters()
        if name is None:
            return {place: dict(known.get(place, {})) for place in ("path", "querystring", "header")}
        for place in ("path", "querystring"):
            if name in known.get(place, {}):
                return known[place][name]
        headers = known.get("header", {})
        if name in headers:
            return headers[name]
        return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


Input.METHODS = {"path": Input.path, "json": Input.json, "params": Input.params}

_paths: dict[str, JsonPath] = {}


def _compiled(path: str) -> JsonPath:
    """Paths are nearly always constants of a template; a bounded number of them is kept."""
    found = _paths.get(path)
    if found is None:
        if len(_paths) >= 4096:
            _paths.clear()
        found = _paths[path] = JsonPath(path)
    return found


class Util(Callables):
    METHODS: Mapping[str, Method]

    def escape_javascript(self, text: Any) -> str:
        given = text if type(text) is str else text_of(text)
        # Most text has nothing to escape, which one search finds out.
        return given if _TO_ESCAPE.search(given) is None else given.translate(_ESCAPED)

    def parse_json(self, text: Any) -> Any:
        given = text_of(text)
        self.work += len(given) >> 7
        try:
            return msgspec.json.decode(given)
        except (msgspec.DecodeError, RecursionError):
            return None

    def url_encode(self, text: Any) -> str:
        return quote_plus(text_of(text), safe="*-._").replace("~", "%7E")

    def url_decode(self, text: Any) -> str:
        return unquote_plus(text_of(text))

    def base64_encode(self, data: Any) -> str:
        return base64.b64encode(text_of(data).encode()).decode()

    def base64_decode(self, text: Any) -> str | None:
        given = text_of(text)
        self.work += len(given) >> 10
        try:
            return base64.b64decode(given).decode("utf-8", "replace")
        except binascii.Error:
            return None


Util.METHODS = {
    "escapeJavaScript": Util.escape_javascript,
    "parseJson": Util.parse_json,
    "urlEncode": Util.url_encode,
    "urlDecode": Util.url_decode,
    "base64Encode": Util.base64_encode,
    "base64Decode": Util.base64_decode,
}

# As Commons Lang's `escapeJavaScript`, which is what the documentation says this is.
_ESCAPES = {
    "'": "\\'",
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\n": "\\n",
    "\t": "\\t",
    "\f": "\\f",
    "\r": "\\r",
}
# What is not printable ASCII, and quotes, slash and backslash: as one set, which `re` searches fastest.
_TO_ESCAPE = re.compile(r"[^ !#-&(-.0-\[\]-~]")


def _escape(char: str) -> str:
    code = ord(char)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"
    return f"\\u{code:04X}"


class _Escaped(dict[int, str]):
    """What stands for a character's code; those that are not in the table are beyond Latin."""

    def __missing__(self, code: int) -> str:
        return _escape(chr(code))


_ESCAPED = _Escaped(
    (ord(char), (_ESCAPES.get(char) or _escape(char)) if _TO_ESCAPE.match(char) else char)
    for char in map(chr, range(0x100))
)
