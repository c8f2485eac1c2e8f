"""A request that differs from the last one of its connection in its line at most.

Browsers and SDKs say the same headers with every request that they send on a connection. What llhttp found in them
once, it would find again: such a request is not parsed, and its headers are the same list (`base.headers`).

Remembered are requests that came in one read, keep the connection and have no body; recognized is what repeats all that
follows the line, byte for byte, behind a line of the plainest form. Anything else is llhttp's to judge. A client that
seldom repeats itself is seldom remembered.
"""

from __future__ import annotations

import re

from forecourt.base.headers import Headers, Listener, Recurring

# Of methods that mean nothing else by what follows the line
_LINE = re.compile(rb'(GET|HEAD|DELETE|OPTIONS) (/[!"$-~]*) HTTP/1\.1')
_LONGEST = 4 * 1024


class Repeats(Listener):
    """What the last request of a connection said after its line. `headers` and `names` are those that stand in it."""

    __slots__ = ("_rest", "headers", "names")

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        self.headers = Recurring()
        self.names: list[bytes] = []

    def learn(self, data: bytes, headers: Headers, names: list[bytes]) -> None:
        """`data`: a request that has no body and keeps the connection, from its first byte to its last."""
        self._rest = b""
        if not self.is_worth_it():
            return
        end = data.find(b"\r\n")
        if len(data) - end <= _LONGEST and _LINE.fullmatch(data, 0, end):
            self._rest = data[end:]
            self.headers, self.names = Recurring(headers), names

    def forget(self) -> None:
        self._rest = b""
        self.headers, self.names = Recurring(), []

    def find(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Method and target, where `data` is such a request again."""
        rest = self._rest
        if not rest or not data.endswith(rest):
            return None
        line = _LINE.fullmatch(data, 0, len(data) - len(rest))
        if line is None:
            return None
        self._different = 0
        return line[1], line[2]
