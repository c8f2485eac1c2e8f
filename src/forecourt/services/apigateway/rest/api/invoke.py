"""TestInvokeMethod: a method as it is configured now, called without a deployment."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest.api.methods import method_of
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import Resource
from forecourt.services.apigateway.rest.snapshots import freeze


class InvokeApi(Noun):
    @operation("TestInvokeMethod")
    async def test_invoke_method(self, context: CallContext, request: Request) -> Reply:
        resource = await self.configuration.get(context, Resource, request["restApiId"], request["resourceId"])
        method = method_of(resource, request["httpMethod"])
        if method.method_integration is None:
            raise BadRequestException("No integration defined for method")
        api = await self.configuration.api(context, resource.rest_api_id)
        snapshot = await self.configuration.write(context, lambda found: freeze(found, api, "test-invoke"))
        return await self.tools.tester.test_method(context, snapshot, resource.id, method.http_method, dict(request))
