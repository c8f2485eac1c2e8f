"""One piece of outside work, and how it can fail."""

from __future__ import annotations

import hashlib
import uuid

import msgspec

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.asl.machine import Resource


class Exchange(msgspec.Struct, kw_only=True):
    """An HTTP task's request and response, for TestState's TRACE. `request` hides what the connection added."""

    request: dict[str, str]
    response: dict[str, str]
    # The request as it was
    revealed: dict[str, str]


class Job(msgspec.Struct, kw_only=True):
    account: str
    region: str
    machine: str
    name: str
    execution_arn: str
    role_arn: str
    state: str
    nonce: str
    resource: Resource
    arguments: Data
    timeout_seconds: int = 0
    # The case of a mock configuration that the execution was started for
    test_case: str = ""
    # What a `.sync` task answered when it was submitted
    submitted: Data | None = None
    # Filled by an HTTP task
    exchange: Exchange | None = None

    @property
    def repeatable_id(self) -> str:
        """A UUID that a second performance of the same attempt comes to as well: names, client tokens."""
        digest = hashlib.blake2b(f"{self.execution_arn}/{self.nonce}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4))


class TaskError(Exception):
    """The task failed, with the names that Retry and Catch see."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause
