"""GatewayResponse: what API Gateway itself answers where no integration does."""

from __future__ import annotations

import re

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.gateway_responses import DEFAULT_TEMPLATES, STATUS_CODES, effective
from forecourt.services.apigateway.rest.mapping import need_gateway_mappings
from forecourt.services.apigateway.rest.model import GatewayResponse, RestApi, describe
from forecourt.services.apigateway.rest.store import Found, page_of, patched

_STATUS_CODE = re.compile(r"[1-5][0-9][0-9]")


class GatewayResponsesApi(Noun):
    @operation("PutGatewayResponse")
    async def put_gateway_response(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> GatewayResponse:
            api = found.get(RestApi, request["restApiId"])
            return found.put(need_gateway_response(new_gateway_response(api, request["responseType"], request)))

        return describe(await self.configuration.write(context, change))

    @operation("GetGatewayResponse")
    async def get_gateway_response(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        return describe(_effective(api, await self._customised(context, api), request["responseType"]))

    @operation("GetGatewayResponses")
    async def get_gateway_responses(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        customised = await self._customised(context, api)
        # All of them fit on AWS's one page, whatever the limit.
        return page_of([_effective(api, customised, t) for t in STATUS_CODES], {"limit": len(STATUS_CODES)})

    @operation("UpdateGatewayResponse")
    async def update_gateway_response(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> GatewayResponse:
            api = found.get(RestApi, request["restApiId"])
            customised = {own.response_type: own for own in found.all(GatewayResponse, api.id)}
            before = _effective(api, customised, request["responseType"])
            after = patched(before, patches.GATEWAY_RESPONSE, request.get("patchOperations"))
            after.default_response = False
            after.response_parameters = after.response_parameters or {}
            after.response_templates = after.response_templates or {}
            return found.put(need_gateway_response(after))

        return describe(await self.configuration.write(context, change))

    @operation("DeleteGatewayResponse")
    async def delete_gateway_response(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            api = found.get(RestApi, request["restApiId"])
            found.delete(GatewayResponse, api.id, request["responseType"])

        await self.configuration.write(context, change)

    async def _customised(self, context: CallContext, api: RestApi) -> dict[str, GatewayResponse]:
        return {own.response_type: own for own in await self.configuration.all(context, GatewayResponse, api.id)}


def _effective(api: RestApi, customised: dict[str, GatewayResponse], response_type: str) -> GatewayResponse:
    return effective(api.account, api.region, api.id, response_type, customised)


def need_gateway_response(response: GatewayResponse) -> GatewayResponse:
    if response.status_code is not None and not _STATUS_CODE.fullmatch(response.status_code):
        raise BadRequestException(f"Invalid status code specified: {response.status_code}")
    need_gateway_mappings(response.response_parameters)
    return response


def new_gateway_response(api: RestApi, response_type: str, given: Request) -> GatewayResponse:
    templates = given.get("responseTemplates")
    return GatewayResponse(
        account=api.account,
        region=api.region,
        rest_api_id=api.id,
        response_type=response_type,
        status_code=given.get("statusCode") or STATUS_CODES[response_type],
        response_parameters=dict(given.get("responseParameters") or {}),
        response_templates=dict(templates) if templates else dict(DEFAULT_TEMPLATES),
    )
