"""A compiled state machine: what a definition means, with every path, template and expression ready to run.

A machine is a list of *scopes*, each a `States` object with its `StartAt`: scope 0 is the definition itself, the others
are the branches of Parallel states and the processors of Map states, numbered in document order. So a place in a
machine is (scope number, state name), which is all that a running execution has to remember.

A *value* is a closure `(scope, input) -> JSON value`, where `input` is what `$` means in that field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from forecourt.services.stepfunctions.asl.scope import Scope

Value = Callable[[Scope, Any], Any]
Pattern = Literal["request", "sync", "sync:2", "waitForTaskToken"]


class Flow(Protocol):
    """How data gets into a state's work and out of it, in one of the two query languages."""

    def effective_input(self, scope: Scope) -> Any:
        """JSONPath: after InputPath. JSONata: the state's input."""
        ...

    def arguments(self, scope: Scope, effective: Any) -> Any:
        """What the work is given: after Parameters, or Arguments."""
        ...

    def result(self, scope: Scope, raw: Any) -> Any:
        """After ResultSelector."""
        ...

    def output(self, scope: Scope, result: Any) -> Any:
        """After ResultPath and OutputPath, or Output. `scope.result` is set."""
        ...

    def pass_through(self, scope: Scope, effective: Any) -> Any:
        """The output of a state without a result: after OutputPath, or Output."""
        ...


@dataclass(slots=True, frozen=True)
class Retrier:
    errors: tuple[str, ...]
    interval_seconds: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: int | None = None
    full_jitter: bool = False

    def delay(self, attempts_before: int) -> float:
        """Seconds before the next attempt, without jitter."""
        delay = self.interval_seconds * self.backoff_rate**attempts_before
        return min(delay, self.max_delay_seconds) if self.max_delay_seconds else delay


@dataclass(slots=True, frozen=True)
class Catcher:
    errors: tuple[str, ...]
    next: str
    output: Value  # `$` and `$states.errorOutput` are the error output
    assign: Value | None


@dataclass(slots=True)
class State:
    name: str
    type: str
    jsonata: bool
    flow: Flow
    next: str | None
    assign: Value | None
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()


@dataclass(slots=True)
class Pass(State):
    # None where the state has no Result; else its value
    fixed_result: Any = None
    has_result: bool = False


@dataclass(slots=True)
class Succeed(State):
    pass


@dataclass(slots=True)
class Fail(State):
    error: Value | None = None
    cause: Value | None = None


@dataclass(slots=True)
class Wait(State):
    # Exactly one of them: how long, or until when (epoch seconds)
    seconds: Value | None = None
    timestamp: Value | None = None


@dataclass(slots=True, frozen=True)
class Rule:
    test: Value
    next: str
    assign: Value | None
    output: Value | None


@dataclass(slots=True)
class Choice(State):
    rules: tuple[Rule, ...] = ()
    default: str | None = None


@dataclass(slots=True, frozen=True)
class Resource:
    """What a Task's `Resource` names. `service` is "" for activities, "lambda" for a function's own ARN."""

    arn: str
    kind: Literal["lambda", "activity", "service"]
    service: str = ""
    action: str = ""
    pattern: Pattern = "request"

    @property
    def history_name(self) -> str:
        """`resource` of the history's task events."""
        return self.action if self.pattern == "request" else f"{self.action}.{self.pattern}"


@dataclass(slots=True)
class Task(State):
    resource: Resource = field(default_factory=lambda: Resource("", "service"))
    timeout_seconds: Value | None = None
    heartbeat_seconds: Value | None = None
    role_arn: Value | None = None


@dataclass(slots=True)
class Parallel(State):
    branches: tuple[int, ...] = ()


@dataclass(slots=True)
class ItemReader:
    resource: Resource
    arguments: Value
    config: dict[str, Any]
    max_items: Value | None


@dataclass(slots=True)
class ItemBatcher:
    batch_input: Value | None
    max_items: Value | None
    max_bytes: Value | None


@dataclass(slots=True)
class ResultWriter:
    resource: Resource | None
    arguments: Value | None
    config: dict[str, Any]


@dataclass(slots=True)
class Map(State):
    processor: int = 0
    items: Value | None = None
    items_path: str = "$"
    item_selector: Value | None = None
    max_concurrency: Value | None = None
    tolerated_failure_count: Value | None = None
    tolerated_failure_percentage: Value | None = None
    distributed: bool = False
    execution_type: str = "STANDARD"
    label: str = ""
    reader: ItemReader | None = None
    batcher: ItemBatcher | None = None
    writer: ResultWriter | None = None


@dataclass(slots=True)
class StateScope:
    index: int
    start_at: str
    states: dict[str, State]
    # Where the scope stands in the definition: "", "/States/Fan/Branches[0]", ...
    location: str


@dataclass(slots=True)
class Machine:
    scopes: list[StateScope]
    jsonata: bool
    timeout_seconds: int | None
    raw: dict[str, Any]

    def state(self, scope: int, name: str) -> State:
        return self.scopes[scope].states[name]
