"""The `Principal` element, and in which capacity it lets somebody in.

The capacity matters: a policy that names an account only lets that account decide, so the caller's own policies must
allow as well; one that names a role is still narrowed by the role's boundary and the session's policies; one that
names the user or the session itself is narrowed by neither.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum

from forecourt.auth.policy.request import Request
from forecourt.base.principal import Principal


class Capacity(IntEnum):
    """How a `Principal` element reaches the caller; the higher, the further it lets them."""

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    ITSELF = 3


class PrincipalInvalid(Exception):
    """The element names nobody: `"AWS":"x"`."""


_ACCOUNT = re.compile(r"(?:arn:aws[\w-]*:iam::)?(\d{12})(?::root)?\Z")
# No wildcards: AWS takes `*` for everyone, and no pattern of names.
_IAM_ARN = re.compile(
    r"arn:aws[\w-]*:(iam::\d{12}:(user|role|federated-user)/[^\s*?]+"
    r"|sts::\d{12}:(assumed-role/[^\s*?]+/[^\s*?]+|federated-user/[^\s*?]+))\Z"
)
_UNIQUE_ID = re.compile(r"A(ROA|IDA|GPA|CCA)[A-Z0-9]{12,}\Z")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9.-]*\.amazonaws\.com(\.cn)?\Z")
_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")


class Principals:
    """A compiled element. `capacity(request)` says how far it reaches the caller; `named` are the ARNs and unique ids
    of users, roles and sessions in it."""

    def __init__(self, element: str | Mapping[str, str | Sequence[str]]) -> None:
        named = {"AWS": ["*"]} if element == "*" else _named(element)
        self.everyone = "*" in named.get("AWS", ())
        self._any_service = "*" in named.get("Service", ())
        self._any_federated = "*" in named.get("Federated", ())
        self._services = frozenset(named.get("Service", ()))
        self._federated = frozenset(named.get("Federated", ()))
        self._canonical = frozenset(named.get("CanonicalUser", ()))
        self._accounts: frozenset[str] = frozenset()
        self.named: frozenset[str] = frozenset()
        for name in named.get("AWS", ()):
            self._add(name)

    def _add(self, name: str) -> None:
        if name == "*":
            return
        if account := _ACCOUNT.match(name):
            self._accounts |= {account[1]}
        elif _IAM_ARN.match(name) or _UNIQUE_ID.match(name):
            self.named |= {name}
        else:
            raise PrincipalInvalid(f'"AWS":"{name}"')

    def capacity(self, request: Request) -> Capacity:
        principal = request.principal
        if request.federated:
            found = self._any_federated or self.everyone or request.federated in self._federated
            return Capacity.ITSELF if found else Capacity.NONE
        if principal.kind == "service":
            found = self._any_service or self.everyone or principal.name in self._services
            return Capacity.ITSELF if found else Capacity.NONE
        return self._of_identity(principal)

    def _of_identity(self, principal: Principal) -> Capacity:
        if principal.kind == "anonymous":
            return Capacity.ITSELF if self.everyone else Capacity.NONE
        if principal.arn in self.named or principal.user_id in self.named:
            return Capacity.ITSELF
        if principal.kind == "assumed-role" and self._names_role(principal):
            return Capacity.ROLE
        if self.everyone:
            return Capacity.ROLE
        return Capacity.ACCOUNT if principal.account in self._accounts else Capacity.NONE

    def _names_role(self, principal: Principal) -> bool:
        return principal.role_arn in self.named or principal.user_id.partition(":")[0] in self.named


def _named(element: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(element, Mapping) or not element:
        raise PrincipalInvalid(f'"AWS":"{element}"' if isinstance(element, str) else "")
    named: dict[str, tuple[str, ...]] = {}
    for kind, value in element.items():
        names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Sequence) else ()
        if kind not in _TYPES or not names or not all(isinstance(name, str) for name in names):
            raise PrincipalInvalid(f'"{kind}"')
        if kind == "Service":
            for name in names:
                if name != "*" and not _SERVICE.match(name):
                    raise PrincipalInvalid(f'"SERVICE":"{name}"')
        named[kind] = names
    return named
