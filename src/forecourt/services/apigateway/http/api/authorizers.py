"""Authorizer and Model."""

from __future__ import annotations

import json

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request, new
from forecourt.services.apigateway.http.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.http.model import Api, Authorizer, Model, Route
from forecourt.services.apigateway.http.rules import need_authorizer, need_issuer_url, no_issuer
from forecourt.services.apigateway.http.store import merged
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.quotas import Quotas, need_room
from forecourt.services.apigateway.rest.schemas import template
from forecourt.services.apigateway.rest.store import Found


class AuthorizersApi(Noun):
    @operation("CreateAuthorizer")
    async def create_authorizer(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Authorizer:
            need_room(found.count(Authorizer, api.api_id), self.quotas.authorizers, "authorizers")
            members = {"name": request["Name"], "authorizer_type": request["AuthorizerType"]}
            authorizer = new(Authorizer, api, request, authorizer_id=self.ids.lower(6), **members)
            _need(found, authorizer, self.quotas)
            return found.put(authorizer)

        await self._need_issuer(request)
        return await self.change(context, request["ApiId"], change)

    async def _need_issuer(self, request: Request) -> None:
        issuer = (request.get("JwtConfiguration") or {}).get("Issuer")
        if not issuer:
            return
        need_issuer_url(issuer)
        if not await self.tools.issuers.is_issuer(issuer):
            raise no_issuer(issuer)

    @operation("GetAuthorizer")
    async def get_authorizer(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, Authorizer, request["ApiId"], request["AuthorizerId"]))

    @operation("GetAuthorizers")
    async def get_authorizers(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, Authorizer, request=request)

    @operation("UpdateAuthorizer")
    async def update_authorizer(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Authorizer:
            authorizer = merged(found.get(Authorizer, api.api_id, request["AuthorizerId"]), request)
            _need(found, authorizer, self.quotas)
            return found.put(authorizer)

        await self._need_issuer(request)
        return await self.change(context, request["ApiId"], change)

    @operation("DeleteAuthorizer")
    async def delete_authorizer(self, context: CallContext, request: Request) -> None:
        api_id, authorizer_id = request["ApiId"], request["AuthorizerId"]

        def need(found: Found) -> None:
            for route in found.all(Route, api_id):
                if route.authorizer_id == authorizer_id:
                    raise ConflictException(
                        f"Cannot delete Authorizer '{authorizer_id}', it is used by Route '{route.route_id}'"
                    )

        await self.delete(context, Authorizer, api_id, authorizer_id, need=need)


def _need(found: Found, authorizer: Authorizer, quotas: Quotas) -> None:
    need_authorizer(authorizer, quotas)
    for other in found.all(Authorizer, authorizer.api_id):
        if other.name == authorizer.name and other.authorizer_id != authorizer.authorizer_id:
            raise BadRequestException(
                f"Authorizer name must be unique. Authorizer {other.name} already exists in this RestApi."
            )


class ModelsApi(Noun):
    """HTTP APIs keep models but validate nothing by them: only WebSocket APIs do."""

    @operation("CreateModel")
    async def create_model(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Model:
            model = new(Model, api, request, model_id=self.ids.lower(6), name=request["Name"])
            _need_model(found, model)
            return found.put(model)

        return await self.change(context, request["ApiId"], change)

    @operation("GetModel")
    async def get_model(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, Model, request["ApiId"], request["ModelId"]))

    @operation("GetModels")
    async def get_models(self, context: CallContext, request: Request) -> Reply:
        return await self.of_api(context, Model, request=request)

    @operation("GetModelTemplate")
    async def get_model_template(self, context: CallContext, request: Request) -> Reply:
        model = await self.configuration.get(context, Model, request["ApiId"], request["ModelId"])
        return {"Value": template(json.loads(model.schema or "{}"))}

    @operation("UpdateModel")
    async def update_model(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found, api: Api) -> Model:
            model = merged(found.get(Model, api.api_id, request["ModelId"]), request)
            _need_model(found, model)
            return found.put(model)

        return await self.change(context, request["ApiId"], change)

    @operation("DeleteModel")
    async def delete_model(self, context: CallContext, request: Request) -> None:
        await self.delete(context, Model, request["ApiId"], request["ModelId"])


def _need_model(found: Found, model: Model) -> None:
    if not model.name.isalnum():
        raise BadRequestException(f"Model name must be alphanumeric: {model.name}")
    if any(m.name == model.name and m.model_id != model.model_id for m in found.all(Model, model.api_id)):
        raise ConflictException("Model name already exists for this API")
    try:
        json.loads(model.schema or "")
    except ValueError:
        raise BadRequestException("Invalid model schema specified") from None
