"""What API Gateway adds to a template: `$input` and `$util`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

from __future__ import annotations

import base64
import binascii
import copy
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec

from forecourt.services.apigateway.vtl.jsonpath import JsonPath
from forecourt.services.apigateway.vtl.methods import Callables, Method
from forecourt.services.apigateway.vtl.state import TemplateError
from forecourt.services.apigateway.vtl.values import text_of

_UNREAD = object()


class Input(Callables):
    """`parameters` has `path`, `querystring` and `header`, each a map from names to values."""

    METHODS: Mapping[str, Method]

    def __init__(self, body: str, parameters: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._body = body
        self._parameters = parameters or {}
        self._document: Any = _UNREAD

    def member(self, name: str) -> Any:
        return self._body if name == "body" else None

    def path(self, path: str) -> Any:
        """The node, which the template may change: everybody gets a copy."""
        return copy.deepcopy(self._find(path))

    def json(self, path: str) -> str:
        """The node as JSON; what is not there is an empty string, quoted."""
        found = self._find(path)
        return '""' if found is None else msgspec.json.encode(found).decode()

    def _find(self, path: str) -> Any:
        if self._document is _UNREAD:
            try:
                self._document = msgspec.json.decode(self._body) if self._body.strip() else {}
            except msgspec.DecodeError:
                # A body that is not JSON is a string.
                self._document = self._body
        try:
            return _compiled(path).find(self._document)
        except ValueError as error:
            raise TemplateError(str(error)) from error

    def params(self, name: str | None = None) -> Any:
        """Without a name all parameters by place; else the path's, the query's, the header's, in this order."""
        if name is None:
            return {place: dict(self._parameters.get(place, {})) for place in ("path", "querystring", "header")}
        for place in ("path", "querystring"):
            if name in self._parameters.get(place, {}):
                return self._parameters[place][name]
        headers = self._parameters.get("header", {})
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
        return _TO_ESCAPE.sub(lambda found: _ESCAPES.get(found[0]) or _escape(found[0]), text_of(text))

    def parse_json(self, text: Any) -> Any:
        try:
            return msgspec.json.decode(text_of(text))
        except msgspec.DecodeError:
            return None

    def url_encode(self, text: Any) -> str:
        return quote_plus(text_of(text), safe="*-._").replace("~", "%7E")

    def url_decode(self, text: Any) -> str:
        return unquote_plus(text_of(text))

    def base64_encode(self, data: Any) -> str:
        return base64.b64encode(text_of(data).encode()).decode()

    def base64_decode(self, text: Any) -> str | None:
        try:
            return base64.b64decode(text_of(text)).decode("utf-8", "replace")
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
# Most text has little to escape: it is found by one search, not looked at letter by letter.
_TO_ESCAPE = re.compile(r"[^ -~]|['\"\\/]")


def _escape(char: str) -> str:
    code = ord(char)
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"
    return f"\\u{code:04X}"
