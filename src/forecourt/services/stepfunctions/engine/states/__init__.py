"""One module per kind of state. Importing this package enters all of them in the registry."""

from __future__ import annotations

from forecourt.services.stepfunctions.engine.states import choice, distributed, map, parallel, simple, task, wait

__all__ = ["choice", "distributed", "map", "parallel", "simple", "task", "wait"]
