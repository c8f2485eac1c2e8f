"""Outside work as it is stored: beside the frame that waits for it, until its outcome is recorded."""

from __future__ import annotations

import msgspec

from forecourt.services.stepfunctions.asl.machine import Resource
from forecourt.services.stepfunctions.engine import commands
from forecourt.services.stepfunctions.engine.model import Execution
from forecourt.services.stepfunctions.model import ExecutionKey


class Pending(msgspec.Struct, array_like=True):
    """`deliveries` counts how often a restart found it."""

    key: ExecutionKey
    kind: str  # task, map-run
    frame: int = 0
    nonce: str = ""
    resource: tuple[str, str, str, str, str] = ("", "service", "", "", "request")
    arguments: str = "null"
    # The role that the work is done as: the task's own (Credentials), or the execution's
    role_arn: str = ""
    test_case: str = ""
    state: str = ""
    heartbeat_seconds: int = 0
    timeout_seconds: int = 0
    scope: int = 0
    items: str | None = None
    redrive: bool = False
    deliveries: int = 0
    # What a submitted `.sync` task is waiting for
    submitted: str | None = None

    def as_resource(self) -> Resource:
        return Resource(*self.resource)  # type: ignore[arg-type]


dump_pending = msgspec.msgpack.Encoder().encode
load_pending = msgspec.msgpack.Decoder(Pending).decode


def pending_of(key: ExecutionKey, execution: Execution, command: commands.Command) -> Pending | None:
    """The stored form of a command that asks for outside work."""
    match command:
        case commands.InvokeTask():
            r = command.resource
            return Pending(
                key, "task", command.frame, command.nonce, (r.arn, r.kind, r.service, r.action, r.pattern),
                command.arguments.text, command.role_arn or execution.role_arn,
                execution.machine_arn.partition("#")[2], command.state, command.heartbeat_seconds,
                command.timeout_seconds,
            )  # fmt: skip
        case commands.StartMapRun():
            return Pending(
                key,
                "map-run",
                command.frame,
                command.nonce,
                arguments=command.input.text,
                role_arn=execution.role_arn,
                state=command.state,
                scope=command.scope,
                items=command.items.text if command.items is not None else None,
                redrive=command.redrive,
            )
    return None
