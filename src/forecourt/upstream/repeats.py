"""A response that differs from the last one of its connection in its body at most.

An origin that is busy says the same head again and again: within a second not even `Date` is another. What llhttp found
in it once, it would find again: such a response is not parsed, and its headers are the same list (`base.headers`).

Remembered are responses that came in one read, are framed by their length and keep the connection; recognized is the
same head, byte for byte, with a body of the same length behind it. Anything else is llhttp's to judge.
"""

from __future__ import annotations

from forecourt.base.headers import Headers, Recurring

_LONGEST_HEAD = 8 * 1024


class Repeats:
    """The head of a connection's last response."""

    __slots__ = ("_head", "_size", "headers", "status")

    def __init__(self) -> None:
        self._head = b""
        self._size = 0
        self.status = 0
        self.headers = Recurring()

    def learn(self, data: bytes, body_bytes: int, status: int, headers: Headers) -> None:
        """`data`: what one read brought, a response that keeps the connection and is framed by its length."""
        head_bytes = data.find(b"\r\n\r\n") + 4
        is_all = head_bytes + body_bytes == len(data)
        self._head = data[:head_bytes] if is_all and head_bytes <= _LONGEST_HEAD else b""
        self._size = len(data)
        self.status, self.headers = status, Recurring(headers)

    def find(self, data: bytes) -> bytes | None:
        """The body, where `data` is such a response again."""
        head = self._head
        if not head or len(data) != self._size or not data.startswith(head):
            return None
        return data[len(head) :]
