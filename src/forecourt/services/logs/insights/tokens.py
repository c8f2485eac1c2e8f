"""The words of a query: `fields @message | filter status >= 500 # a comment`. Pure.

A `/` divides or begins a regular expression, whichever the place asks for; so tokens are read one at a time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<period>\d+\s*(?:ms|msec|milliseconds?|s|sec|seconds?|m|min|minutes?|h|hr|hours?|d|days?|w|weeks?
        |mo|mon|months?|q|qtr|quarters?|y|yr|years?)\b)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)
  | (?P<name>[A-Za-z_@$][\w@$]*(?:\.[\w@$]+|\[\d+\])*)
  | (?P<quoted>`[^`]+`)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<sign>!=|<=|>=|=~|[-+*/^%=<>(),|\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_REGEX = re.compile(r"/((?:\\.|[^/\\\n])+)/([a-z]*)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class MalformedQuery(ValueError):
    """`start` and `end` are where it goes wrong, in characters."""

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class Tokens:
    """`began_at`: when the query began, in epoch seconds."""

    def __init__(self, text: str, began_at: float = 0.0) -> None:
        self.text = text
        self.began_at = began_at
        self._at = 0
        self._next: Token | None = None

    def peek(self) -> Token:
        """The token that comes next; of kind "end" at the end. Raises `MalformedQuery`."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def next(self) -> Token:
        token = self.peek()
        self._next, self._at = None, token.end
        return token

    def take(self, *texts: str) -> Token | None:
        """The next token if it is one of these words or signs, in whatever case."""
        token = self.peek()
        if token.kind in ("name", "sign") and token.text.lower() in texts:
            return self.next()
        return None

    def expect(self, text: str) -> Token:
        return self.take(text) or self.fail(self.peek())

    def expect_kind(self, *kinds: str) -> Token:
        token = self.peek()
        return self.next() if token.kind in kinds else self.fail(token)

    def take_regex(self) -> Token | None:
        """The expression between slashes, if there is one here."""
        start = _BLANK.match(self.text, self._at).end()  # type: ignore[union-attr]  # it matches anything
        match = _REGEX.match(self.text, start)
        if match is None:
            return None
        self._next, self._at = None, match.end()
        text = f"(?{match[2]}){match[1]}" if match[2] else match[1]
        return Token("regex", text, start, match.end())

    def since(self, start: int) -> str:
        """What was written from `start` on."""
        return self.text[start : self._at].strip()

    def fail(self, token: Token) -> Token:
        """Raises `MalformedQuery`, in AWS's words."""
        line = self.text.count("\n", 0, token.start) + 1
        column = token.start - (self.text.rfind("\n", 0, token.start) + 1)
        found = token.text or "end of query"
        raise MalformedQuery(
            f"unexpected symbol found {found} at line {line} and position {column}", token.start, token.end
        )

    def _read(self) -> Token:
        start = _BLANK.match(self.text, self._at).end()  # type: ignore[union-attr]
        if start == len(self.text):
            return Token("end", "", start, start)
        match = _TOKEN.match(self.text, start)
        if match is None:
            return self.fail(Token("", self.text[start], start, start + 1))
        kind, text = str(match.lastgroup), match[0]
        if kind == "string":
            text = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), text[1:-1])
        elif kind == "quoted":
            kind, text = "field", text[1:-1]
        return Token(kind, text, start, match.end())
