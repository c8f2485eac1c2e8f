"""Writing a user's attributes: what an administrator may, what the user himself may, and what has to be verified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from forecourt.services.cognito import errors, names, schema
from forecourt.services.cognito.codes import Codes
from forecourt.services.cognito.messenger import Errand, Messenger
from forecourt.services.cognito.model import Code, Pool, User
from forecourt.services.cognito.store import Records, put_user
from forecourt.services.cognito.triggers import Occasion
from forecourt.store import Tx

ADDRESSES = ("email", "phone_number")


def purpose(attribute: str) -> str:
    return f"verify-{attribute}"


class Attributes:
    def __init__(self, records: Records, codes: Codes, messenger: Messenger) -> None:
        self._records = records
        self._codes = codes
        self._messenger = messenger

    async def write_as_admin(self, occasion: Occasion, user: User, given: Mapping[str, str]) -> None:
        """An administrator may write the flags; a new address without its flag is unverified and gets a code."""
        pool = occasion.pool
        _check(pool, user, given)
        if user.status == "UNCONFIRMED":
            names.check_preferred_username(pool.settings, given)

        def put(tx: Tx, current: User) -> list[str]:
            changed = _changed_addresses(current, given)
            flags = {f"{a}_verified": "false" for a in changed if f"{a}_verified" not in given}
            _merge(pool, current, {**given, **flags})
            return [a for a in changed if current.attributes.get(f"{a}_verified") != "true"]

        current, unverified = await self._records.change_user(user, put)
        for attribute in self._to_verify(pool, unverified):
            await self.send_code(occasion, current, attribute, "UpdateUserAttribute")

    async def write_as_user(
        self, occasion: Occasion, client_settings: Mapping[str, object], user: User, given: Mapping[str, str]
    ) -> list[dict[str, str]]:
        """CodeDeliveryDetails of the addresses that have to be verified now."""
        pool = occasion.pool
        schema.check_writable(pool.schema, client_settings, given)
        _check(pool, user, given)
        update_settings = pool.settings.get("UserAttributeUpdateSettings", {})
        first = update_settings.get("AttributesRequireVerificationBeforeUpdate", ())

        def put(tx: Tx, current: User) -> list[str]:
            changed = _changed_addresses(current, given)
            waiting = [attribute for attribute in changed if attribute in first]
            now = {name: value for name, value in given.items() if name not in waiting}
            flags = {f"{a}_verified": "false" for a in changed if a not in waiting}
            current.pending_attributes = {**current.pending_attributes, **{a: given[a] for a in waiting}}
            _merge(pool, current, {**now, **flags})
            return changed

        current, changed = await self._records.change_user(user, put)
        return [
            await self.send_code(occasion, current, attribute, "UpdateUserAttribute")
            for attribute in self._to_verify(pool, changed)
        ]

    async def delete(self, pool: Pool, user: User, attribute_names: Iterable[str]) -> None:
        deleted = set(attribute_names)
        schema.check_deletable(pool.schema, deleted)
        kinds = pool.settings.get("UsernameAttributes", ())
        if deleted & set(kinds) and not set(kinds) - deleted:
            raise errors.InvalidParameterException("The username attribute cannot be deleted.")
        flags = {f"{name}_verified" for name in deleted if name in ADDRESSES}

        def put(tx: Tx, current: User) -> None:
            current.attributes = {n: v for n, v in current.attributes.items() if n not in deleted | flags}
            refresh_aliases(pool, current)

        await self._records.change_user(user, put)

    async def send_code(self, occasion: Occasion, user: User, attribute: str, source: str) -> dict[str, str]:
        to = user.pending_attributes.get(attribute) or user.attributes.get(attribute)
        if not to:
            raise errors.InvalidParameterException(f"User has no attribute {attribute}.")
        code = await self._codes.issue(occasion.pool, user.key, purpose(attribute), f"{attribute}:{to}")
        errand = Errand(source=source, kind="Attribute", attribute=attribute, to=to, code=code)
        return await self._messenger.send(occasion, user, errand)

    async def verify(self, pool: Pool, user: User, attribute: str, given: str) -> None:
        if attribute not in ADDRESSES:
            raise errors.InvalidParameterException("Only email and phone_number can be verified.")

        def mark(tx: Tx, code: Code) -> None:
            current = tx.get(User, pool.id, user.key)
            if current is None:
                raise errors.user_not_found()
            _, _, address = code.destination.partition(":")
            if current.pending_attributes.get(attribute) == address:
                current.attributes[attribute] = address
                del current.pending_attributes[attribute]
            if current.attributes.get(attribute) != address:
                raise self._codes.no_such_code()
            current.attributes[f"{attribute}_verified"] = "true"
            current.modified_at = self._records.clock.now()
            refresh_aliases(pool, current)
            put_user(tx, current)

        await self._codes.redeem(pool, user.key, purpose(attribute), given, mark)

    def _to_verify(self, pool: Pool, attributes: Iterable[str]) -> list[str]:
        return [a for a in attributes if a in pool.settings.get("AutoVerifiedAttributes", ())]


def refresh_aliases(pool: Pool, user: User) -> None:
    user.aliases = names.aliases_of(pool.settings, user.attributes, user.status != "UNCONFIRMED")


def mark_verified(user: User, destination: str) -> None:
    """The address that a code reached is verified, if it is still the user's."""
    attribute, _, address = destination.partition(":")
    if attribute and user.attributes.get(attribute) == address:
        user.attributes[f"{attribute}_verified"] = "true"


def release_alias(tx: Tx, pool: Pool, user: User) -> None:
    """ForceAliasCreation: whoever signs in by an address of this user's does so no longer."""
    for kind, value in user.aliases:
        if kind not in ADDRESSES:
            continue
        for holder in tx.find(User, "by_alias", pool.id, kind, value):
            if holder.key != user.key:
                holder.attributes[f"{kind}_verified"] = "false"
                holder.aliases = [alias for alias in holder.aliases if alias != (kind, value)]
                tx.put(holder)


def _check(pool: Pool, user: User, given: Mapping[str, str]) -> None:
    schema.check_values(pool.schema, given)
    schema.check_mutable(pool.schema, given, user.attributes)
    for attribute in pool.schema:
        if attribute["Required"] and given.get(attribute["Name"]) == "":
            raise errors.InvalidParameterException(
                f"Attributes did not conform to the schema: {attribute['Name']}: The attribute is required\n"
            )


def _changed_addresses(user: User, given: Mapping[str, str]) -> list[str]:
    return [a for a in ADDRESSES if given.get(a) and given[a] != user.attributes.get(a)]


def _merge(pool: Pool, user: User, given: Mapping[str, str]) -> None:
    """An empty value deletes the attribute."""
    merged = {**user.attributes, **given}
    user.attributes = {name: value for name, value in merged.items() if value != ""}
    refresh_aliases(pool, user)
