"""What a user holds several of, each with an id and a status: SSH keys, signing certificates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from forecourt.base.errors import ServiceError
from forecourt.services.iam.errors import InvalidInputException, LimitExceededException, NoSuchEntityException
from forecourt.services.iam.model import User
from forecourt.services.iam.store import Directory
from forecourt.store import Tx


class Holding(Protocol):
    id: str
    status: str


H = TypeVar("H", bound=Holding)


class Holdings(Generic[H]):
    """`of`: where a user has them. `noun` and `quota` are AWS's words for one, and for how many there may be."""

    def __init__(self, directory: Directory, of: Callable[[User], list[H]], noun: str, quota: str, most: int) -> None:
        self._directory = directory
        self._of = of
        self._noun = noun
        self._quota = quota
        self._most = most

    async def add(
        self, account: str, user: str, new: H, is_same: Callable[[H], bool], duplicate: type[ServiceError]
    ) -> str:
        """Whose it is now, as the name was given first. Raises `duplicate`, `LimitExceeded`."""

        def change(user: User, _: Tx) -> str:
            held = self._of(user)
            if any(is_same(one) for one in held):
                raise duplicate(f"The {self._noun} is already associated with this user.")
            if len(held) >= self._most:
                raise LimitExceededException(f"Cannot exceed quota for {self._quota}: {self._most}")
            held.append(new)
            return user.name

        return await self._directory.change(User, account, user, change)

    def find(self, user: User, id: str) -> H:
        """Raises `NoSuchEntity`."""
        found = next((one for one in self._of(user) if one.id == id), None)
        if found is None:
            raise NoSuchEntityException(f"The {self._noun} with id {id} cannot be found.")
        return found

    async def set_status(self, account: str, user: str, id: str, status: str) -> None:
        if status == "Expired":
            raise InvalidInputException(f"The status of a {self._noun} is Active or Inactive.")

        def change(user: User, _: Tx) -> None:
            self.find(user, id).status = status

        await self._directory.change(User, account, user, change)

    async def delete(self, account: str, user: str, id: str) -> None:
        await self._directory.change(User, account, user, lambda user, _: self._of(user).remove(self.find(user, id)))
