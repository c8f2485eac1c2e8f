"""GetSdk, GetSdkType, GetSdkTypes."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest.api.definitions import DefinitionsApi
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.sdk.javascript import javascript
from forecourt.services.apigateway.rest.sdk.operations import operations_of, schemas_of
from forecourt.services.apigateway.rest.sdk.python import python

_GENERATORS: Mapping[str, Callable[..., dict[str, str]]] = {"javascript": javascript, "python": python}


def _property(name: str, friendly: str, description: str) -> dict[str, Any]:
    return {"name": name, "friendlyName": friendly, "description": description, "required": True}


# AWS's types, and Python, which AWS does not have. Those without a generator here are listed and refused.
SDK_TYPES: dict[str, dict[str, Any]] = {
    "android": {
        "friendlyName": "Android",
        "description": "Android SDK for API Gateway",
        "configurationProperties": [
            _property("groupId", "Group ID", "The unique identifier of the project"),
            _property("artifactId", "Artifact ID", "The name of the compiled archive"),
            _property("artifactVersion", "Artifact version", "The version of the project"),
            _property("invokerPackage", "Invoker package", "The root package of the generated code"),
        ],
    },
    "java": {
        "friendlyName": "Java SDK",
        "description": "Java SDK for API Gateway",
        "configurationProperties": [
            _property("service.name", "Service Name", "The name of the service"),
            _property("java.package-name", "Java Package Name", "The root package of the generated code"),
        ],
    },
    "javascript": {"friendlyName": "JavaScript", "description": "JavaScript client SDK for API Gateway"},
    "objectivec": {
        "friendlyName": "iOS (Objective-C)",
        "description": "iOS SDK for API Gateway",
        "configurationProperties": [_property("classPrefix", "Prefix", "The prefix of every class")],
    },
    "python": {"friendlyName": "Python", "description": "Python client SDK for API Gateway"},
    "ruby": {
        "friendlyName": "Ruby SDK",
        "description": "Ruby SDK for API Gateway",
        "configurationProperties": [_property("service.name", "Service Name", "The name of the service")],
    },
    "swift": {
        "friendlyName": "iOS (Swift)",
        "description": "iOS SDK for API Gateway",
        "configurationProperties": [_property("classPrefix", "Prefix", "The prefix of every class")],
    },
}


class SdksApi(Noun):
    @operation("GetSdkType")
    async def get_sdk_type(self, context: CallContext, request: Request) -> Reply:
        return _described(request["id"])

    @operation("GetSdkTypes")
    async def get_sdk_types(self, context: CallContext, request: Request) -> Reply:
        return {"items": [_described(name) for name in SDK_TYPES]}

    @operation("GetSdk")
    async def get_sdk(self, context: CallContext, request: Request) -> Reply:
        kind = request["sdkType"]
        _described(kind)
        stage, snapshot = await DefinitionsApi(self.tools).deployed(context, request)
        generate = _GENERATORS.get(kind)
        if generate is None:
            raise BadRequestException(
                f"SDK generation is not supported for type '{kind}'. Valid options are {','.join(_GENERATORS)}"
            )
        endpoint = _endpoint(context, snapshot.rest_api_id, stage.stage_name)

        def body() -> bytes:
            return _zip(
                generate(snapshot.name, operations_of(snapshot), schemas_of(snapshot), endpoint, context.region)
            )

        stamp = self.tools.clock.utcnow().strftime("%Y-%m-%d_%H-%MZ")
        return {
            "contentType": "application/octet-stream",
            "contentDisposition": f'attachment; filename="{kind}_{stamp}.zip"',
            "body": await asyncio.to_thread(body),
        }


def _described(kind: str) -> Reply:
    if kind not in SDK_TYPES:
        raise NotFoundException("Invalid SDK type identifier specified")
    return {"id": kind, **SDK_TYPES[kind]}


def _endpoint(context: CallContext, rest_api_id: str, stage_name: str) -> str:
    """Where the stage answers: by path, since not every machine can look up a name below `localhost`."""
    if not context.public_url:
        return f"https://{rest_api_id}.execute-api.{context.region}.amazonaws.com/{stage_name}"
    return f"{context.public_url.rstrip('/')}/_aws/execute-api/{rest_api_id}/{stage_name}"


def _zip(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()
