"""What Step Functions keeps.

Definitions are kept by the digest of their text, so that an execution, a version and a map run hold on to exactly what
they were started with, whatever becomes of the state machine. An execution is two documents: the *record*, which is
listed and described, and, while it can still go on, the *state*, which only the shell reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from forecourt.store import Document, Index


def digest_of(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()


class Definition(Document):
    __kind__ = "stepfunctions.Definition"
    __key__ = ("digest",)

    digest: str
    text: str


class StateMachine(Document):
    __kind__ = "stepfunctions.StateMachine"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    digest: str
    role_arn: str
    type: str = "STANDARD"
    logging: dict[str, Any] = {}
    tracing: dict[str, Any] = {}
    encryption: dict[str, Any] = {}
    created_at: float = 0.0
    updated_at: float = 0.0
    # AWS shows no revision id before the first update: the initial revision's is null
    revision_id: str | None = None
    last_version: int = 0
    versions_deleted: int = 0

    @property
    def arn(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.name}"


class Version(Document):
    """A published revision; `number` is padded, so that versions list in their order."""

    __kind__ = "stepfunctions.Version"
    __key__ = ("account", "region", "machine", "number")

    account: str
    region: str
    machine: str
    number: str
    digest: str
    role_arn: str
    type: str
    logging: dict[str, Any]
    tracing: dict[str, Any]
    encryption: dict[str, Any]
    created_at: float
    revision_id: str | None = None
    description: str | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.machine}:{int(self.number)}"


def version_number(number: int) -> str:
    return f"{number:012d}"


class Alias(Document):
    __kind__ = "stepfunctions.Alias"
    __key__ = ("account", "region", "machine", "name")

    account: str
    region: str
    machine: str
    name: str
    routing: list[tuple[str, int]]
    description: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def arn(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.machine}:{self.name}"


class Activity(Document):
    __kind__ = "stepfunctions.Activity"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    created_at: float
    encryption: dict[str, Any] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:activity:{self.name}"


class Tags(Document):
    __kind__ = "stepfunctions.Tags"
    __key__ = ("account", "region", "resource")

    account: str
    region: str
    resource: str
    tags: dict[str, str]


ExecutionKey = tuple[str, str, str, str]


def inverted(seconds: float) -> str:
    """Text that sorts later times first."""
    return f"{9_999_999_999_999 - int(seconds * 1000):013d}"


def _listings(record: Any) -> Iterable[tuple[str, ...]]:
    """Under what an execution is listed (its machine, version, alias, map run), for any status and for its own.

    AWS sorts running executions by their start or redrive, others by their end, the latest first.
    """
    newest_first = inverted(record.stopped_at or record.redriven_at or record.started_at)
    for holder in (record.machine, record.version_arn, record.alias_arn, record.map_run_arn):
        if holder:
            for status in ("*", record.status):
                yield record.account, record.region, holder, status, newest_first


class ExecutionRecord(Document):
    __kind__ = "stepfunctions.Execution"
    __key__ = ("account", "region", "machine", "name")
    __indexes__ = (Index("listing", values=_listings),)

    account: str
    region: str
    # `machine`, or `machine/label` for a child of a map run
    machine: str
    name: str
    machine_arn: str
    role_arn: str
    digest: str
    input: str
    started_at: float
    status: str = "RUNNING"
    stopped_at: float = 0.0
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    version_arn: str = ""
    alias_arn: str = ""
    map_run_arn: str = ""
    item_count: int = 0
    trace_header: str | None = None
    redrive_count: int = 0
    redriven_at: float = 0.0
    redrive_token: str = ""
    logging: dict[str, Any] = {}
    tracing: dict[str, Any] = {}
    encryption: dict[str, Any] = {}
    revision_id: str | None = None
    machine_updated_at: float = 0.0
    last_event_id: int = 0
    # See `place`; executions of the first release have none
    run: str = ""

    @property
    def key(self) -> ExecutionKey:
        return self.account, self.region, self.machine, self.name

    @property
    def place(self) -> str:
        """Under what its state, history, timers and pending work are kept.

        It sorts by the time of the start: what runs at the same time lies side by side, and a commit touches few
        pages.
        """
        return self.run or self.arn

    @property
    def arn(self) -> str:
        return execution_arn(self.key)


def execution_arn(key: ExecutionKey) -> str:
    account, region, machine, name = key
    return f"arn:aws:states:{region}:{account}:execution:{machine}:{name}"


def run_of(arn: str, started_at: float) -> str:
    return f"{int(started_at * 1000):012x}{hashlib.blake2b(arn.encode(), digest_size=6).hexdigest()}"


class ExecutionState(Document):
    """What the machine remembers of an execution that can go on. Of one with branches the frames are `FrameState`s."""

    __kind__ = "stepfunctions.State"
    __key__ = ("place",)

    place: str
    execution: ExecutionKey
    data: bytes
    # How many entries the log of its history has
    entries: int = 0
    split: bool = False
    # Whether a turn left something to be done at once
    goes_on: bool = False
    # The outside work that its only frame waits for
    work: bytes = b""


class FrameState(Document):
    __kind__ = "stepfunctions.Frame"
    __key__ = ("place", "frame")

    place: str
    frame: str
    data: bytes
    work: bytes = b""


class MapRun(Document):
    __kind__ = "stepfunctions.MapRun"
    __key__ = ("account", "region", "execution", "id")
    __indexes__ = (Index("by_id", fields=("account", "region", "id")),)

    account: str
    region: str
    # `machine:name` of the parent execution
    execution: str
    id: str
    label: str
    machine: str
    state: str
    frame: int
    nonce: str
    execution_type: str = "STANDARD"
    status: str = "RUNNING"
    started_at: float = 0.0
    stopped_at: float = 0.0
    max_concurrency: int = 0
    tolerated_failure_count: int = 0
    tolerated_failure_percentage: float = 0.0
    total: int = 0
    next_item: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    aborted: int = 0
    items_succeeded: int = 0
    items_failed: int = 0
    items_timed_out: int = 0
    items_aborted: int = 0
    items_total: int = 0
    results_written: int = 0
    redrive_count: int = 0
    redriven_at: float = 0.0
    # Not begun yet, as far as their number is known
    pending: int = 0
    items_pending: int = 0
    # What a ResultWriter wrote, by what it tells of: `[{"Key": …, "Size": …}]`
    files: dict[str, list[dict[str, Any]]] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:mapRun:{self.machine}/{self.label}:{self.id}"

    @property
    def parent(self) -> ExecutionKey:
        machine, _, name = self.execution.rpartition(":")
        return self.account, self.region, machine, name
