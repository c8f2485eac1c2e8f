"""When a resource's policy was given, where it names users or roles.

AWS keeps a principal that a policy names by its unique id, so that somebody who is made again under the name is not
meant. Here policies are kept as they are written, and it is known since when: asked for only where a name has changed
hands (`Subject.since`).
"""

from __future__ import annotations

import contextlib
import hashlib

import msgspec

from forecourt.base.clock import Clock
from forecourt.store import Document, Store


class PolicyGiven(Document):
    """`subject` is a resource's ARN; or, where statements come one by one, with the principal of one behind it."""

    __kind__ = "iam.PolicyGiven"
    __key__ = ("subject",)

    subject: str
    digest: str
    at: float


class PolicyDates:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def policy_given(self, resource: str, policy: str) -> None:
        """Is told before the policy is kept: it counts once the resource has it."""
        if ":iam::" in policy or ":sts::" in policy:
            await self._note(resource, _digest(policy))

    async def statement_given(self, resource: str, principal: str) -> None:
        if principal.startswith("arn:"):
            await self._note(f"{resource} {principal}", "")

    async def since(self, resource: str, policy: str, *names: str) -> float:
        """When the policy, or a statement about one of the names, was given last; 0 where that is not known."""
        found = [given.at for name in names if (given := await self._store.get(PolicyGiven, f"{resource} {name}"))]
        whole = await self._store.get(PolicyGiven, resource)
        if whole is not None and whole.digest == _digest(policy):
            found.append(whole.at)
        return max(found, default=0.0)

    async def _note(self, subject: str, digest: str) -> None:
        given = PolicyGiven(subject=subject, digest=digest, at=self._clock.now())
        await self._store.write(lambda tx: tx.put(given))


def _digest(policy: str) -> str:
    """The same however it is spaced and ordered: services write policies anew."""
    with contextlib.suppress(msgspec.DecodeError):
        policy = msgspec.json.encode(msgspec.json.decode(policy), order="sorted").decode()
    return hashlib.sha256(policy.encode()).hexdigest()
