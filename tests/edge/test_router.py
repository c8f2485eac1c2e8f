"""Who answers a request, by host and path: one text table."""

from __future__ import annotations

from typing import Any

import pytest

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.ids import Ids
from forecourt.edge.origin import from_foreign_page, own_host
from forecourt.edge.router import Router

TABLE = """
host                                                  path                                             answered by
localhost:4566                                        /                                                aws
localhost:4566                                        /restapis/a1b2c3d4e5/resources                   aws
localhost:4566                                        /restapis/a1b2c3d4e5/dev/_user_request_/pets/7   api a1b2c3d4e5 /dev/pets/7
localhost:4566                                        /restapis/a1b2c3d4e5/dev/_user_request_          api a1b2c3d4e5 /dev/
localhost:4566                                        /restapis/a1b2c3d4e5/dev/_user_request_/         api a1b2c3d4e5 /dev/
localhost:4566                                        /_aws/execute-api/a1b2c3d4e5/dev/pets%2F7        api a1b2c3d4e5 /dev/pets%2F7
localhost:4566                                        /_aws/execute-api/a1b2c3d4e5                     api a1b2c3d4e5 /
localhost:4566                                        /_aws/execute-api/                               aws
a1b2c3d4e5.execute-api.us-east-1.amazonaws.com        /dev/pets                                        api a1b2c3d4e5 /dev/pets
A1B2C3D4E5.Execute-Api.localhost:4566                 /                                                api a1b2c3d4e5 /
a1b2c3d4e5.execute-api.us-east-1.amazonaws.com        /dev/@connections/abc=                           aws
execute-api.us-east-1.amazonaws.com                   /dev                                             aws
myapp.auth.us-east-1.amazoncognito.com                /oauth2/authorize                                hosted myapp /oauth2/authorize
localhost:4566                                        /_aws/cognito/myapp/login                        hosted myapp /login
localhost:4566                                        /_aws/cognito/us-east-1_AbCd12345                hosted us-east-1_AbCd12345 /
login.pets.example.com:4566                           /login                                           hosted login.pets.example.com /login
LOGIN.auth.pets.example.com                           /login                                           hosted login.auth.pets.example.com /login
login.cats.example.com                                /login                                           aws
localhost:4566                                        /_aws/cognito/login.pets.example.com/login       hosted login.pets.example.com /login
localhost:4566                                        /us-east-1_AbCd12345/.well-known/jwks.json       keys us-east-1_AbCd12345 /.well-known/jwks.json
localhost:4566                                        /us-gov-west-1_Ab/.well-known/jwks.json          keys us-gov-west-1_Ab /.well-known/jwks.json
localhost:4566                                        /bucket/.well-known/jwks.json                    aws
localhost:4566                                        /_forecourt/health                               own
localhost:4566                                        /_forecourtx                                     aws
localhost:4566                                        /_aws/lambda-url/abc123/x                        url abc123 /x
localhost:4566                                        /_aws/cloudformation/abc-1_2                     signal abc-1_2
localhost:4566                                        /_aws/cloudformation/abc/more                    aws
abc123.lambda-url.us-east-1.on.aws                    /x                                               url abc123 /x
cognito-idp.us-east-1.amazonaws.com                   /                                                aws
"""  # noqa: E501


class Named:
    """Stands for an `ApiInvoker` behind the router."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name

    async def invoke(self, id: str, raw_path: bytes, *_: Any) -> None:
        self._recorder.asked = f"{self._name} {id} {raw_path.decode()}"


class Recorder:
    """Stands for everything behind the router and says who was asked."""

    def __init__(self) -> None:
        self.asked = ""

    def owns(self, host: str) -> bool:
        return host in ("login.pets.example.com", "login.auth.pets.example.com")

    async def serve(self, domain: str, raw_path: bytes, *_: Any) -> None:
        self.asked = f"hosted {domain} {raw_path.decode()}"

    async def well_known(self, pool_id: str, raw_path: bytes, *_: Any) -> None:
        self.asked = f"keys {pool_id} {raw_path.decode()}"

    async def signal(self, token: str, *_: Any) -> None:
        self.asked = f"signal {token}"

    async def aws(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked = "aws"

    async def own(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked = "own"


def scope_of(host: str, path: str, **headers: str) -> Scope:
    pairs = [(b"host", host.encode()), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
    return {"type": "http", "method": "GET", "raw_path": path.encode(), "query_string": b"", "headers": pairs}


def router_of(behind: Recorder, apis: Any) -> Router:
    urls = Named(behind, "url")
    return Router(
        aws=behind.aws,
        apis=apis,
        function_urls=urls,
        hosted_ui=behind,
        stacks=behind,
        own=behind.own,
        ids=Ids(),
        api_header_bytes=10_240,
    )


async def ask(host: str, path: str, **headers: str) -> tuple[str, list[Any]]:
    behind = Recorder()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    router = router_of(behind, Named(behind, "api"))
    await router(scope_of(host, path, **headers), receive, send)
    return behind.asked, sent


@pytest.mark.parametrize("row", TABLE.strip().splitlines()[1:], ids=lambda row: " ".join(row.split()[:2]))
async def test_table(row: str) -> None:
    host, path, answered_by = row.split(None, 2)
    asked, _ = await ask(host, path)
    assert asked == answered_by


async def test_an_api_refuses_more_than_10240_bytes_of_request_line_and_headers() -> None:
    asked, sent = await ask("a1b2c3d4e5.execute-api.localhost", "/dev", x_big="x" * 10_240)
    assert asked == ""
    assert sent[0]["status"] == 431


async def test_an_exception_becomes_a_500_with_a_request_id_and_no_traceback() -> None:
    class Broken:
        async def invoke(self, *_: Any) -> None:
            raise RuntimeError("the secret detail")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    router = router_of(Recorder(), Broken())
    await router(scope_of("a1b2c3d4e5.execute-api.localhost", "/dev"), None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 500
    assert any(name == b"x-amzn-requestid" for name, _ in sent[0]["headers"])
    assert b"secret" not in sent[1]["body"]


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "http://127.0.0.1:8080"}, False),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://localhost.evil.example"}, True),
        ({"sec_fetch_site": "cross-site"}, True),
        ({"sec_fetch_site": "cross-site", "origin": "http://localhost:3000"}, False),
        ({"sec_fetch_site": "same-origin"}, False),
    ],
)
def test_pages_of_other_origins_are_recognised(headers: dict[str, str], foreign: bool) -> None:
    assert from_foreign_page(scope_of("localhost:4566", "/", **headers)) is foreign


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost:4566", True),
        ("127.0.0.1:4566", True),
        ("[::1]:4566", True),
        ("abc.execute-api.localhost:4566", True),
        ("cognito-idp.us-east-1.amazonaws.com", True),
        ("api.example.org", True),
        ("x.api.example.org", True),
        ("evil.example", False),
        ("localhost.evil.example:4566", False),
    ],
)
def test_hosts_that_are_ours(host: str, own: bool) -> None:
    assert own_host(host.encode(), "https://api.example.org") is own
