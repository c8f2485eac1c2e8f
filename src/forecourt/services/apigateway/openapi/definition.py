"""What a document defines, in API Gateway's terms, before any of it has an id.

Methods name their authorizer and validator as the document does; `importing.py` finds or makes those and fills in ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from forecourt.services.apigateway.rest.model import DocumentationPartLocation, Method

Json = dict[str, Any]


@dataclass
class MethodDefinition:
    path: str
    method: Method
    authorizer: str | None = None
    validator: str | None = None
    # Schemas that stand in the method itself, by the model's name that the method uses for them
    inline_models: dict[str, Json] = field(default_factory=dict)


@dataclass
class Definition:
    name: str
    version: str | None = None
    description: str | None = None
    # By AWS's member names: what the document says of the API as a whole
    api: Json = field(default_factory=dict)
    # name -> JSON schema
    models: dict[str, Json] = field(default_factory=dict)
    # name -> CreateAuthorizer's members
    authorizers: dict[str, Json] = field(default_factory=dict)
    # name -> validateRequestBody, validateRequestParameters
    validators: dict[str, Json] = field(default_factory=dict)
    # response type -> PutGatewayResponse's members
    gateway_responses: dict[str, Json] = field(default_factory=dict)
    methods: list[MethodDefinition] = field(default_factory=list)
    # Paths without a method are resources all the same
    paths: list[str] = field(default_factory=list)
    documentation: list[tuple[DocumentationPartLocation, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
