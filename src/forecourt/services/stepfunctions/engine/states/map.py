"""Map, inline: one iteration per item, up to a number of them at once; outputs in the items' order.

Only the running iterations and the outputs of the finished ones exist; the rest is still `items` and a counter.
"""

from __future__ import annotations

from typing import Any

from forecourt.services.stepfunctions.asl import errors
from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.asl.errors import StatesError
from forecourt.services.stepfunctions.asl.machine import Map
from forecourt.services.stepfunctions.engine import model
from forecourt.services.stepfunctions.engine.flow import Failure
from forecourt.services.stepfunctions.engine.model import Fan, Frame
from forecourt.services.stepfunctions.engine.recovery import attempt, fail_state, record_evaluation
from forecourt.services.stepfunctions.engine.registry import CHILD_DONE, CHILD_STOPPED, ENTER
from forecourt.services.stepfunctions.engine.states import distributed
from forecourt.services.stepfunctions.engine.states.parallel import leave_fan
from forecourt.services.stepfunctions.engine.turn import Turn, map_item

# "MaxConcurrency 0" means as many as possible, which is up to 40 iterations of an inline Map
_MOST_CONCURRENT = 40


def enter_map(turn: Turn, frame: Frame, state: Map) -> None:
    scope = turn.scope(frame)
    effective = state.flow.effective_input(scope)
    items: Any = None
    if state.reader is None:
        try:
            items = find_items(state, scope, effective)
        except StatesError as error:
            _without_items(turn, frame, state, error)
            return
    limit = state.max_concurrency(scope, effective) if state.max_concurrency is not None else 0
    started = turn.record(frame, "MapStateStarted", {"length": len(items or ())})
    if state.distributed:
        distributed.start_run(turn, frame, state, None if items is None else Data(items))
        return
    assert items is not None
    frame.phase = model.FAN
    frame.fan = Fan(len(items), started, concurrency=min(limit or _MOST_CONCURRENT, _MOST_CONCURRENT))
    frame.items = frame.input if items is frame.input.value else Data(items)
    start_iterations(turn, frame, state)


def find_items(state: Map, scope: Any, effective: Any) -> Any:
    """An array; a distributed Map goes over the members of an object as well."""
    items = state.items(scope, effective) if state.items is not None else effective
    if isinstance(items, list) or (state.distributed and isinstance(items, dict)):
        return items
    if state.jsonata:
        raise StatesError(
            errors.QUERY_EVALUATION_ERROR, f"Map state input must be an array but was: {to_text(items)}", "Items"
        )
    path = state.items_path.replace("$$", "$", 1)
    raise StatesError(errors.RUNTIME, f'Reference path "{path}" must point to array.')


def _without_items(turn: Turn, frame: Frame, state: Map, error: StatesError) -> None:
    """Measured on AWS: the failure of a JSONata state follows what its entry follows, and has a MapStateFailed."""
    if not state.jsonata:
        raise error
    frame.previous = turn.came_from
    location = error.location if state.items is not None else ""
    cause = record_evaluation(turn, frame, state, StatesError(error.error, error.cause, location))
    turn.record(frame, "MapStateFailed")
    fail_state(turn, frame, state, Failure(error.error, cause))


def start_iterations(turn: Turn, frame: Frame, state: Map, after: int = 0) -> None:
    """Starts as many as the limit allows; leaves the state where there is nothing (more) to do.

    `after` is the last event within the iteration that made room (measured on AWS), 0 for the first ones.
    """
    fan, items = frame.fan, frame.items
    assert fan is not None
    assert items is not None
    if fan.done == fan.total:
        leave_fan(turn, frame, state)
        return
    while fan.running < fan.concurrency and fan.next_index < fan.total:
        _start_iteration(turn, frame, state, fan, items.value, after or fan.started_id)


def _start_iteration(turn: Turn, frame: Frame, state: Map, fan: Fan, items: list[Any], after: int) -> None:
    index, item = fan.next_index, items[fan.next_index]
    input = select_item(turn, frame, state, index, item)
    turn.touched.add(frame.id)
    fan.next_index += 1
    fan.running += 1
    started = turn.record_after(after, "MapIterationStarted", {"name": state.name, "index": index})
    child = turn.new_frame(frame.id, index, state.processor, Data(input), started)
    child.item = Data(item)


def select_item(turn: Turn, frame: Frame, state: Map, index: int, item: Any) -> Any:
    """An iteration's input: the item, or what ItemSelector makes of it."""
    if state.item_selector is None:
        return item
    scope = turn.scope(frame).with_context({"Map": {"Item": map_item(index, item)}})
    return state.item_selector(scope, state.flow.effective_input(scope))


def iteration_done(turn: Turn, frame: Frame, state: Map, child: Frame) -> None:
    fan = frame.fan
    assert fan is not None
    last = child.previous
    turn.record(child, "MapIterationSucceeded", {"name": state.name, "index": child.index})
    child.item = None
    fan.running -= 1
    fan.done += 1
    frame.previous = child.previous
    turn.touched.add(frame.id)
    attempt(turn, frame, state, lambda turn, frame, state: start_iterations(turn, frame, state, last))


def iteration_stopped(turn: Turn, frame: Frame, state: Map, child: Frame, how: str) -> None:
    turn.record(child, f"MapIteration{how}", {"name": state.name, "index": child.index})


ENTER["Map"] = enter_map
CHILD_DONE["Map"] = iteration_done
CHILD_STOPPED["Map"] = iteration_stopped
