"""The machine, pure: `advance(machine, execution, event, at)` decides what happens next.

Nothing here does I/O, reads a clock or draws a random number: time comes with the call, randomness from the execution's
seed. So the same events give the same history, whether an execution runs for the first time, goes on after a crash, is
redriven, or is only tried out by TestState.

- `model.py`: an execution is a tree of frames. A frame is one thread of control: the machine itself, a branch of a
  Parallel state, an iteration of a Map state.
- `events.py`: what can happen to it. `commands.py`: what it asks the world to do. `history.py`: what it tells.
- `turn.py`: one call of `advance`: it collects history and commands.
- `states/`: one module per kind of state; `flow.py`: leaving states and ending scopes; `recovery.py`: Retry and Catch.

Start reading at `advance.py`.
"""

from __future__ import annotations

from forecourt.services.stepfunctions.engine.advance import advance

__all__ = ["advance"]
