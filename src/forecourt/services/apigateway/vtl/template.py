"""A template: compiled once, rendered as often as there are requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.services.apigateway.vtl.blocks import Render, renderer
from forecourt.services.apigateway.vtl.parser import parse
from forecourt.services.apigateway.vtl.state import Broken, State, Stopped, TemplateError


class Template:
    __slots__ = ("_constant", "_render")

    def __init__(self, render: Render, source: str) -> None:
        self._render = render
        # Nothing in it that could be a reference, a directive or an escape: it renders to itself.
        self._constant = source if not set(source) & set("$#\\") else None

    @classmethod
    def compile(cls, source: str) -> Template:
        """Raises `TemplateError`."""
        return cls(renderer(parse(source)), source)

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises `TemplateError`."""
        if self._constant is not None:
            return self._constant
        state = State(variables)
        try:
            self._render(state)
        except (Stopped, Broken):
            pass
        except RecursionError as error:
            raise TemplateError("values or blocks are nested too deeply") from error
        return "".join(state.out)
