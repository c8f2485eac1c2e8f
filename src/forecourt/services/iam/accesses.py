"""What a user or a role asked for last, of which service and where: what the access advisor tells.

Attempts count, as with AWS, whether they were allowed or not. Invocations of APIs are not among them.
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.clock import Clock
from forecourt.base.principal import Principal
from forecourt.services.iam.model import Access, LastAccess, Role, User
from forecourt.services.iam.notes import Notes
from forecourt.store import Store, Tx

# Account and ARN of the user or role, and the action
_Attempt = tuple[str, str, str]


class Accesses(Notes[_Attempt, LastAccess]):
    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, _keep)
        self._clock = clock

    def note(self, principal: Principal, action: str, region: str) -> None:
        if principal.kind in ("user", "assumed-role"):
            attempt = principal.account, principal.role_arn or principal.arn, action
            # The first of a minute will do.
            if attempt not in self.newest:
                self.newest[attempt] = LastAccess(self._clock.now(), region)


def _keep(tx: Tx, noted: Mapping[_Attempt, LastAccess]) -> None:
    for (account, arn, action), last in noted.items():
        kind = User if ":user/" in arn else Role
        holder = tx.get(kind, account, arn.rpartition("/")[2].lower())
        if holder is None or holder.arn != arn:
            continue
        service, _, operation = action.partition(":")
        access = tx.get(Access, account, arn, service) or Access(account=account, arn=arn, service=service)
        access.actions[operation] = last
        tx.put(access)
