"""What IAM supplies to `auth`: the policies of a caller, and the secrets of access keys, from memory.

A decision and a signature must not wait for the database, so both are remembered; any change of an entity that bears
on them makes the memory forget (changes are rare, calls are not).
"""

from __future__ import annotations

import logging

from forecourt.auth.policy import Policy, PolicyInvalid, PolicyKind, compile_policy
from forecourt.auth.supplies import FEDERATED_BY, UNREADABLE, Grants
from forecourt.base.principal import Principal, root
from forecourt.services.iam.api.keys import purpose
from forecourt.services.iam.api.kit import managed_document
from forecourt.services.iam.key_uses import KeyUses
from forecourt.services.iam.memory import Memory
from forecourt.services.iam.model import AccessKey, Group, ManagedPolicy, Role, User
from forecourt.services.iam.store import Directory
from forecourt.store.sealing import SealBroken, Sealer

_log = logging.getLogger("forecourt.iam")
_ALLOW_ALL = compile_policy({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
_NOTHING = Grants()
# Kind, account, name and, where it is known, unique id
_Subject = tuple[str, str, str, str]


class CallerPolicies:
    """The policies of users, roles and federated users."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._memory: Memory[_Subject, Grants] = Memory(self._load)
        for kind in (User, Group, Role, ManagedPolicy):
            directory.store.changes.subscribe(kind, lambda _: self.forget())

    def forget(self) -> None:
        self._memory.forget()

    def remembered(self, principal: Principal) -> Grants | None:
        subject = _subject_of(principal)
        return _NOTHING if subject is None else self._memory.known.get(subject)

    async def grants(self, principal: Principal) -> Grants:
        subject = _subject_of(principal)
        return _NOTHING if subject is None else await self._memory.of(subject)

    async def _load(self, subject: _Subject) -> Grants:
        kind, account, name, id = subject
        if kind == "root":
            return Grants(identity=(_ALLOW_ALL,))
        kinds: dict[str, type[User] | type[Role]] = {"user": User, "role": Role}
        holder = await self._directory.store.get(kinds[kind], account, name.lower())
        # A session may outlive whose it was, and another have the name now.
        if holder is None or (id and id != holder.id):
            return _NOTHING
        holders: list[User | Group | Role] = [holder]
        for name in holder.groups if isinstance(holder, User) else ():
            group = await self._directory.store.get(Group, account, name.lower())
            holders += [group] if group is not None else []
        policies = [policy for holder in holders for policy in await self.policies_of(account, holder)]
        boundary = await self.managed(account, holder.boundary) if holder.boundary else None
        return Grants(policies, boundary, holder.tags, holder.since)

    async def policies_of(self, account: str, holder: User | Group | Role) -> list[Policy]:
        inline = [readable(text, name) for name, text in holder.inline.items()]
        return [*inline, *[await self.managed(account, arn) for arn in holder.attached]]

    async def managed(self, account: str, arn: str) -> Policy:
        """One that is not there, or cannot be read, denies everything: as a boundary it bounds no less than it did."""
        return readable(await managed_document(self._directory, account, arn) or "", arn)


def readable(document: str, name: str, kind: PolicyKind = "identity") -> Policy:
    try:
        return compile_policy(document, kind, name)
    except PolicyInvalid as invalid:
        _log.warning("the policy %s cannot be read, and so denies: %s", name, invalid)
        return UNREADABLE.named(name)


def _subject_of(principal: Principal) -> _Subject | None:
    match principal.kind:
        case "root":
            return "root", principal.account, "", ""
        case "user":
            return "user", principal.account, principal.name, principal.user_id
        case "assumed-role":
            id = principal.user_id.partition(":")[0]
            return "role", principal.account, principal.role_arn.rpartition("/")[2], id
        case "federated-user":
            by, _, id = str(principal.context.get(FEDERATED_BY, "")).partition("/")
            return ("user", principal.account, by, id) if by else ("root", principal.account, "", "")
        case _:
            return None


class AccessKeys:
    """Secrets and owners of access keys (`auth.authenticate.CredentialSource`)."""

    def __init__(self, directory: Directory, sealer: Sealer, uses: KeyUses) -> None:
        self._store = directory.store
        self._directory = directory
        self._sealer = sealer
        # For every request: no more than it takes
        self.used = uses.note
        self._memory: Memory[str, tuple[str, Principal] | None] = Memory(self._load)
        for kind in (AccessKey, User):
            self._store.changes.subscribe(kind, lambda _: self.forget())

    def forget(self) -> None:
        self._memory.forget()

    def remembered(self, access_key_id: str) -> tuple[str, Principal] | None:
        return self._memory.known.get(access_key_id)

    async def access_key(self, access_key_id: str) -> tuple[str, Principal] | None:
        return await self._memory.of(access_key_id)

    async def _load(self, access_key_id: str) -> tuple[str, Principal] | None:
        key = await self._store.get(AccessKey, access_key_id)
        if key is None or key.status != "Active":
            return None
        try:
            secret = self._sealer.open(key.sealed_secret, purpose(key.id)).decode()
        except SealBroken:
            return None
        if not key.user:
            return secret, root(key.account, key.id)
        user = await self._store.get(User, key.account, key.user.lower())
        return (secret, user_principal(user, key.id)) if user is not None else None


def user_principal(user: User, access_key_id: str = "") -> Principal:
    return Principal(
        kind="user", account=user.account, arn=user.arn, user_id=user.id, name=user.name, access_key_id=access_key_id
    )
