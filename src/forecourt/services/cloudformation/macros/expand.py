"""Which transform does what, and in which order: those inside first, then the template's own, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.services.cloudformation.errors import TransformFailed, ValidationError
from forecourt.services.cloudformation.macros import include
from forecourt.services.cloudformation.macros.sam import Sam
from forecourt.services.cloudformation.template import extensions

_SAM = "AWS::Serverless-2016-10-31"
_INCLUDE = "AWS::Include"
_EXTENSIONS = "AWS::LanguageExtensions"
_OURS = (_SAM, _INCLUDE, _EXTENSIONS)


class Macros:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._sam = Sam(caller)

    async def expand(self, context: CallContext, body: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`parameters` are those that are known. Raises `TransformFailed`."""
        found: dict[str, Any] = {name: value for name, value in body.items() if name != "Transform"}
        found = await include.inside(self._caller, context, found)
        for name, given in _declared(body.get("Transform")):
            try:
                if name == _SAM:
                    found = await self._sam.translated(context, found, parameters)
                elif name == _INCLUDE:
                    found = {**await include.fetched(self._caller, context, given), **found}
                else:
                    found = extensions.expand(found, parameters)
            except ValidationError as error:
                raise TransformFailed(f"Transform {name} failed with: {error.message}") from error
        return found


def _declared(given: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """The template's own transforms with their parameters. Raises `TransformFailed` for one that nobody knows."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for one in given if isinstance(given, list) else [given] if given is not None else []:
        name, parameters = (one.get("Name"), one.get("Parameters") or {}) if isinstance(one, dict) else (one, {})
        if name not in _OURS:
            raise TransformFailed(f"No transform named {name} found.")
        found.append((str(name), parameters))
    return found
