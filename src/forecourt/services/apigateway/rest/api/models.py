"""Model and RequestValidator: what a method's request has to look like."""

from __future__ import annotations

import json
from collections.abc import Iterator

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.model import Method, Model, RequestValidator, Resource, RestApi, describe
from forecourt.services.apigateway.rest.quotas import Quotas, need_room, need_size
from forecourt.services.apigateway.rest.schemas import flatten, need_schema, referenced, template
from forecourt.services.apigateway.rest.store import Found, patched


class ModelsApi(Noun):
    @operation("CreateModel")
    async def create_model(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Model:
            api = found.get(RestApi, request["restApiId"])
            model = Model(
                account=api.account,
                region=api.region,
                rest_api_id=api.id,
                id=self.ids.lower(6),
                name=request["name"],
                content_type=request["contentType"],
                description=request.get("description"),
                schema=request.get("schema"),
            )
            need_model(found, model, self.quotas)
            if found.maybe(Model, api.id, model.name):
                raise ConflictException("Model name already exists for this REST API")
            need_room(found.count(Model, api.id), self.quotas.models, "models")
            return found.put(model)

        return describe(await self.configuration.write(context, change))

    @operation("GetModel")
    async def get_model(self, context: CallContext, request: Request) -> Reply:
        model = await self.configuration.get(context, Model, request["restApiId"], request["modelName"])
        if request.get("flatten") and model.schema:
            model.schema = json.dumps(await self._flat(context, model))
        return describe(model)

    async def _flat(self, context: CallContext, model: Model) -> object:
        others = await self.configuration.all(context, Model, model.rest_api_id)
        return flatten(json.loads(model.schema or "{}"), {other.name: other.schema for other in others}, (model.name,))

    @operation("GetModels")
    async def get_models(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        return await self.configuration.page(context, Model, api.id, request=request)

    @operation("GetModelTemplate")
    async def get_model_template(self, context: CallContext, request: Request) -> Reply:
        model = await self.configuration.get(context, Model, request["restApiId"], request["modelName"])
        return {"value": template(await self._flat(context, model))}

    @operation("UpdateModel")
    async def update_model(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Model:
            before = found.get(Model, request["restApiId"], request["modelName"])
            model = patched(before, patches.MODEL, request.get("patchOperations"))
            need_model(found, model, self.quotas)
            return found.put(model)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteModel")
    async def delete_model(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            model = found.get(Model, request["restApiId"], request["modelName"])
            _need_unused(found, model)
            found.delete(Model, model.rest_api_id, model.name)

        await self.configuration.write(context, change)


def need_model(found: Found, model: Model, quotas: Quotas) -> None:
    if not model.name:
        raise BadRequestException("Model name must be non-empty")
    if not model.name.isalnum():
        raise BadRequestException(f"Model name must be alphanumeric: {model.name}")
    need_size(model.schema, quotas.model_schema_bytes, "Model schema")
    if model.content_type.startswith("application/json") or not model.schema:
        need_schema(
            model.schema, lambda name: name == model.name or found.maybe(Model, model.rest_api_id, name) is not None
        )


def methods_of(found: Found, rest_api_id: str) -> Iterator[tuple[str, Method]]:
    """Every method with AWS's name of it in messages: the resource's path, a slash, the HTTP method."""
    for resource in found.all(Resource, rest_api_id):
        for http_method, method in resource.resource_methods.items():
            yield f"{resource.path}/{http_method}", method


def _need_unused(found: Found, model: Model) -> None:
    for name, method in methods_of(found, model.rest_api_id):
        if model.name in (method.request_models or {}).values():
            raise ConflictException(f"Cannot delete model '{model.name}', is referenced in method request: {name}")
        for response in (method.method_responses or {}).values():
            if model.name in (response.response_models or {}).values():
                raise ConflictException(f"Cannot delete model '{model.name}', is referenced in method response: {name}")
    for other in found.all(Model, model.rest_api_id):
        if other.name != model.name and model.name in referenced(_parsed(other.schema)):
            raise ConflictException(f"Cannot delete model '{model.name}', is referenced in model: {other.name}")


def _parsed(schema: str | None) -> object:
    try:
        return json.loads(schema or "{}")
    except ValueError:
        return {}


class RequestValidatorsApi(Noun):
    @operation("CreateRequestValidator")
    async def create_request_validator(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> RequestValidator:
            api = found.maybe(RestApi, request["restApiId"])
            if api is None:
                raise BadRequestException("Invalid REST API identifier specified")
            validator = RequestValidator(
                account=api.account,
                region=api.region,
                rest_api_id=api.id,
                id=self.ids.lower(6),
                name=request.get("name"),
                validate_request_body=request.get("validateRequestBody", False),
                validate_request_parameters=request.get("validateRequestParameters", False),
            )
            _need_validator(validator)
            need_room(found.count(RequestValidator, api.id), self.quotas.request_validators, "request validators")
            return found.put(validator)

        return describe(await self.configuration.write(context, change))

    @operation("GetRequestValidator")
    async def get_request_validator(self, context: CallContext, request: Request) -> Reply:
        key = request["restApiId"], request["requestValidatorId"]
        return describe(await self.configuration.get(context, RequestValidator, *key))

    @operation("GetRequestValidators")
    async def get_request_validators(self, context: CallContext, request: Request) -> Reply:
        api = await self.configuration.api(context, request["restApiId"])
        return await self.configuration.page(context, RequestValidator, api.id, request=request)

    @operation("UpdateRequestValidator")
    async def update_request_validator(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> RequestValidator:
            before = found.get(RequestValidator, request["restApiId"], request["requestValidatorId"])
            validator = patched(before, patches.REQUEST_VALIDATOR, request.get("patchOperations"))
            _need_validator(validator)
            return found.put(validator)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteRequestValidator")
    async def delete_request_validator(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            validator = found.get(RequestValidator, request["restApiId"], request["requestValidatorId"])
            for name, method in methods_of(found, validator.rest_api_id):
                if method.request_validator_id == validator.id:
                    raise ConflictException(
                        f"Cannot delete request validator '{validator.name}', is referenced in method: {name}"
                    )
            found.delete(RequestValidator, validator.rest_api_id, validator.id)

        await self.configuration.write(context, change)


def _need_validator(validator: RequestValidator) -> None:
    if validator.name is not None and not validator.name.strip():
        raise BadRequestException("Request Validator name cannot be blank")
