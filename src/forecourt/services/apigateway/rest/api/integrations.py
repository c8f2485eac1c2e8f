"""Integration and IntegrationResponse, which live in their method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import errors, patches
from forecourt.services.apigateway.rest.api.methods import change_resource, method_of
from forecourt.services.apigateway.rest.api.noun import Noun, Reply
from forecourt.services.apigateway.rest.integration_rules import need_integration, need_integration_response
from forecourt.services.apigateway.rest.model import (
    Integration,
    IntegrationResponse,
    Method,
    Part,
    Resource,
    TlsConfig,
    describe,
)
from forecourt.services.apigateway.rest.store import Found, patched

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import (
        DeleteIntegrationRequestTypeDef,
        DeleteIntegrationResponseRequestTypeDef,
        GetIntegrationRequestTypeDef,
        GetIntegrationResponseRequestTypeDef,
        PutIntegrationRequestTypeDef,
        PutIntegrationResponseRequestTypeDef,
        UpdateIntegrationRequestTypeDef,
        UpdateIntegrationResponseRequestTypeDef,
    )


R = TypeVar("R", bound=Part)


class IntegrationsApi(Noun):
    @operation("PutIntegration")
    async def put_integration(self, context: CallContext, request: PutIntegrationRequestTypeDef) -> Reply:
        integration = new_integration(request)

        def change(found: Found, resource: Resource) -> Integration:
            method = method_of(resource, request["httpMethod"])
            integration.cache_namespace = integration.cache_namespace or resource.id
            need_integration(integration, method, context.account, self.quotas)
            before = method.method_integration
            integration.integration_responses = before.integration_responses if before else None
            method.method_integration = integration
            return integration

        return describe(await self._change(context, request, change))

    @operation("GetIntegration")
    async def get_integration(self, context: CallContext, request: GetIntegrationRequestTypeDef) -> Reply:
        return describe(integration_of(await self._method(context, request)))

    @operation("UpdateIntegration")
    async def update_integration(self, context: CallContext, request: UpdateIntegrationRequestTypeDef) -> Reply:
        def change(found: Found, resource: Resource) -> Integration:
            method = method_of(resource, request["httpMethod"])
            before = integration_of(method)
            integration = patched(before, patches.INTEGRATION, request.get("patchOperations"))
            need_integration(integration, method, context.account, self.quotas)
            method.method_integration = integration
            return integration

        return describe(await self._change(context, request, change))

    @operation("DeleteIntegration")
    async def delete_integration(self, context: CallContext, request: DeleteIntegrationRequestTypeDef) -> None:
        def change(found: Found, resource: Resource) -> Integration:
            method = method_of(resource, request["httpMethod"])
            gone = integration_of(method)
            method.method_integration = None
            return gone

        await self._change(context, request, change)

    @operation("PutIntegrationResponse")
    async def put_integration_response(
        self, context: CallContext, request: PutIntegrationResponseRequestTypeDef
    ) -> Reply:
        parameters, templates = request.get("responseParameters"), request.get("responseTemplates")
        response = IntegrationResponse(
            status_code=request["statusCode"],
            selection_pattern=request.get("selectionPattern"),
            response_parameters=None if parameters is None else dict(parameters),
            response_templates=_templates(templates),
            content_handling=request.get("contentHandling"),
        )

        def change(found: Found, resource: Resource) -> IntegrationResponse:
            method = method_of(resource, request["httpMethod"])
            integration = integration_of(method)
            need_integration_response(response, integration, method, self.quotas)
            integration.integration_responses = {
                **(integration.integration_responses or {}),
                response.status_code: response,
            }
            return response

        return describe(await self._change(context, request, change))

    @operation("GetIntegrationResponse")
    async def get_integration_response(
        self, context: CallContext, request: GetIntegrationResponseRequestTypeDef
    ) -> Reply:
        integration = integration_of(await self._method(context, request))
        return describe(response_of(integration, request["statusCode"]))

    @operation("UpdateIntegrationResponse")
    async def update_integration_response(
        self, context: CallContext, request: UpdateIntegrationResponseRequestTypeDef
    ) -> Reply:
        def change(found: Found, resource: Resource) -> IntegrationResponse:
            method = method_of(resource, request["httpMethod"])
            integration = integration_of(method)
            before = response_of(integration, request["statusCode"])
            response = patched(before, patches.INTEGRATION_RESPONSE, request.get("patchOperations"))
            need_integration_response(response, integration, method, self.quotas)
            (integration.integration_responses or {})[response.status_code] = response
            return response

        return describe(await self._change(context, request, change))

    @operation("DeleteIntegrationResponse")
    async def delete_integration_response(
        self, context: CallContext, request: DeleteIntegrationResponseRequestTypeDef
    ) -> None:
        def change(found: Found, resource: Resource) -> IntegrationResponse:
            # Unlike the other operations this one does not tell a missing method from a missing integration.
            method = resource.resource_methods.get(request["httpMethod"].upper())
            if method is None:
                raise errors.no_integration()
            integration = integration_of(method)
            gone = response_of(integration, request["statusCode"])
            left = {code: r for code, r in (integration.integration_responses or {}).items() if r is not gone}
            integration.integration_responses = left or None
            return gone

        await self._change(context, request, change)

    async def _method(self, context: CallContext, request: Mapping[str, object]) -> Method:
        resource = await self.configuration.get(
            context, Resource, str(request["restApiId"]), str(request["resourceId"])
        )
        return method_of(resource, str(request["httpMethod"]))

    async def _change(
        self, context: CallContext, request: Mapping[str, object], change: Callable[[Found, Resource], R]
    ) -> R:
        api_id, resource_id = str(request["restApiId"]), str(request["resourceId"])
        return await self.configuration.write(
            context, lambda found: change_resource(found, api_id, resource_id, change)
        )


def new_integration(request: PutIntegrationRequestTypeDef) -> Integration:
    tls, parameters = request.get("tlsConfig"), request.get("requestParameters")
    return Integration(
        type=request["type"],
        http_method=request.get("integrationHttpMethod"),
        uri=request.get("uri"),
        connection_type=request.get("connectionType"),
        connection_id=request.get("connectionId"),
        credentials=request.get("credentials"),
        request_parameters=None if parameters is None else dict(parameters),
        request_templates=_templates(request.get("requestTemplates")),
        passthrough_behavior=(request.get("passthroughBehavior") or "WHEN_NO_MATCH").upper(),
        content_handling=request.get("contentHandling"),
        timeout_in_millis=request.get("timeoutInMillis") or 29_000,
        cache_namespace=request.get("cacheNamespace"),
        cache_key_parameters=list(request.get("cacheKeyParameters") or ()),
        tls_config=TlsConfig(insecure_skip_verification=tls.get("insecureSkipVerification", False)) if tls else None,
        response_transfer_mode=request.get("responseTransferMode"),
        integration_target=request.get("integrationTarget"),
    )


def _templates(given: Mapping[str, str] | None) -> dict[str, str | None] | None:
    """An empty template is none at all: the body passes through."""
    return None if given is None else {content_type: template or None for content_type, template in given.items()}


def integration_of(method: Method) -> Integration:
    if method.method_integration is None:
        raise errors.no_integration()
    return method.method_integration


def response_of(integration: Integration, status_code: str) -> IntegrationResponse:
    response = (integration.integration_responses or {}).get(status_code)
    if response is None:
        raise errors.no_response()
    return response
