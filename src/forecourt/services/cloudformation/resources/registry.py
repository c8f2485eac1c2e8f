"""Every resource type that Forecourt makes. A type that has no row here fails its stack."""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.cloudformation.resources import apigateway, functions, iam
from forecourt.services.cloudformation.resources.work import Handler

TYPES: Mapping[str, Handler] = {
    **apigateway.TYPES,
    **functions.TYPES,
    **iam.TYPES,
}


def find_handler(type_name: str) -> Handler | None:
    return TYPES.get(type_name)
