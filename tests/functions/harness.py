"""Lambda in this process, without a server: what is behind its ports is visible to the tests."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecourt.base.call import CallContext, Handler, operations
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import Principal, root
from forecourt.services.functions import Functions, Limits
from forecourt.store import Store
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import Sealer

ACCOUNT, REGION = "000000000000", "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/function"


def zipped(files: Mapping[str, str], executable: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name in executable else 0o644) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


class Session:
    """The credentials that the fake IAM hands out."""

    access_key_id = "ASIAFUNCTION"
    secret_access_key = "secret"
    session_token = "token"

    def __init__(self, expires_at: float) -> None:
        self.expires_at = expires_at


class Roles:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def assume(
        self, role_arn: str, session_name: str, service_principal: str, conditions: Any, duration_seconds: int = 3600
    ) -> Session:
        if role_arn.endswith("/forbidden"):
            raise AccessDenied("no")
        return Session(self._clock.now() + duration_seconds)

    async def principal(self, role_arn: str, session_name: str, service_principal: str, conditions: Any) -> Principal:
        return Principal(
            kind="assumed-role", account=ACCOUNT, arn=role_arn, user_id="x", name=session_name, role_arn=role_arn
        )


class Records:
    """Log sink, metric sink and the services next door."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.metrics: list[tuple[str, float]] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.objects: dict[tuple[str, str], bytes] = {}

    def write(self, account: str, region: str, group: str, stream: str, timestamp_ms: int, message: str) -> None:
        self.events.append((group, stream, message))

    def record(self, account: str, region: str, namespace: str, name: str, dimensions: Any, value: float) -> None:
        self.metrics.append((name, value))

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        self.calls.append((service, operation, dict(params)))
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"http://localhost/{ACCOUNT}/{params['QueueName']}"}
        if operation == "GetObject":
            if (params["Bucket"], params["Key"]) not in self.objects:
                raise _NoSuchKey("The specified key does not exist.")
            return {"Body": self.objects[params["Bucket"], params["Key"]]}
        return {}

    @property
    def text(self) -> str:
        return "".join(message for _, _, message in self.events)


class _NoSuchKey(ServiceError):
    code = "NoSuchKey"
    status = 404


class Lambda:
    def __init__(self, store: Store, folder: Path, clock: Clock, limits: Limits | None = None, **more: Any) -> None:
        self.clock = clock
        self.records = Records()
        self.folder = folder
        self.functions = Functions(
            store=store,
            blobs=Blobs(folder / "blobs"),
            sealer=Sealer(bytes(32)),
            caller=self.records,
            roles=Roles(clock),
            clock=clock,
            ids=Ids(),
            logs=self.records,
            metrics=self.records,
            work_dir=folder / "work",
            endpoint_url="http://localhost:4566",
            limits=limits,
            **more,
        )
        self.handlers: dict[str, Handler] = operations(*self.functions.apis)

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        context = CallContext(principal=root(), region=REGION, request_id=Ids().uuid())
        answer = await self.handlers[operation](context, params)
        return answer or {}

    async def create(
        self, name: str, files: Mapping[str, str] | bytes, handler: str = "app.handler", **more: Any
    ) -> dict[str, Any]:
        code = files if isinstance(files, bytes) else zipped(files)
        params = {"Runtime": "python3.11", "Role": ROLE, "Handler": handler, **more}
        return await self.call("CreateFunction", FunctionName=name, Code={"ZipFile": code}, **params)

    async def invoke(self, name: str, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
        """The payload decoded, and the whole answer."""
        answer = await self.call("Invoke", FunctionName=name, Payload=json.dumps(event).encode(), **more)
        return json.loads(answer["Payload"] or b"null"), answer
