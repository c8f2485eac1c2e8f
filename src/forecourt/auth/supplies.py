"""What the policy engine is told by others: IAM of callers, services of their resources.

`authorize` asks, whoever knows is registered with it where the process is composed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from forecourt.auth.policy import Policy, compile_policy
from forecourt.base.principal import Principal

Mode = Literal["off", "audit", "enforce"]

# The action of a call whose operation no table maps: see `actions`.
UNMAPPED = "forecourt:Unmapped"
# Marks the session of a role that does not exist.
MADE_UP_ROLE = "forecourt:MadeUpRole"
# The IAM user whose policies a federated user's session has.
FEDERATED_BY = "forecourt:FederatedBy"
# Stands for a policy that cannot be read: what it denied is not known.
UNREADABLE = compile_policy(
    {"Statement": {"Sid": "Unreadable", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}
)


class Grants(NamedTuple):
    """What IAM says of a caller."""

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = {}
    # When the caller was made, where somebody else had the name before: older policies that name it mean that one.
    since: float = 0.0


class IdentityPolicies(Protocol):
    """IAM supplies it."""

    def remembered(self, principal: Principal) -> Grants | None:
        """Of a caller who was asked for before; None says nothing."""
        ...

    async def grants(self, principal: Principal) -> Grants: ...


class EveryoneMay:
    """Stands in while there is no IAM: every caller who is known may do everything."""

    _EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    _GRANTS = Grants(identity=(compile_policy(_EVERYTHING),))

    def remembered(self, principal: Principal) -> Grants | None:
        return self._GRANTS

    async def grants(self, principal: Principal) -> Grants:
        return self._GRANTS


class Unfinished(NamedTuple):
    """A demand that only a look-up can finish: an item's partition key, a secret's whole ARN, a user's path."""

    principal: Principal
    action: str
    resource: str
    conditions: Mapping[str, Any]


class Owned(NamedTuple):
    """What the service that keeps a resource says of it: its policy (JSON; None where it has none), its account where
    the ARN does not name one ("": the caller's), and whether nobody comes in without that policy. `given` is the policy
    as somebody wrote it, where more was added to it."""

    policy: str | None = None
    account: str = ""
    required: bool = False
    given: str | None = None


# Gives the resource and the further condition keys. Services supply them.
Finish = Callable[[Unfinished], Awaitable[tuple[str, Mapping[str, Any]]]]
# The condition keys of the resource's tags.
Tags = Callable[[Unfinished], Awaitable[Mapping[str, Any]]]
# When a resource's policy was given, as far as it names one of these. IAM supplies it.
GivenSince = Callable[..., Awaitable[float]]
# Services whose resources have policies supply them.
ResourcePolicy = Callable[[Unfinished], Awaitable[Owned]]


# Seals what STS's DecodeAuthorizationMessage opens. IAM supplies it.
EncodeDenial = Callable[[Mapping[str, Any]], str]
