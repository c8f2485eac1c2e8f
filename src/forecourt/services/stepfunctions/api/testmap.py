"""What TestState tells of a Map state: its items on their way, its limits, and whether too many iterations failed.

None of the iterations runs: a mock stands for all of them. The items of a distributed Map's reader come from
`stateConfiguration.mapItemReaderData`, as they lie in their source.
"""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import to_text
from forecourt.services.stepfunctions.asl.machine import Map
from forecourt.services.stepfunctions.engine.flow import Failure
from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.states.map import find_items, select_item
from forecourt.services.stepfunctions.engine.turn import Turn
from forecourt.services.stepfunctions.errors import ValidationException
from forecourt.services.stepfunctions.run.items import Gathering, parse_items
from forecourt.services.stepfunctions.run.mapstate import limits, number

_Configuration = dict[str, Any]


def items_of(turn: Turn, frame: Frame, state: Map, configuration: _Configuration) -> list[Any] | None:
    """None where they come from a reader and no data is given. Raises `StatesError`."""
    if state.reader is not None:
        data = configuration.get("mapItemReaderData")
        return None if data is None else list(parse_items(data.encode(), state.reader.config))
    scope = turn.scope(frame)
    return find_items(state, scope, state.flow.effective_input(scope))


def inspect_map(turn: Turn, frame: Frame, state: Map, configuration: _Configuration) -> dict[str, Any]:
    """Members of `inspectionData`. Raises `StatesError`."""
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    seen: dict[str, Any] = {}
    for name, limit in (
        ("maxConcurrency", state.max_concurrency),
        ("toleratedFailureCount", state.tolerated_failure_count),
        ("toleratedFailurePercentage", state.tolerated_failure_percentage),
    ):
        if limit is not None:
            exact = number(limit, scope, effective)
            seen[name] = exact if name.endswith("Percentage") else int(exact)
    items = items_of(turn, frame, state, configuration)
    if items is None:
        return seen
    if state.reader is not None and "ItemsPointer" in state.reader.config:
        seen["afterItemsPointer"] = to_text(items)
    if state.item_selector is not None:
        chosen = [select_item(turn, frame, state, index, item) for index, item in enumerate(items)]
        seen["afterItemSelector"] = to_text(chosen)
        items = chosen
    batching = limits(state, scope, effective)
    if batching is not None:
        gathering = Gathering(batching)
        units = [*map(gathering.add, items), gathering.rest()]
        seen["afterItemBatcher"] = to_text([unit.input for unit in units if unit is not None])
    return seen


def failed_iterations(turn: Turn, frame: Frame, state: Map, configuration: _Configuration) -> Failure | None:
    """What `mapIterationFailureCount` makes of the state, by its tolerated failures. Raises `StatesError`."""
    failed = configuration.get("mapIterationFailureCount", 0)
    items = items_of(turn, frame, state, configuration)
    if items is not None and failed > len(items):
        raise ValidationException("mapIterationFailureCount exceeds the number of the Map state's items")
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    count = number(state.tolerated_failure_count, scope, effective)
    share = number(state.tolerated_failure_percentage, scope, effective)
    over_count = failed > count and not (share and not count)
    over_share = bool(share and items) and failed * 100 > share * len(items or ())
    if not over_count and not over_share:
        return None
    cause = "The specified tolerated failure threshold was exceeded"
    return Failure(errors.EXCEED_TOLERATED_FAILURE_THRESHOLD, cause)
