"""A response that differs from the last one of its connection in its body at most.

An origin that is busy says the same head again and again: within a second not even `Date` is another. What llhttp found
in it once, it would find again: such a response is not parsed, and its headers are the same list (`base.headers`).

Remembered are responses that came in one read, are framed by their length and keep the connection; recognized is the
same head, byte for byte, with a body of the same length behind it. Anything else is llhttp's to judge. An origin that
seldom repeats itself is seldom remembered.
"""

from __future__ import annotations

from forecourt.base.headers import Headers, Listener, Recurring

_LONGEST_HEAD = 8 * 1024


class Repeats(Listener):
    """The head of a connection's last response."""

    __slots__ = ("_head", "_size", "headers", "status")

    def __init__(self) -> None:
        super().__init__()
        self._head = b""
        self._size = 0
        self.status = 0
        self.headers = Recurring()

    def learn(self, data: bytes, body_bytes: int, status: int, headers: Headers) -> None:
        """`data`: what one read brought, a response that keeps the connection and is framed by its length."""
        self._head = b""
        if not self.is_worth_it():
            return
        head_bytes = data.find(b"\r\n\r\n") + 4
        if head_bytes + body_bytes == len(data) and head_bytes <= _LONGEST_HEAD:
            self._head, self._size = data[:head_bytes], len(data)
            self.status, self.headers = status, Recurring(headers)

    def find(self, data: bytes) -> bytes | None:
        """The body, where `data` is such a response again."""
        head = self._head
        if not head or len(data) != self._size or not data.startswith(head):
            return None
        self._different = 0
        return data[len(head) :]
