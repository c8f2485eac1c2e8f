"""How IAM finds and changes what it keeps: by name, whatever its case, and with AWS's words where it is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from forecourt.base import paging
from forecourt.services.iam.errors import InvalidInputException, NoSuchEntityException, ValidationError
from forecourt.services.iam.model import (
    Account,
    Group,
    InstanceProfile,
    ManagedPolicy,
    Role,
    ServerCertificate,
    User,
)
from forecourt.store import Store, Tx

Named = User | Group | Role | ManagedPolicy | InstanceProfile | ServerCertificate
N = TypeVar("N", bound=Named)
T = TypeVar("T")
E = TypeVar("E")

_MISSING: dict[Any, str] = {
    User: "The user with name {} cannot be found.",
    Group: "The group with name {} cannot be found.",
    Role: "The role with name {} cannot be found.",
    InstanceProfile: "Instance Profile {} cannot be found.",
    ServerCertificate: "The Server Certificate with name {} cannot be found.",
    ManagedPolicy: "Policy {} was not found.",
}
_PAGE = 100
_USER_OR_ROLE = re.compile(r"arn:aws:iam::(\d{12}):(user|role)/(?:.+/)?([^/]+)\Z")


def missing(kind: type[Any], name: str) -> NoSuchEntityException:
    return NoSuchEntityException(_MISSING[kind].format(name))


class Directory:
    """The entities of all accounts."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def get(self, kind: type[N], account: str, name: str) -> N:
        """Raises `NoSuchEntity`."""
        found = await self.store.get(kind, account, name.lower())
        if found is None:
            raise missing(kind, name)
        return found

    async def change(self, kind: type[N], account: str, name: str, change: Callable[[N, Tx], T]) -> T:
        """Loads, changes and keeps the entity in one transaction. Raises `NoSuchEntity`."""

        def apply(tx: Tx) -> T:
            found = tx.get(kind, account, name.lower())
            if found is None:
                raise missing(kind, name)
            result = change(found, tx)
            tx.put(found)
            return result

        return await self.store.write(apply)

    async def account(self, account: str) -> Account:
        return await self.store.get(Account, account) or Account(account=account)

    async def change_account(self, account: str, change: Callable[[Account], T]) -> T:
        def apply(tx: Tx) -> T:
            found = tx.get(Account, account) or Account(account=account)
            result = change(found)
            tx.put(found)
            return result

        return await self.store.write(apply)

    async def unknown(self, arns: Iterable[str]) -> str | None:
        """The first of the ARNs that is of a user or role, and of none that there is."""
        for arn in sorted(arns):
            named = _USER_OR_ROLE.match(arn)
            if named is None:
                continue
            found = await self.store.get(User if named[2] == "user" else Role, named[1], named[3].lower())
            if found is None or found.arn != arn:
                return arn
        return None

    async def under_path(self, kind: type[N], account: str, prefix: str | None) -> list[N]:
        found = await self.store.list(kind, account)
        return [entity for entity in found if entity.path.startswith(prefix or "/")]


def page(items: Sequence[E], request: Mapping[str, Any], key: Callable[[E], str]) -> tuple[list[E], dict[str, Any]]:
    """The items of this page, in the order given, and the members that say whether there are more."""
    start = 0
    if marker := request.get("Marker"):
        try:
            (position,) = paging.decode_token(marker)
        except ValueError:
            raise ValidationError("Invalid Marker.") from None
        start = next((at + 1 for at, item in enumerate(items) if key(item) == position), len(items))
    size = request.get("MaxItems") or _PAGE
    chosen = list(items[start : start + size])
    if start + size >= len(items):
        return chosen, {"IsTruncated": False}
    return chosen, {"IsTruncated": True, "Marker": paging.encode_token([key(chosen[-1])])}


def tags_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Raises `InvalidInput` where a key is given twice, in whatever case."""
    given = request.get("Tags") or ()
    if len({tag["Key"].lower() for tag in given}) != len(given):
        raise InvalidInputException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return {tag["Key"]: tag["Value"] for tag in given}


def shown_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def name_of(item: Named) -> str:
    return item.name


def sorted_by_name(items: Iterable[N]) -> list[N]:
    return sorted(items, key=name_of)
