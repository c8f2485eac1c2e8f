"""Mail over SMTP, to a server that is there, slow, or not there."""

from __future__ import annotations

import asyncio
import email
import json
from collections.abc import AsyncIterator
from email.message import Message as Mail

import pytest
from tests.cognito.conftest import PASSWORD, Cloud

MAIL = "anna@example.com"


class Server:
    """As much of RFC 5321 as takes a mail. Addresses with `slow` in them are answered when the test says so."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.wake = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 here")
        while line := (await reader.readline()).decode().strip():
            if "slow" in line:
                await self.wake.wait()
            if line == "DATA":
                say("354 go on")
                data = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                self.mails.append(email.message_from_bytes(data))
            say("221 bye" if line == "QUIT" else "250 ok")
            if line == "QUIT":
                break
        writer.close()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.mails) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    made.wake.set()
    listening.close()


async def sign_up(cloud: Cloud, app: str, name: str, to: str) -> None:
    attributes = [{"Name": "email", "Value": to}]
    await cloud.client("SignUp", ClientId=app, Username=name, Password=PASSWORD, UserAttributes=attributes)


async def closed(cloud: Cloud) -> None:
    await cloud.pools.stop()
    await cloud.store.close()


async def test_a_mail_says_what_the_pool_says(server: Server) -> None:
    cloud = Cloud(smtp_url=f"smtp://127.0.0.1:{server.port}", mail_from="house@example.org")
    own = {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/pets.example",
        "From": "Pets <pets@pets.example>",
        "ReplyToEmailAddress": "help@pets.example",
    }
    template = {"EmailSubject": "Hello {username}", "EmailMessage": "<b>{####}</b> for {username}"}
    for settings in ({}, {"EmailConfiguration": own, "VerificationMessageTemplate": template}):
        pool = await cloud.pool(AutoVerifiedAttributes=["email"], **settings)
        await sign_up(cloud, await cloud.app(pool), "a<b", MAIL)
    await server.until(2)
    house, pets = server.mails
    assert (house["From"], house["To"], house["Reply-To"]) == ("house@example.org", MAIL, None)
    assert house["Subject"] == "Your verification code"
    assert house.get_payload().startswith("Your confirmation code is ")
    assert (pets["From"], pets["Reply-To"]) == ("Pets <pets@pets.example>", "help@pets.example")
    assert pets["Subject"] == "Hello a<b"
    assert pets.get_content_type() == "text/html"
    assert pets.get_payload().strip().endswith("</b> for a&lt;b")
    await closed(cloud)


async def test_one_slow_mailbox_holds_up_no_other(server: Server) -> None:
    cloud = Cloud(smtp_url=f"smtp://127.0.0.1:{server.port}")
    app = await cloud.app(await cloud.pool(AutoVerifiedAttributes=["email"]))
    for n, to in enumerate(["slow@example.com", *(f"quick{n}@example.com" for n in range(5))]):
        await sign_up(cloud, app, f"user{n}", to)
    await server.until(5)
    assert {str(mail["To"])[:5] for mail in server.mails} == {"quick"}
    server.wake.set()
    await server.until(6)
    await closed(cloud)


async def test_text_messages_go_to_the_webhook() -> None:
    """A POST of JSON; one that is refused is tried three times, and the next message goes out."""
    bodies: list[dict[str, str]] = []
    refusals = [503, 503]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        bodies.append(json.loads(await reader.readexactly(size)))
        status = refusals.pop() if refusals else 200
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    cloud = Cloud(sms_webhook=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/sms")
    sms = {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}}
    pool = await cloud.pool(AutoVerifiedAttributes=["phone_number"], SmsVerificationMessage="Pets: {####}", **sms)
    app = await cloud.app(pool)
    attributes = [{"Name": "phone_number", "Value": "+15555550100"}]
    await cloud.client("SignUp", ClientId=app, Username="anna", Password=PASSWORD, UserAttributes=attributes)
    async with asyncio.timeout(10):
        while len(bodies) < 3:
            cloud.clock.advance(1)
            await asyncio.sleep(0.02)
    assert {body["to"] for body in bodies} == {"+15555550100"}
    code = bodies[-1]["message"].removeprefix("Pets: ")
    await cloud.client("ConfirmSignUp", ClientId=app, Username="anna", ConfirmationCode=code)
    listening.close()
    await closed(cloud)
