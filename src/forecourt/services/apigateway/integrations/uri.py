"""An integration's URI: `http://backend/{proxy}?v=${stageVariables.version}`, taken apart once.

Stage variables are known when the plan is compiled; `{name}` is filled in per request. Where no `{name}` stands before
the path, which is all but always, the origin is known beforehand, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

import msgspec

from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error
from forecourt.upstream import Origin

_PLACEHOLDER = re.compile(r"\{([^{}]+?)\+?\}")
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
# What a path parameter may bring into a path as it is. A `%` stays: the value is as the client encoded it.
_SAFE = "/%!$&'()*+,;=:@-._~"
_PLAIN = re.compile(r"[/%!$&'()*+,;=:@\-._~0-9A-Za-z]*")
_SLASH = r"(?:[/\\]|%2f|%5c)"
_DOT_SEGMENT = re.compile(rf"(?:^|{_SLASH})(?:\.|%2e){{1,2}}(?:{_SLASH}|$)", re.IGNORECASE)

# The value of a path parameter, as the client encoded it; None where it has none
PathValue = Callable[[str], str | list[str] | None]


def substitute_stage_variables(text: str, variables: Mapping[str, str]) -> str:
    return _STAGE_VARIABLE.sub(lambda found: variables.get(found[1], ""), text)


class Target(msgspec.Struct, frozen=True):
    origin: Origin
    # Path and query, as they stand in the request line
    path: str

    def below(self, path: str) -> Target:
        """With the whole of a request's path behind its own: so the `$default` route of an HTTP API has it."""
        if path == "/":
            return self
        own, mark, query = self.path.partition("?")
        return Target(self.origin, own.rstrip("/") + _checked("the path", path) + mark + query)


class UriTemplate:
    """Raises `GatewayError` when it is rendered where it is not an absolute http(s) URL: AWS finds out then, too."""

    def __init__(self, uri: str, variables: Mapping[str, str]) -> None:
        uri = substitute_stage_variables(uri, variables)
        pieces = _PLACEHOLDER.split(uri)
        self._literals = pieces[0::2]
        self._names = pieces[1::2]
        # Each name with what follows it
        self._rest = tuple(zip(self._names, self._literals[1:], strict=True))
        _, separator, rest = self._literals[0].partition("://")
        # Where it is the same for all requests
        self.origin: Origin | None = None
        if separator and ("/" in rest or not self._names):
            self.origin = _origin(self._literals[0])
            self._literals[0] = rest[len(rest.partition("/")[0]) :] or "/"
        # The target of all requests where nothing is to fill in
        self.fixed: Target | None = None
        if self.origin is not None and not self._names:
            self.fixed = Target(self.origin, self._literals[0])

    def render(self, value_of: PathValue) -> Target:
        if self.fixed is not None:
            return self.fixed
        parts = [self._literals[0]]
        for name, literal in self._rest:
            parts += (_checked(name, value_of(name)), literal)
        text = "".join(parts)
        if self.origin is not None:
            return Target(self.origin, text)
        split = urlsplit(text)
        return Target(_origin(text), (split.path or "/") + (f"?{split.query}" if split.query else ""))


def _origin(uri: str) -> Origin:
    try:
        return Origin.parse(uri)
    except ValueError as error:
        raise configuration_error("Invalid endpoint address") from error


def _checked(name: str, value: str | list[str] | None) -> str:
    if not isinstance(value, str):
        raise configuration_error(f"Illegal character in path: {{{name}}} has no value")
    if ("." in value or "%" in value) and _DOT_SEGMENT.search(value):
        # The backend would resolve it and leave the path that the integration confines the client to.
        raise GatewayError("BAD_REQUEST_PARAMETERS", detail=f"{name} holds a dot segment")
    return value if _PLAIN.fullmatch(value) else quote(value, safe=_SAFE)
