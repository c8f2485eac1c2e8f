"""Method and MethodResponse, which live in their resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import errors, patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.mapping import need_method_parameters, need_method_response_parameters
from forecourt.services.apigateway.rest.model import (
    Authorizer,
    Method,
    MethodResponse,
    Model,
    Part,
    RequestValidator,
    Resource,
    describe,
)
from forecourt.services.apigateway.rest.store import Found, patched

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import (
        DeleteMethodRequestTypeDef,
        DeleteMethodResponseRequestTypeDef,
        GetMethodRequestTypeDef,
        GetMethodResponseRequestTypeDef,
        PutMethodRequestTypeDef,
        PutMethodResponseRequestTypeDef,
        UpdateMethodRequestTypeDef,
        UpdateMethodResponseRequestTypeDef,
    )

HTTP_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
AUTHORIZATION_TYPES = ("NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS", "JWT")
# The authorization type of a method -> the types of authorizer that it may name
_AUTHORIZER_TYPES = {"CUSTOM": ("TOKEN", "REQUEST"), "COGNITO_USER_POOLS": ("COGNITO_USER_POOLS",), "JWT": ("JWT",)}

R = TypeVar("R", bound=Part)


class MethodsApi(Noun):
    @operation("PutMethod")
    async def put_method(self, context: CallContext, request: PutMethodRequestTypeDef) -> Reply:
        method = Method(
            http_method=request["httpMethod"],
            authorization_type=request["authorizationType"],
            authorizer_id=request.get("authorizerId"),
            api_key_required=request.get("apiKeyRequired", False),
            request_validator_id=request.get("requestValidatorId"),
            operation_name=request.get("operationName"),
            request_parameters=_copy(request.get("requestParameters")),
            request_models=_copy(request.get("requestModels")),
            authorization_scopes=list(request.get("authorizationScopes") or ()) or None,
        )

        def change(found: Found) -> Method:
            resource = found.get(Resource, request["restApiId"], request["resourceId"])
            need_method(found, resource.rest_api_id, method)
            if method.http_method in resource.resource_methods:
                raise ConflictException("Method already exists for this resource")
            resource.resource_methods[method.http_method] = method
            found.put(resource)
            return method

        return describe(await self.configuration.write(context, change))

    @operation("GetMethod")
    async def get_method(self, context: CallContext, request: GetMethodRequestTypeDef) -> Reply:
        resource = await self.configuration.get(context, Resource, request["restApiId"], request["resourceId"])
        return describe(method_of(resource, request["httpMethod"]))

    @operation("UpdateMethod")
    async def update_method(self, context: CallContext, request: UpdateMethodRequestTypeDef) -> Reply:
        def change(found: Found, resource: Resource) -> Method:
            before = method_of(resource, request["httpMethod"])
            method = patched(before, patches.METHOD, request.get("patchOperations"))
            need_method(found, resource.rest_api_id, method)
            resource.resource_methods[method.http_method] = method
            return method

        return describe(await self._change(context, request["restApiId"], request["resourceId"], change))

    @operation("DeleteMethod")
    async def delete_method(self, context: CallContext, request: DeleteMethodRequestTypeDef) -> None:
        def change(found: Found, resource: Resource) -> Method:
            return resource.resource_methods.pop(method_of(resource, request["httpMethod"]).http_method)

        await self._change(context, request["restApiId"], request["resourceId"], change)

    @operation("PutMethodResponse")
    async def put_method_response(self, context: CallContext, request: PutMethodResponseRequestTypeDef) -> Reply:
        response = MethodResponse(
            status_code=request["statusCode"],
            response_parameters=_copy(request.get("responseParameters")),
            response_models=_copy(request.get("responseModels")),
        )

        def change(found: Found, resource: Resource) -> MethodResponse:
            method = method_of(resource, request["httpMethod"])
            method.method_responses = method.method_responses or {}
            if response.status_code in method.method_responses:
                raise ConflictException("Response already exists for this resource")
            _need_response(found, resource.rest_api_id, response)
            method.method_responses[response.status_code] = response
            return response

        return describe(await self._change(context, request["restApiId"], request["resourceId"], change))

    @operation("GetMethodResponse")
    async def get_method_response(self, context: CallContext, request: GetMethodResponseRequestTypeDef) -> Reply:
        resource = await self.configuration.get(context, Resource, request["restApiId"], request["resourceId"])
        return describe(response_of(method_of(resource, request["httpMethod"]), request["statusCode"]))

    @operation("UpdateMethodResponse")
    async def update_method_response(self, context: CallContext, request: UpdateMethodResponseRequestTypeDef) -> Reply:
        def change(found: Found, resource: Resource) -> MethodResponse:
            method = method_of(resource, request["httpMethod"])
            before = response_of(method, request["statusCode"])
            response = patched(before, patches.METHOD_RESPONSE, request.get("patchOperations"))
            _need_response(found, resource.rest_api_id, response)
            (method.method_responses or {})[response.status_code] = response
            return response

        return describe(await self._change(context, request["restApiId"], request["resourceId"], change))

    @operation("DeleteMethodResponse")
    async def delete_method_response(self, context: CallContext, request: DeleteMethodResponseRequestTypeDef) -> None:
        def change(found: Found, resource: Resource) -> MethodResponse:
            method = method_of(resource, request["httpMethod"])
            response = response_of(method, request["statusCode"])
            method.method_responses = {
                code: other for code, other in (method.method_responses or {}).items() if code != response.status_code
            } or None
            return response

        await self._change(context, request["restApiId"], request["resourceId"], change)

    async def _change(
        self, context: CallContext, api_id: str, resource_id: str, change: Callable[[Found, Resource], R]
    ) -> R:
        return await self.configuration.write(
            context, lambda found: change_resource(found, api_id, resource_id, change)
        )


def change_resource(found: Found, api_id: str, resource_id: str, change: Callable[[Found, Resource], R]) -> R:
    """What lives in a resource is changed with it."""
    resource = found.get(Resource, api_id, resource_id)
    result = change(found, resource)
    found.put(resource)
    return result


V = TypeVar("V")


def _copy(given: object) -> dict[str, V] | None:
    return dict(given) if given is not None else None  # type: ignore[call-overload]


def method_of(resource: Resource, http_method: str) -> Method:
    method = resource.resource_methods.get(http_method.upper())
    if method is None:
        raise errors.no_method()
    return method


def response_of(method: Method, status_code: str) -> MethodResponse:
    response = (method.method_responses or {}).get(status_code)
    if response is None:
        raise errors.no_response()
    return response


def need_method(found: Found, api_id: str, method: Method) -> None:
    """Raises where the method names what is not there; forgets an authorizer that its type does not use."""
    if method.http_method not in HTTP_METHODS:
        raise BadRequestException(f"Invalid HttpMethod specified. Valid options are {','.join(HTTP_METHODS)}")
    if method.authorization_type not in AUTHORIZATION_TYPES:
        raise BadRequestException(
            f"Invalid AuthorizationType specified. Valid options are {','.join(AUTHORIZATION_TYPES)}"
        )
    _need_authorizer(found, api_id, method)
    if method.request_validator_id and not found.maybe(RequestValidator, api_id, method.request_validator_id):
        raise BadRequestException("Invalid Request Validator identifier specified")
    need_models(found, api_id, method.request_models)
    need_method_parameters(method.request_parameters)


def _need_authorizer(found: Found, api_id: str, method: Method) -> None:
    if method.authorization_type not in _AUTHORIZER_TYPES:
        method.authorizer_id = None
        return
    authorizer = found.maybe(Authorizer, api_id, method.authorizer_id) if method.authorizer_id else None
    if authorizer is None or authorizer.type not in _AUTHORIZER_TYPES[method.authorization_type]:
        raise errors.no_authorizer_for_method()


def need_models(found: Found, api_id: str, models: dict[str, str] | None) -> None:
    for name in (models or {}).values():
        if not found.maybe(Model, api_id, name):
            raise BadRequestException(f"Invalid model identifier specified: {name}")


def _need_response(found: Found, api_id: str, response: MethodResponse) -> None:
    need_models(found, api_id, response.response_models)
    need_method_response_parameters(response.response_parameters)
