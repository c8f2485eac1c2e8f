"""Types whose life is one call to make, one to change and one to delete: rows of a table.

Where a value comes from is said in a word:

    @            the physical id; [@] as a list of one
    :StageName   a property
    =arn:aws:x:{region}:{account}:{id}   text, filled from properties and the stack's place
    role.arn     a member of the call's answer

The calls' parameters are the properties (`shaped`), under other names where `rename` says so, and `keys`, which say
what a call is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.errors import NotTried, ResourceFailed
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Made, Properties, Work, is_taken

_Output = Mapping[str, Any]


class Name(msgspec.Struct, frozen=True):
    """The property that names the resource; one is made up where it is not given.

    A name by which the resource is found is new in every operation, so that a replacement can stand beside what it
    replaces. A mere label stays the same (`label`).
    """

    property: str
    longest: int = 64
    lower: bool = False
    joint: str = "-"
    label: bool = False

    def settle(self, work: Work, properties: Properties) -> dict[str, Any]:
        if properties.get(self.property):
            return dict(properties)
        return {**properties, self.property: self._made_up(work)}

    def known(self, work: Work, physical_id: str, properties: Properties) -> dict[str, Any]:
        """As it was settled when the resource was made."""
        return {self.property: self._made_up(work) if self.label else physical_id, **properties}

    def _made_up(self, work: Work) -> str:
        token = work.stack_id.rpartition("/")[2] if self.label else work.token
        return work.name(self.longest, token=token, lower=self.lower, joint=self.joint)


class Found(msgspec.Struct, frozen=True):
    """How a resource is found that was made just before a crash, and whose id the service chose.

    In which list, and which members of an entry are which properties.
    """

    call: str
    items: str
    id: str
    same: Mapping[str, str]


class Simple(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    makes: str
    id: str
    deletes: str
    keys: Mapping[str, str] = {}
    changes: str = ""
    # The call whose answer has the attributes, where that of the creation lacks them
    reads: str = ""
    attributes: Mapping[str, str] = {}
    name: Name | None = None
    found: Found | None = None
    # Property -> parameter
    rename: Mapping[str, str] = {}
    # Parameters of the call that makes, besides the properties and the keys of a parent
    always: Mapping[str, Any] = {}
    # What a property is again once it is taken out of the template
    defaults: Mapping[str, Any] = {}
    tag_arn: str = ""
    # Properties that say something else than parameters of the call that makes
    apart: frozenset[str] = frozenset()

    async def create(self, work: Work, properties: Properties) -> Made:
        given = self.name.settle(work, properties) if self.name is not None else dict(properties)
        refuse_unknown(work, self.service, self.makes, self._renamed(given), self.apart)
        wanted = {**shaped.parameters(self.service, self.makes, self._renamed(given)), **self.always}
        try:
            output = await work.call(self.service, self.makes, **wanted)
            physical_id = str(value_of(self.id, work, "", given, output))
        except ServiceError as error:
            known = await self._known(work, given) if work.again and is_taken(error) else None
            if known is None:
                raise
            physical_id, output = known, {}
        return await self._made(work, physical_id, given, output)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        back = {name: value for name, value in self.defaults.items() if name in old and name not in new}
        given = {**new, **back}
        if self.name is not None:
            given = self.name.known(work, physical_id, given)
        output: _Output = {}
        different = changed(old, new) - ({"Tags"} if self.tag_arn else set())
        if different:
            self._require_changeable(work, {name: given.get(name) for name in different})
            params = {
                **shaped.parameters(self.service, self.changes, self._renamed(given)),
                **self._keys(self.changes, work, physical_id, given),
            }
            output = await work.call(self.service, self.changes, **params)
        if self.tag_arn:
            arn = value_of(self.tag_arn, work, physical_id, given, output)
            await retag(work, self.service, arn, old.get("Tags"), new.get("Tags"))
        return await self._made(work, physical_id, given, output)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(self.service, self.deletes, **self._keys(self.deletes, work, physical_id, properties))

    async def _known(self, work: Work, properties: Properties) -> str | None:
        """The id of what was made before a crash."""
        if self.id.startswith(":"):
            return str(properties[self.id[1:]])
        if self.found is None:
            return None
        keys = {
            **self._keys(self.found.call, work, "", properties),
            **({"limit": 500} if shaped.has_member(self.service, self.found.call, "limit") else {}),
        }
        answer = await work.call(self.service, self.found.call, **keys)
        for entry in answer.get(self.found.items, ()):
            if all(entry.get(member) == properties.get(name) for member, name in self.found.same.items()):
                return str(entry[self.found.id])
        return None

    def _require_changeable(self, work: Work, different: Properties) -> None:
        """Nothing that changed is left out. Raises `ResourceFailed`."""
        fixed = set(different)
        if self.changes:
            fixed = shaped.unknown(self.service, self.changes, self._renamed(different)) - self.apart
        if fixed:
            raise NotTried(f"Forecourt cannot change {', '.join(sorted(fixed))} of an existing {work.type}")

    def _renamed(self, properties: Properties) -> dict[str, Any]:
        return {self.rename.get(name, name): value for name, value in properties.items()}

    def _keys(self, operation: str, work: Work, physical_id: str, properties: Properties) -> dict[str, Any]:
        """Those that the operation takes."""
        return {
            name: value_of(source, work, physical_id, properties, {})
            for name, source in self.keys.items()
            if shaped.has_member(self.service, operation, name)
        }

    async def _made(self, work: Work, physical_id: str, properties: Properties, output: _Output) -> Made:
        if self.reads:
            output = await work.call(self.service, self.reads, **self._keys(self.reads, work, physical_id, properties))
        found = {
            name: value_of(source, work, physical_id, properties, output) for name, source in self.attributes.items()
        }
        return Made(physical_id, {name: value for name, value in found.items() if value is not None})


def refuse_unknown(
    work: Work, service: str, operation: str, properties: Properties, apart: frozenset[str] = frozenset()
) -> None:
    """Nothing is left out of what a template asks for. Raises `ResourceFailed`."""
    strange = shaped.unknown(service, operation, properties) - apart
    if strange:
        raise ResourceFailed(f"Forecourt does not support {', '.join(sorted(strange))} of {work.type}")


def value_of(source: str, work: Work, physical_id: str, properties: Properties, output: _Output) -> Any:
    if source == "@":
        return physical_id
    if source == "[@]":
        return [physical_id]
    if source.startswith(":"):
        return properties.get(source[1:])
    if source.startswith("="):
        place = {"region": work.region, "account": work.account, "id": physical_id}
        return source[1:].format_map({**properties, **place})
    found: Any = output
    for part in source.split("."):
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def changed(old: Properties, new: Properties) -> set[str]:
    """The properties that differ."""
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}
