"""The courier takes a message and sees that it goes out, without the caller waiting.

A sign-up must not take longer because a mail server is slow, and how long a call takes must not tell whether there was
anybody to write to. So messages are queued, in a bounded queue, and a few tasks send them: three tries each. What could
not be sent is logged without its text, and told to whoever delivers the pool's own logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from forecourt.base.clock import Clock
from forecourt.services.cognito.courier.mailbox import Mailbox
from forecourt.services.cognito.errors import CodeDeliveryFailureException
from forecourt.services.cognito.messages import Message

if TYPE_CHECKING:
    from email.message import EmailMessage

_log = logging.getLogger("forecourt.cognito.courier")
LONGEST_QUEUE = 1000
# A server that answers slowly holds up so many messages, not all.
MOST_SENDERS = 8
TRIES = 3
_TIMEOUT_SECONDS = 10.0


class Courier:
    def __init__(
        self,
        *,
        clock: Clock,
        failed: Callable[[str, str], Awaitable[None]],
        smtp_url: str = "",
        mail_from: str = "",
        sms_webhook: str = "",
    ) -> None:
        """`failed` is told the pool's id and what happened."""
        self.mailbox = Mailbox()
        self._clock = clock
        self._failed = failed
        self._smtp_url = smtp_url
        self._mail_from = mail_from
        self._sms_webhook = sms_webhook
        self._queue: asyncio.Queue[tuple[Message, str]] = asyncio.Queue(LONGEST_QUEUE)
        self._senders: list[asyncio.Task[None]] = []

    def send(self, message: Message, pool_id: str) -> None:
        """Raises `CodeDeliveryFailureException` where too many messages wait already."""
        outside = self._smtp_url if message.medium == "EMAIL" else self._sms_webhook
        if not outside:
            self.mailbox.put(message, pool_id, self._clock.now())
            return
        if self._queue.full():
            raise CodeDeliveryFailureException("The message could not be delivered, please try again later.")
        self._queue.put_nowait((message, pool_id))
        if len(self._senders) < min(MOST_SENDERS, self._queue.qsize()):
            self._senders.append(asyncio.create_task(self._send_all()))

    async def stop(self) -> None:
        """Gives what is under way a moment, then gives up."""
        if self._senders:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._queue.join(), _TIMEOUT_SECONDS)
        for sender in self._senders:
            sender.cancel()

    async def _send_all(self) -> None:
        while True:
            message, pool_id = await self._queue.get()
            try:
                await self._send(message, pool_id)
            except Exception:
                # The next message is none the worse for it.
                _log.exception("a message was not sent")
            finally:
                self._queue.task_done()

    async def _send(self, message: Message, pool_id: str) -> None:
        # Mail and HTTP libraries are imported when there is something to send: a start does not wait for them.
        import aiosmtplib

        problem = ""
        for attempt in range(TRIES):
            try:
                await (self._mail(message) if message.medium == "EMAIL" else self._text(message))
                return
            except (OSError, aiosmtplib.SMTPException, ValueError, TimeoutError) as error:
                problem = type(error).__name__
                _log.warning("a message was not sent (try %d of %d): %s", attempt + 1, TRIES, problem)
                if attempt + 1 < TRIES:
                    await self._clock.sleep(0.5 * 2**attempt)
        await self._failed(pool_id, f"{message.medium} message was not delivered: {problem}")

    async def _mail(self, message: Message) -> None:
        import aiosmtplib

        server = urlsplit(self._smtp_url)
        await aiosmtplib.send(
            email(message, self._mail_from),
            hostname=server.hostname,
            port=server.port or (465 if server.scheme == "smtps" else 25),
            username=unquote(server.username) if server.username else None,
            password=unquote(server.password) if server.password else None,
            use_tls=server.scheme == "smtps",
            timeout=_TIMEOUT_SECONDS,
        )

    async def _text(self, message: Message) -> None:
        await asyncio.to_thread(_post, self._sms_webhook, {"to": message.to, "message": message.body})


def email(message: Message, sender: str) -> EmailMessage:
    """Line breaks in a header are folded away: nobody adds headers by way of a subject."""
    from email.message import EmailMessage
    from email.utils import formatdate, make_msgid

    mail = EmailMessage()
    mail["From"] = message.sender or sender
    if message.reply_to:
        mail["Reply-To"] = message.reply_to
    mail["To"] = message.to
    mail["Subject"] = " ".join(message.subject.split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="forecourt.local")
    mail.set_content(message.body, subtype="html")
    return mail


def _post(url: str, body: dict[str, str]) -> None:
    from urllib.request import Request, urlopen

    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("the webhook is not an HTTP URL")
    request = Request(url, msgspec.json.encode(body), {"Content-Type": "application/json"})
    with urlopen(request, timeout=_TIMEOUT_SECONDS):
        pass
