"""XML bodies of rest-xml requests (S3, Route 53, CloudFront): compiled readers, like those of JSON and forms.

Such a service is a backing service: the request goes on as it came, and what is read of it is what policies look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from forecourt.base.errors import ServiceError
from forecourt.wire import tree
from forecourt.wire.models import Model, Ref, Shape
from forecourt.wire.query import TEXT_READERS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    Reader = Callable[[Element], Any]

_MAX_DEPTH = 100


class MalformedXML(ServiceError):
    """S3's word."""

    status = 400


def parse_xml(body: bytes) -> Element:
    """Names come without their namespaces. Raises `MalformedXML`."""
    # Imported for the first XML body: a start does not wait for it.
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise MalformedXML(
            "The XML you provided was not well-formed or did not validate against our published schema"
        ) from None
    _bare(root, 0)
    return root


def _bare(element: Element, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise MalformedXML("The XML you provided is nested too deep")
    element.tag = element.tag.rpartition("}")[2]
    for child in element:
        _bare(child, depth + 1)


class XmlReaders:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache: dict[Ref, Reader] = {}

    def reader(self, ref: Ref) -> Reader:
        """Of one element."""
        if ref not in self._cache:
            self._cache[ref] = tree.late(self._cache, ref)
            self._cache[ref] = self._compile(self._model.shape(ref))
        return self._cache[ref]

    def _compile(self, shape: Shape) -> Reader:
        if shape.type in TEXT_READERS:
            read = TEXT_READERS[shape.type]
            return lambda element: read(element.text or "")
        if shape.type == "structure":
            return self.structure_reader(shape.members)
        if shape.type == "list":
            assert shape.member is not None
            member = self.reader(shape.member)
            return lambda element: [member(child) for child in element]
        return self._map(shape)

    def structure_reader(self, members: dict[str, Ref]) -> Reader:
        table = [(ref.location_name or name, name, self._member(ref)) for name, ref in members.items()]
        wanted = {key: (name, read) for key, name, read in table}

        def read_members(element: Element) -> dict[str, Any]:
            found: dict[str, list[Element]] = {}
            for child in element:
                found.setdefault(child.tag, []).append(child)
            return {wanted[tag][0]: wanted[tag][1](children) for tag, children in found.items() if tag in wanted}

        return read_members

    def _member(self, ref: Ref) -> Callable[[list[Element]], Any]:
        """Of all elements that have the member's name: a flattened list has many."""
        shape = self._model.shape(ref)
        if shape.type == "list" and (ref.flattened or shape.flattened):
            assert shape.member is not None
            member = self.reader(shape.member)
            return lambda elements: [member(element) for element in elements]
        read = self.reader(ref)
        return lambda elements: read(elements[-1])

    def _map(self, shape: Shape) -> Reader:
        assert shape.key is not None
        assert shape.value is not None
        key_name, value_name = shape.key.location_name or "key", shape.value.location_name or "value"
        value = self.reader(shape.value)

        def read(element: Iterable[Element]) -> dict[str, Any]:
            pairs = ((entry.find(key_name), entry.find(value_name)) for entry in element)
            return {key.text or "": value(item) for key, item in pairs if key is not None and item is not None}

        return read
