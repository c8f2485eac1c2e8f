"""Transforms: what a template becomes before it is read. SAM (`sam.py`), AWS::Include, AWS::LanguageExtensions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.template.sections import declared_transforms


class Macros:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def expand(self, context: CallContext, body: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Raises `ValidationError`."""
        for name in declared_transforms(body):
            raise ValidationError(f"No transform named {name} found.")
        return body
