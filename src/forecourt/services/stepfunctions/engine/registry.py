"""Which function handles which kind of state; the modules of `states/` enter themselves here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from forecourt.services.stepfunctions.engine.model import Frame
from forecourt.services.stepfunctions.engine.turn import Turn

# (turn, frame, state): the state's work, after its Entered event
ENTER: dict[str, Callable[[Turn, Frame, Any], None]] = {}
# (turn, frame, state): the next attempt after a Retry's delay, or a redrive; default is ENTER
AGAIN: dict[str, Callable[[Turn, Frame, Any], None]] = {}
# (turn, parent, state, child): a child of a Parallel or Map state ended well
CHILD_DONE: dict[str, Callable[[Turn, Frame, Any, Frame], None]] = {}
# (turn, parent, state, child): the history of a child that failed or was aborted
CHILD_STOPPED: dict[str, Callable[[Turn, Frame, Any, Frame, str], None]] = {}
