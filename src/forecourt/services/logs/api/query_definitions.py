"""Queries that are kept under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.logs import requests
from forecourt.services.logs.api.queries import check_language
from forecourt.services.logs.errors import ResourceNotFoundException
from forecourt.services.logs.model import QueryDefinition
from forecourt.services.logs.store import LogsStore
from forecourt.store import Tx, position

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

_PAGE = 1000


class QueryDefinitionsApi:
    def __init__(self, logs: LogsStore, clock: Clock, ids: Ids) -> None:
        self._logs = logs
        self._clock = clock
        self._ids = ids

    @operation("PutQueryDefinition")
    async def put_query_definition(
        self, context: CallContext, request: aws.PutQueryDefinitionRequestTypeDef
    ) -> dict[str, Any]:
        check_language(request)
        known = request.get("queryDefinitionId")
        definition = QueryDefinition(
            account=context.account,
            region=context.region,
            id=known or self._ids.uuid(),
            name=request["name"],
            text=request["queryString"],
            groups=list(request.get("logGroupNames", ())),
            modified_ms=self._clock.now_ms(),
        )

        def run(tx: Tx) -> None:
            if known and tx.get(QueryDefinition, context.account, context.region, known) is None:
                raise _missing()
            tx.put(definition)

        await self._logs.store.write(run)
        return {"queryDefinitionId": definition.id}

    @operation("DescribeQueryDefinitions")
    async def describe_query_definitions(
        self, context: CallContext, request: aws.DescribeQueryDefinitionsRequestTypeDef
    ) -> dict[str, Any]:
        prefix, limit = request.get("queryDefinitionNamePrefix", ""), request.get("maxResults", _PAGE)
        after = requests.page_after(request.get("nextToken"))
        kept = await self._logs.store.list(QueryDefinition, context.account, context.region, after=after)
        found = [definition for definition in kept if definition.name.startswith(prefix)]
        answer: dict[str, Any] = {"queryDefinitions": [_view(definition) for definition in found[:limit]]}
        return answer | ({"nextToken": requests.page_token(position(found[limit - 1]))} if len(found) > limit else {})

    @operation("DeleteQueryDefinition")
    async def delete_query_definition(
        self, context: CallContext, request: aws.DeleteQueryDefinitionRequestTypeDef
    ) -> dict[str, Any]:
        def run(tx: Tx) -> None:
            if not tx.delete(QueryDefinition, context.account, context.region, request["queryDefinitionId"]):
                raise _missing()

        await self._logs.store.write(run)
        return {"success": True}


def _view(definition: QueryDefinition) -> dict[str, Any]:
    return {
        "queryLanguage": "CWLI",
        "queryDefinitionId": definition.id,
        "name": definition.name,
        "queryString": definition.text,
        "lastModified": definition.modified_ms,
        "logGroupNames": definition.groups,
    }


def _missing() -> ResourceNotFoundException:
    return ResourceNotFoundException("The specified query definition does not exist.")
