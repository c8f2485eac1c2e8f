"""Documents: entities that are kept whole, and found by their key or by a declared index.

    class RestApi(Document):
        __kind__ = "apigateway.RestApi"
        __key__ = ("account", "region", "id")
        __indexes__ = (Index("by_name", fields=("account", "region", "name")),)

        account: str
        region: str
        id: str
        name: str

- A document is stored as a MessagePack map. A field added later needs a default, which old documents then show; a
  field removed is ignored.
- An index is over `fields`, or over what `values(document)` gives: any number of tuples of strings (computed,
  multi-valued). A document with None in one of the `fields` is not in that index.
- A changed declaration is noticed and the index is rebuilt at its first use. Where only the body of a `values`
  function changed, raise the index's `version`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from forecourt.store import keys
from forecourt.store.keys import Key


class Index(msgspec.Struct, frozen=True):
    name: str
    fields: tuple[str, ...] = ()
    unique: bool = False
    values: Callable[[Any], Iterable[Key]] | None = None
    version: int = 1

    def entries(self, document: Document) -> set[Key]:
        """The values under which `document` stands in this index."""
        if self.values is not None:
            return set(self.values(document))
        found = tuple(getattr(document, field) for field in self.fields)
        return set() if None in found else {found}

    @property
    def definition(self) -> str:
        """What the index is made of: where it differs from the stored one, the index is rebuilt."""
        source = "(values)" if self.values is not None else ",".join(self.fields)
        return f"{source} unique={int(self.unique)} version={self.version}"


class Document(msgspec.Struct, kw_only=True):
    """The base class of entities."""

    __kind__: ClassVar[str]
    __key__: ClassVar[Key]
    __indexes__: ClassVar[tuple[Index, ...]] = ()


D = TypeVar("D", bound=Document)


class Layout(Generic[D]):
    """What the store needs to know of a kind, worked out once."""

    def __init__(self, kind: type[D]) -> None:
        missing = {*kind.__key__, *(f for i in kind.__indexes__ for f in i.fields)} - set(kind.__struct_fields__)
        if missing or not kind.__key__:
            raise TypeError(f"{kind.__name__}: key or index names fields that it does not have: {sorted(missing)}")
        self.kind = kind
        self.name = kind.__kind__
        self.key_length = len(kind.__key__)
        self.indexes = kind.__indexes__
        self.index = {index.name: index for index in kind.__indexes__}
        self.decode = msgspec.msgpack.Decoder(kind).decode
        self._key = attrgetter(*kind.__key__)

    def key(self, document: D) -> Key:
        found = self._key(document)
        return (found,) if self.key_length == 1 else found

    def entries(self, document: D) -> set[tuple[str, bytes]]:
        """Every index entry of `document`: the index's name, and its values and key encoded."""
        key = self.key(document)
        return {(index.name, keys.encode(v + key)) for index in self.indexes for v in index.entries(document)}


@functools.cache
def layout(kind: type[D]) -> Layout[D]:
    return Layout(kind)


encode = msgspec.msgpack.Encoder().encode


def position(document: Document, index: str | None = None, *values: str) -> Key:
    """Where `document` stands in key order, or in an index (of several entries: the one that starts with `values`).

    It is what `list` and `find` take as `after`, so what a page token holds.
    """
    shape = layout(type(document))
    key = shape.key(document)
    if index is None:
        return key
    return min(v for v in shape.index[index].entries(document) if v[: len(values)] == values) + key
