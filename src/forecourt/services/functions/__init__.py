"""AWS Lambda: functions that run for real, in worker processes, without a container engine.

`api/` has the operations. An invocation goes `invoker` -> `catalog` (what is behind the name) -> `concurrency` (may it)
-> `pool` (who runs it) -> `runtime/` (one environment). `queue` holds asynchronous invocations.
"""

from forecourt.services.functions.fleet import Limits
from forecourt.services.functions.service import Functions

__all__ = ["Functions", "Limits"]
