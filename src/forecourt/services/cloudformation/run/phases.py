"""What follows what in an operation: forward, and at a failure back; then what is left over is deleted.

    create   forward -> done          | rollback -> done   | delete (OnFailure=DELETE)
    update   forward -> cleanup       | rollback -> cleanup
    delete   delete

Each phase ends by committing the next one with the stack's status.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from forecourt.services.cloudformation.model import DONE
from forecourt.services.cloudformation.run.away import clean_up, delete
from forecourt.services.cloudformation.run.back import roll_back
from forecourt.services.cloudformation.run.deployment import Deployment
from forecourt.services.cloudformation.run.forward import forward

_PHASES: Mapping[str, Callable[[Deployment], Awaitable[None]]] = {
    "forward": forward,
    "rollback": roll_back,
    "cleanup": clean_up,
    "delete": delete,
}


async def run(deployment: Deployment) -> None:
    """Until nothing is left to do."""
    while deployment.operation.phase != DONE and not deployment.abandoned:
        await _PHASES[deployment.operation.phase](deployment)
