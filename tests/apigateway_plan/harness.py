"""A deployed API in this process: documents in, HTTP answers out. Lambda functions are Python functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.errors import RemoteError
from forecourt.base.ids import Ids
from forecourt.base.principal import Principal, service
from forecourt.edge.http1 import Server
from forecourt.services.apigateway.rest import model
from forecourt.services.apigateway.service import ApiGateway
from forecourt.services.apigateway.snapshot import Snapshot
from forecourt.store import Store, open_store
from forecourt.telemetry.metrics import Metrics
from forecourt.testing import free_port

API = "a1b2c3d4e5"
OWNER = {"account": "000000000000", "region": "us-east-1"}
Function = Callable[[dict[str, Any]], Any]


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class FunctionFailed(Exception):
    pass


class Services:
    """What integrations call: Lambda functions by name, and a record of every call."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.calls: list[tuple[CallContext, str, str, dict[str, Any]]] = []

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        self.calls.append((context, service, operation, dict(params)))
        name = params["FunctionName"].rpartition(":")[2]
        if name not in self.functions:
            raise RemoteError("ResourceNotFoundException", f"Function not found: {name}", 404)
        try:
            result = self.functions[name](msgspec.json.decode(params["Payload"]))
            if asyncio.iscoroutine(result):
                result = await result
        except FunctionFailed as failed:
            payload = msgspec.json.encode({"errorMessage": str(failed), "errorType": "FunctionFailed"})
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload}
        if params["InvocationType"] == "Event":
            return {"StatusCode": 202, "Payload": b""}
        return {"StatusCode": 200, "Payload": result if isinstance(result, bytes) else msgspec.json.encode(result)}


class Logs:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, account: str, region: str, group: str, stream: str, timestamp_ms: int, message: str) -> None:
        self.lines.append((group, message))


class Roles:
    async def principal(
        self, role_arn: str, session_name: str, service_principal: str, conditions: Mapping[str, str]
    ) -> Principal:
        made = service(role_arn, "000000000000")
        return msgspec.structs.replace(made, role_arn=role_arn)


class Gateway:
    def __init__(self, store: Store, clock: Clock, ports: Mapping[str, Any]) -> None:
        self.store = store
        self.clock = clock
        self.services = Services()
        self.logs = Logs()
        self.metrics = Metrics(clock)
        self.ids = Ids()
        self.gateway = ApiGateway(
            store=store,
            caller=self.services,
            clock=clock,
            ids=self.ids,
            logs=self.logs,
            metrics=self.metrics,
            roles=Roles(),  # type: ignore[arg-type]
            **ports,
        )

    async def deploy(
        self,
        methods: Mapping[str, model.Method],
        *,
        stage: Mapping[str, Any] | None = None,
        deployment: str = "d1",
        endpoint: model.EndpointConfiguration | None = None,
        **snapshot: Any,
    ) -> None:
        """`methods` by `GET /pets/{id}`."""
        resources: dict[str, model.Resource] = {}
        for line, method in methods.items():
            verb, _, path = line.partition(" ")
            made = resources.setdefault(
                path, model.Resource(**OWNER, rest_api_id=API, id=f"r{len(resources)}", path=path)
            )
            made.resource_methods = {**made.resource_methods, verb: msgspec.structs.replace(method, http_method=verb)}
        frozen = Snapshot(
            **OWNER,
            rest_api_id=API,
            deployment_id=deployment,
            name="tested",
            endpoint_configuration=endpoint or model.EndpointConfiguration(),
            resources=list(resources.values()),
            **snapshot,
        )
        staged = model.Stage(
            **OWNER,
            rest_api_id=API,
            stage_name="prod",
            deployment_id=deployment,
            created_date=0,
            last_updated_date=0,
            **(stage or {}),
        )
        await self.put(frozen, staged)

    async def put(self, *documents: Any) -> None:
        await self.store.write(lambda tx: [tx.put(document) for document in documents] and None)

    async def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        chunked: Sequence[bytes] | None = None,
        stage: str = "prod",
        client: str = "203.0.113.7",
    ) -> Answer:
        """An invocation, as the edge hands it over. `stage` empty: an HTTP API's `$default`, which has no prefix."""
        prefix = f"/{stage}" if stage else ""
        raw_path, _, query = path.partition("?")
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        parts = list(chunked) if chunked is not None else [body]
        if chunked is not None:
            sent.append((b"transfer-encoding", b"chunked"))
        elif body:
            sent.append((b"content-length", str(len(body)).encode()))
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": raw_path,
            "raw_path": f"{prefix}{raw_path}".encode(),
            "query_string": query.encode(),
            "headers": [(b"host", f"{API}.execute-api.us-east-1.amazonaws.com".encode()), *sent],
            "header_names": [b"Host", *(name.encode() for name, _ in headers)],
            "client": (client, 4711),
            "server": ("127.0.0.1", "443"),
            "state": {"request_id": self.ids.uuid()},
        }
        out: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            out.append(message)

        await self.gateway.invoke(API, f"{prefix}{raw_path}".encode(), scope, receive, send)
        return Answer(
            out[0]["status"],
            [(name.decode(), value.decode("latin-1")) for name, value in out[0]["headers"]],
            b"".join(message["body"] for message in out[1:]),
        )


@asynccontextmanager
async def gateway(**ports: Any) -> AsyncIterator[Gateway]:
    clock = Clock()
    store = open_store(None, clock)
    made = Gateway(store, clock, ports)
    await made.gateway.start()
    try:
        yield made
    finally:
        await made.gateway.stop()
        await store.close()


@asynccontextmanager
async def listening(made: Gateway) -> AsyncIterator[tuple[Server, int]]:
    """The API behind our own server, and its port: `/prod/…`."""
    port = free_port()

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
        scope["state"] = {"request_id": "00000000-0000-4000-8000-000000000000"}
        return made.gateway.invoke(API, scope["raw_path"], scope, receive, send)

    server = Server(app, "127.0.0.1", port)
    await server.start()
    try:
        yield server, port
    finally:
        await server.stop()


def method(integration: model.Integration, **settings: Any) -> model.Method:
    return model.Method(http_method="", method_integration=integration, **settings)


def function_uri(name: str) -> str:
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"


def proxy(name: str, **settings: Any) -> model.Method:
    """A method with a Lambda proxy integration."""
    return method(model.Integration(type="AWS_PROXY", http_method="POST", uri=function_uri(name)), **settings)


def responses(**by_status: Any) -> dict[str, model.IntegrationResponse]:
    """`responses(_200={...})`"""
    return {
        status.strip("_"): model.IntegrationResponse(status_code=status.strip("_"), **settings)
        for status, settings in by_status.items()
    }


def mock(template: str = '{"statusCode": 200}', out: str = "", **settings: Any) -> model.Method:
    templates = {"application/json": out} if out else None
    integration = model.Integration(
        type="MOCK",
        request_templates={"application/json": template},
        integration_responses=responses(_200={"response_templates": templates}),
    )
    return method(integration, **settings)


class Received(NamedTuple):
    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Backend:
    """A real HTTP server. `reply` is what it sends, byte for byte; None: it never answers."""

    def __init__(self) -> None:
        self.reply: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.close_after_reply = False
        self.received: list[Received] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *fields = head.strip().split("\r\n")
                headers = [tuple(field.split(": ", 1)) for field in fields]
                received = Received(line, headers, b"")  # type: ignore[arg-type]
                body = b""
                if received.header("transfer-encoding"):
                    body = await reader.readuntil(b"0\r\n\r\n")
                elif length := received.header("content-length"):
                    body = await reader.readexactly(int(length))
                self.received.append(received._replace(body=body))
                if self.reply is None:
                    await asyncio.sleep(30)
                    return
                writer.write(self.reply)
                await writer.drain()
                if self.close_after_reply:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    made = Backend()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=1 << 26)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


def http_proxy(url: str, verb: str = "ANY", **settings: Any) -> model.Method:
    return method(model.Integration(type="HTTP_PROXY", http_method=verb, uri=url, **settings))
