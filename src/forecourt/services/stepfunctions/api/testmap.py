"""What TestState tells of a Map state: its items on their way, its limits, and whether too many iterations failed.

None of the iterations runs: a mock stands for all of them. The items of a distributed Map's reader come from
`stateConfiguration.mapItemReaderData`, as they lie in their source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import to_text
from forecourt.services.stepfunctions.asl.machine import Map
from forecourt.services.stepfunctions.engine.flow import Failure
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.states.map import find_items
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.errors import ValidationException
from forecourt.services.stepfunctions.run.items import Gathering, Item, items_of, parse_items
from forecourt.services.stepfunctions.run.mapstate import limits, number, selector

_Configuration = dict[str, Any]


def items_in(turn: Turn, frame: Frame, state: Map, configuration: _Configuration) -> list[Item] | None:
    """None where they come from a reader and no data is given. Raises `StatesError`."""
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    if state.reader is None:
        return list(items_of(find_items(state, scope, effective)))
    data = configuration.get("mapItemReaderData")
    if data is None:
        return None
    source = f"S3://{'/'.join(str(part) for part in state.reader.arguments(scope, effective).values())}"
    return list(parse_items(data.encode(), state.reader.config, source))


def inspect_map(
    turn: Turn, frame: Frame, state: Map, configuration: _Configuration
) -> Iterator[tuple[str, str | int | float]]:
    """Members of `inspectionData`, until one cannot be told. Raises `StatesError`."""
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    items = items_in(turn, frame, state, configuration)
    if not state.jsonata and state.reader is None:
        yield "afterItemsPath", to_text(find_items(state, scope, effective))
    # Measured on AWS: an unlimited concurrency is shown as 0, other limits only where the state has them
    yield "maxConcurrency", int(number(state.max_concurrency, scope, effective))
    if state.tolerated_failure_count is not None:
        yield "toleratedFailureCount", int(number(state.tolerated_failure_count, scope, effective))
    if state.tolerated_failure_percentage is not None:
        yield "toleratedFailurePercentage", number(state.tolerated_failure_percentage, scope, effective)
    if items is None:
        return
    if state.reader is not None and "ItemsPointer" in state.reader.config:
        yield "afterItemsPointer", to_text([item.input for item in items])
    chosen = selector(state, scope, effective)
    inputs = [chosen(index, item) for index, item in enumerate(items)]
    if state.item_selector is not None:
        yield "afterItemSelector", to_text(inputs)
    batching = limits(state, scope, effective)
    if batching is not None:
        gathering = Gathering(batching)
        units = [*map(gathering.add, inputs), gathering.rest()]
        yield "afterItemBatcher", to_text([unit.input for unit in units if unit is not None])


def failed_iterations(turn: Turn, frame: Frame, state: Map, configuration: _Configuration) -> Failure | None:
    """What `mapIterationFailureCount` makes of the state, by its tolerated failures. Raises `StatesError`.

    Measured on AWS: where the state names no tolerance, the mocked result is its result nonetheless.
    """
    failed = configuration.get("mapIterationFailureCount", 0)
    items = items_in(turn, frame, state, configuration)
    if items is not None and failed > len(items):
        raise ValidationException("mapIterationFailureCount exceeds the number of the Map state's items")
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    count = number(state.tolerated_failure_count, scope, effective)
    share = number(state.tolerated_failure_percentage, scope, effective)
    over_count = state.tolerated_failure_count is not None and failed > count
    over_share = state.tolerated_failure_percentage is not None and failed * 100 > share * (len(items or ()) or failed)
    if not over_count and not over_share:
        return None
    cause = "The specified tolerated failure threshold was exceeded"
    return Failure(errors.EXCEED_TOLERATED_FAILURE_THRESHOLD, cause)
