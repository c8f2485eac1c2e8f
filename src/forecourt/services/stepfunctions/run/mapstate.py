"""What a distributed Map state says about its run: items, batches, limits, results, and the child's definition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from forecourt.services.stepfunctions.asl.data import MAX_BYTES, Data
from forecourt.services.stepfunctions.asl.machine import Machine, Map, Resource
from forecourt.services.stepfunctions.asl.scope import Scope
from forecourt.services.stepfunctions.engine.model import Execution
from forecourt.services.stepfunctions.engine.states.map import find_items
from forecourt.services.stepfunctions.integrations import Job
from forecourt.services.stepfunctions.model import MapRun
from forecourt.services.stepfunctions.run.items import MOST_ITEMS, S3, BatchLimits, Item, items_of, read_items
from forecourt.services.stepfunctions.run.pending import Pending
from forecourt.services.stepfunctions.run.results import Writer


def number(value: Any, scope: Scope, effective: Any) -> float:
    """A limit; 0 where the state has none."""
    return 0 if value is None else float(value(scope, effective))


def selector(state: Map, scope: Scope, effective: Any) -> Callable[[int, Item], Any]:
    chosen = state.item_selector
    if chosen is None:
        return lambda index, item: item.input

    def select(index: int, item: Item) -> Any:
        return chosen(scope.with_context(item.context(index)), effective)

    return select


def limits(state: Map, scope: Scope, effective: Any) -> BatchLimits | None:
    batcher = state.batcher
    if batcher is None:
        return None
    return BatchLimits(
        batcher.batch_input(scope, effective) if batcher.batch_input is not None else None,
        batcher.batch_input is not None,
        int(number(batcher.max_items, scope, effective)) or MOST_ITEMS,
        int(number(batcher.max_bytes, scope, effective)) or MAX_BYTES,
    )


def given_items(pending: Pending, state: Map, scope: Scope, effective: Any) -> Any:
    """The array or object that is mapped over; None where a reader has the items."""
    if state.reader is not None:
        return None
    return Data.of_text(pending.items).value if pending.items else find_items(state, scope, effective)


async def items(s3: S3, given: Any, state: Map, scope: Scope, effective: Any) -> AsyncIterator[Item]:
    if state.reader is None:
        for item in items_of(given):
            yield item
        return
    reader = state.reader
    most = int(number(reader.max_items, scope, effective)) or MOST_ITEMS
    arguments = reader.arguments(scope, effective)
    async for item in read_items(s3, reader.resource.action, arguments, reader.config, most):
        yield item


def writer(s3: S3, state: Map, scope: Scope, effective: Any, run: MapRun) -> Writer | None:
    given = state.writer
    if given is None or given.resource is None or given.arguments is None:
        return None
    return Writer(s3, given.arguments(scope, effective), given.config, run)


def form(state: Map) -> tuple[str, bool]:
    """How the results stand in the state's output: their transformation, and whether they are lines of text."""
    config = state.writer.config if state.writer is not None else {}
    return config.get("Transformation", "COMPACT"), config.get("OutputType", "JSON") == "JSONL"


def processor_definition(machine: Machine, location: str) -> dict[str, Any]:
    """The processor at `location` (`/States/Fan/ItemProcessor`), as a definition."""
    found: Any = machine.raw
    rest = location
    while rest:
        rest = rest.removeprefix("/States/")
        name = _state_name(found["States"], rest)
        found, rest = found["States"][name], rest[len(name) :].removeprefix("/")
        field, _, after = rest.partition("/")
        rest = f"/{after}" if after else ""
        key, _, number = field.partition("[")
        found = found[key][int(number[:-1])] if number else found[key]
    definition = {key: value for key, value in found.items() if key != "ProcessorConfig"}
    return {"QueryLanguage": "JSONata", **definition} if machine.jsonata else definition


def _state_name(states: dict[str, Any], location: str) -> str:
    """Which state's name `location` begins with; names may hold slashes."""
    return max((name for name in states if location.startswith(name + "/")), key=len)


def reset_counts(run: MapRun) -> None:
    for field in ("succeeded", "failed", "timed_out", "aborted", "total"):
        setattr(run, field, 0)
        setattr(run, f"items_{field}", 0)
    run.results_written = 0


def job(pending: Pending, execution: Execution) -> Job:
    account, region, machine, name = pending.key
    return Job(
        account=account,
        region=region,
        machine=machine,
        name=name,
        execution_arn=execution.arn,
        role_arn=execution.role_arn,
        state=pending.state,
        nonce=pending.nonce,
        resource=Resource("", "service"),
        arguments=Data(None, "null"),
    )
