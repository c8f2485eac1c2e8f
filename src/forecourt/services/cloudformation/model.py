"""Stacks, their resources, what is under way in them, change sets.

A stack's parameters and its resources' properties may hold secrets (NoEcho): they are kept sealed, as bytes that
`store.py` opens.
"""

from __future__ import annotations

from typing import Any

import msgspec

from forecourt.base.principal import Principal
from forecourt.services.cloudformation.template.parameters import MASK, Value
from forecourt.store import Document, Index

StackKey = tuple[str, str, str]
DELETED = "DELETE_COMPLETE"
# The phase of an operation that goes no further
DONE = "done"


def stack_arn(region: str, account: str, name: str, uuid: str) -> str:
    return f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid}"


class Output(msgspec.Struct):
    key: str
    value: str
    description: str | None = None
    export: str | None = None


class Stack(Document):
    __kind__ = "cloudformation.Stack"
    __key__ = ("account", "region", "uuid")
    __indexes__ = (
        # A name is free again once its stack is deleted.
        Index(
            "by_name",
            unique=True,
            values=lambda s: [] if s.status == DELETED else [(s.account, s.region, s.name)],
        ),
        Index("by_parent", values=lambda s: [(s.account, s.region, s.parent_id)] if s.parent_id else []),
    )

    account: str
    region: str
    uuid: str
    name: str
    created_at: float
    status: str
    status_reason: str | None = None
    # As it was given, and as it is after its transforms
    template: str = ""
    processed: str = ""
    description: str = ""
    parameters: bytes = b""
    outputs: list[Output] = []
    tags: dict[str, str] = {}
    capabilities: list[str] = []
    topics: list[str] = []
    role_arn: str | None = None
    timeout_minutes: int | None = None
    disable_rollback: bool = False
    termination_protection: bool = False
    policy: str | None = None
    updated_at: float | None = None
    deleted_at: float | None = None
    change_set_id: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    # Idempotency: the token and kind of the last operation
    last_token: str | None = None
    public_url: str = ""

    @property
    def id(self) -> str:
        return stack_arn(self.region, self.account, self.name, self.uuid)

    @property
    def key(self) -> StackKey:
        return self.account, self.region, self.uuid

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


class Record(Document):
    """A resource of a stack as it stands."""

    __kind__ = "cloudformation.Resource"
    __key__ = ("account", "region", "stack", "logical_id")

    account: str
    region: str
    stack: str
    logical_id: str
    type: str
    status: str
    updated_at: float
    status_reason: str | None = None
    physical_id: str | None = None
    attributes: bytes = b""
    properties: bytes = b""
    # The properties that an update under way, or one that failed, was after
    aim: bytes = b""
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    depends_on: list[str] = []
    # The template's
    description: str | None = None
    metadata: str | None = None

    @property
    def exists(self) -> bool:
        return self.physical_id is not None and self.status != DELETED


class Operation(Document):
    """What is under way in a stack: one thing at a time. It is there from the request until the end, and after a
    failure that leaves something for the next operation to do.

    `before` are the records as they were when an update began; `phase` is where a run that takes it up goes on.
    """

    __kind__ = "cloudformation.Operation"
    __key__ = ("account", "region", "stack")

    account: str
    region: str
    stack: str
    # create | update | delete
    kind: str
    # forward | rollback | cleanup | delete | done
    phase: str
    principal: Principal
    token: str
    # The request's ClientRequestToken, which events show
    client_token: str | None = None
    role_arn: str | None = None
    # ROLLBACK | DELETE | DO_NOTHING
    on_failure: str = "ROLLBACK"
    template: str = ""
    processed: str = ""
    parameters: bytes = b""
    tags: dict[str, str] = {}
    before: list[Record] = []
    # What is not part of the stack any more, but still there
    leftovers: list[Record] = []
    # Resources that a deletion leaves alone, or a rollback
    retain: list[str] = []
    # What a creation made goes with its failure, even if it is to be retained
    retain_except_on_create: bool = False
    # Stack policy that holds for this update
    policy: str | None = None
    deadline: float | None = None
    # The stack as it was before the update
    old_stack: Stack | None = None
    cancelled: bool = False
    change_set: str | None = None


class ChangeSet(Document):
    __kind__ = "cloudformation.ChangeSet"
    __key__ = ("account", "region", "stack", "name")

    account: str
    region: str
    stack: str
    name: str
    uuid: str
    created_at: float
    type: str
    status: str
    execution_status: str
    stack_name: str
    stack_id: str
    status_reason: str | None = None
    description: str | None = None
    template: str = ""
    processed: str = ""
    parameters: bytes = b""
    tags: dict[str, str] = {}
    capabilities: list[str] = []
    topics: list[str] = []
    role_arn: str | None = None
    changes: list[dict[str, Any]] = []
    token: str | None = None
    on_failure: str | None = None

    @property
    def id(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:changeSet/{self.name}/{self.uuid}"


class Export(Document):
    __kind__ = "cloudformation.Export"
    __key__ = ("account", "region", "name")

    account: str
    region: str
    name: str
    stack: str
    stack_id: str
    value: str


class Import(Document):
    """That a stack uses an export."""

    __kind__ = "cloudformation.Import"
    __key__ = ("account", "region", "export", "stack")

    account: str
    region: str
    export: str
    stack: str
    stack_name: str


class Event(msgspec.Struct):
    """As DescribeStackEvents shows it."""

    id: str
    at: float
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None = None
    properties: str | None = None
    token: str | None = None


def shown_parameters(values: dict[str, Value]) -> list[dict[str, str]]:
    found = []
    for name, value in values.items():
        shown = {"ParameterKey": name, "ParameterValue": MASK if value.no_echo else value.given}
        if value.resolved is not None:
            shown["ResolvedValue"] = value.resolved
        found.append(shown)
    return found
