"""ApiKey: made, given or imported from a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from msgspec.structs import replace

from forecourt.base.call import CallContext, operation
from forecourt.base.errors import ServiceError
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.api.usage_plans import subscribe
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.model import ApiKey, Stage, UsagePlan, UsagePlanKey, describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found, page_of, patched, with_tags
from forecourt.services.apigateway.rest.tagging import need_tags
from forecourt.store import AlreadyExists

MINIMUM_VALUE_LENGTH = 20
MAXIMUM_VALUE_LENGTH = 128
VALUE_LENGTH = 40
# A field may be quoted like this, too.
_SINGLE_QUOTED = re.compile(r"(?<![^,\n])[ ]*'([^'\n\"]*)'[ ]*(?=[,\r\n]|$)")


class ApiKeysApi(Noun):
    @operation("CreateApiKey")
    async def create_api_key(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)
        key = self._new(context, request)
        key.stage_keys = [
            f"{given.get('restApiId', '')}/{given.get('stageName', '')}" for given in request.get("stageKeys") or ()
        ]

        def change(found: Found) -> ApiKey:
            _need_stages(found, key.stage_keys)
            return self._add(found, key)

        return describe(await self.configuration.write(context, change))

    def _new(self, context: CallContext, given: Request) -> ApiKey:
        value = given.get("value") or self.ids.alnum(VALUE_LENGTH)
        if len(value) < MINIMUM_VALUE_LENGTH:
            raise BadRequestException(f"API Key value should be at least {MINIMUM_VALUE_LENGTH} characters")
        if len(value) > MAXIMUM_VALUE_LENGTH:
            raise BadRequestException(f"API Key value should be at most {MAXIMUM_VALUE_LENGTH} characters")
        return ApiKey(
            account=context.account,
            region=context.region,
            id=self.ids.lower(10),
            value=value,
            name=given.get("name") or "",
            enabled=given.get("enabled", False),
            created_date=self.now(),
            last_updated_date=self.now(),
            customer_id=given.get("customerId"),
            description=given.get("description"),
            tags=dict(given["tags"]) if given.get("tags") else None,
        )

    def _add(self, found: Found, key: ApiKey) -> ApiKey:
        need_room(found.count(ApiKey), self.quotas.api_keys, "API keys", "this account")
        try:
            found.tx.insert(key)
        except AlreadyExists:
            raise ConflictException("API Key already exists") from None
        return key

    def _put(self, found: Found, key: ApiKey) -> ApiKey:
        """A key of the same value is the same key, and becomes as it is now."""
        before = next(iter(found.tx.find(ApiKey, "by_value", *found.own, key.value)), None)
        if before is None:
            return self._add(found, key)
        changed = {"name": key.name, "enabled": key.enabled, "description": key.description}
        return found.put(replace(before, **changed, last_updated_date=key.last_updated_date))

    @operation("GetApiKey")
    async def get_api_key(self, context: CallContext, request: Request) -> Reply:
        key = await self.configuration.get(context, ApiKey, request["apiKey"])
        return with_tags(_shown(describe(key), request.get("includeValue", False)))

    @operation("GetApiKeys")
    async def get_api_keys(self, context: CallContext, request: Request) -> Reply:
        keys = await self.configuration.all(context, ApiKey)
        name, customer = request.get("nameQuery") or "", request.get("customerId")
        page = page_of(
            [key for key in keys if key.name.startswith(name) and customer in (None, key.customer_id)], request
        )
        include = request.get("includeValues", False)
        return {**page, "items": [_shown(item, include) for item in page["items"]]}

    @operation("UpdateApiKey")
    async def update_api_key(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> ApiKey:
            before = found.get(ApiKey, request["apiKey"])
            key = patched(before, patches.API_KEY, request.get("patchOperations"))
            _need_stages(found, set(key.stage_keys) - set(before.stage_keys))
            key.last_updated_date = self.now()
            return found.put(key)

        return with_tags(_shown(describe(await self.configuration.write(context, change)), False))

    @operation("DeleteApiKey")
    async def delete_api_key(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            key = found.get(ApiKey, request["apiKey"])
            for subscription in found.tx.find(UsagePlanKey, "by_key", *found.own, key.id):
                found.delete(UsagePlanKey, subscription.usage_plan_id, key.id)
            found.delete(ApiKey, key.id)

        await self.configuration.write(context, change)

    @operation("ImportApiKeys")
    async def import_api_keys(self, context: CallContext, request: Request) -> Reply:
        """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html"""
        rows = _rows(request["body"])

        def change(found: Found) -> tuple[list[str], list[str]]:
            ids, warnings = [], []
            for row in rows:
                try:
                    key = self._put(found, self._new(context, row))
                except (ConflictException, BadRequestException) as error:
                    warnings.append(f"Unable to import API key '{row['name']}': {error.message}")
                    continue
                warnings += self._subscribe(found, key, row["usagePlanIds"])
                ids.append(key.id)
            if warnings and request.get("failOnWarnings"):
                raise BadRequestException("Warnings found during import:\n\t" + "\n\t".join(warnings))
            return ids, warnings

        ids, warnings = await self.configuration.write(context, change)
        return {"ids": ids, "warnings": warnings} if warnings else {"ids": ids}

    def _subscribe(self, found: Found, key: ApiKey, usage_plan_ids: list[str]) -> list[str]:
        warnings = []
        for usage_plan_id in usage_plan_ids:
            if found.maybe(UsagePlanKey, usage_plan_id, key.id):
                continue
            try:
                subscribe(found, found.get(UsagePlan, usage_plan_id), key, self.quotas)
            except ServiceError as error:
                warnings.append(f"Unable to add API key '{key.name}' to usage plan '{usage_plan_id}': {error.message}")
        return warnings


def _shown(described: Reply, include_value: bool) -> Reply:
    return described if include_value else {name: value for name, value in described.items() if name != "value"}


def _need_stages(found: Found, stage_keys: Iterable[str]) -> None:
    for stage_key in stage_keys:
        api_id, _, stage = stage_key.partition("/")
        if not stage or not found.maybe(Stage, api_id, stage):
            raise BadRequestException(f"Invalid stage identifier specified: {stage_key}")


def _rows(body: bytes) -> list[Request]:
    """The keys of an API key file. Its column names are not case-sensitive; `name` and `key` must be there."""
    try:
        text = _SINGLE_QUOTED.sub(r'"\1"', body.decode("utf-8-sig"))
        reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        raw = [{(name or "").strip().lower(): value for name, value in row.items()} for row in reader]
        columns = {name.strip().lower() for name in reader.fieldnames or ()}
    except (UnicodeDecodeError, csv.Error):
        raise BadRequestException("Failed to parse the API key file") from None
    if not {"name", "key"} <= columns:
        raise BadRequestException("API key file must have the columns name and key")
    return [
        {
            "name": (row.get("name") or "").strip(),
            "value": (row.get("key") or "").strip(),
            "description": (row.get("description") or "").strip() or None,
            "enabled": (row.get("enabled") or "true").strip().lower() != "false",
            "usagePlanIds": [
                plan.strip() for plan in (row.get("usageplanids") or "").replace(";", ",").split(",") if plan.strip()
            ],
        }
        for row in raw
    ]
