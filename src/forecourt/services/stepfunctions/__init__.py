"""AWS Step Functions: workflows that survive.

- `asl/`: the language, pure. `engine/`: the machine, pure. `run/`: the durable shell around it.
- `integrations/`: what tasks can do. `api/`: the operations.
- `model.py`, `store.py`, `errors.py`, `arns.py`: what is kept, how it is found, what is refused.

`StepFunctions` (service.py) puts them together.
"""

from __future__ import annotations

from forecourt.services.stepfunctions.service import StepFunctions

__all__ = ["StepFunctions"]
