"""The local mailbox: what was sent, where a developer and a test read it. Bounded, in memory, newest last."""

from __future__ import annotations

from collections import deque
from typing import Any

from forecourt.services.cognito.messages import Message

LARGEST = 1000


class Mailbox:
    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque(maxlen=LARGEST)
        self._count = 0

    def put(self, message: Message, pool_id: str, sent_at: float) -> None:
        self._count += 1
        self._messages.append(
            {
                "Id": self._count,
                "Medium": message.medium,
                "To": message.to,
                "From": message.sender,
                "Subject": message.subject,
                "Body": message.body,
                "Code": message.code,
                "UserPoolId": pool_id,
                "SentAt": sent_at,
            }
        )

    def messages(self, to: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Oldest first: those to one address, those later than the one with the id `after`."""
        return [m for m in self._messages if m["Id"] > after and to in (None, m["To"])]

    def clear(self) -> None:
        self._messages.clear()
