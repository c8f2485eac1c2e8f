"""Event source mappings: SQS queues, Kinesis streams, DynamoDB streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller, operation
from forecourt.base.errors import NotImplementedYet
from forecourt.base.principal import root
from forecourt.services.functions.api.base import Api, Shared, limit_of, page, position_of
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from forecourt.services.functions.event_sources import filters
from forecourt.services.functions.event_sources.exists import check_source
from forecourt.services.functions.model import Checkpoint, EventSourceMapping
from forecourt.services.functions.names import FunctionId, function_arn
from forecourt.services.functions.store import require_qualifier
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        CreateEventSourceMappingRequestTypeDef,
        DeleteEventSourceMappingRequestTypeDef,
        GetEventSourceMappingRequestTypeDef,
        ListEventSourceMappingsRequestTypeDef,
        UpdateEventSourceMappingRequestTypeDef,
    )

# The default and the largest batch by the source's service
_BATCH_SIZES: Mapping[str, tuple[int, int]] = {"sqs": (10, 10_000), "kinesis": (100, 10_000), "dynamodb": (100, 10_000)}
_MAX_FILTERS = 5
# Parameters that are the entity's fields
_FIELDS: Mapping[str, str] = {
    "Enabled": "enabled",
    "BatchSize": "batch_size",
    "MaximumBatchingWindowInSeconds": "window_seconds",
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "MaximumRecordAgeInSeconds": "maximum_record_age",
    "BisectBatchOnFunctionError": "bisect",
    "ParallelizationFactor": "parallelization",
    "TumblingWindowInSeconds": "tumbling_seconds",
}
# What only one kind of source has
_OF_STREAMS = ("ParallelizationFactor", "TumblingWindowInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
               "MaximumRecordAgeInSeconds", "DestinationConfig")  # fmt: skip
_OF_QUEUES = ("ScalingConfig",)


class EventSourcesApi(Api):
    """`last_result` tells what the last batch of a mapping came to."""

    def __init__(self, shared: Shared, caller: Caller, last_result: Callable[[tuple[str, ...]], str | None]) -> None:
        super().__init__(shared)
        self._caller = caller
        self._last_result = last_result

    @operation("CreateEventSourceMapping")
    async def create_event_source_mapping(
        self, context: CallContext, request: CreateEventSourceMappingRequestTypeDef
    ) -> dict[str, Any]:
        id = self._id(context, request["FunctionName"])
        mapping = EventSourceMapping(
            account=id.account,
            region=id.region,
            uuid=self._ids.uuid(),
            name=id.name,
            qualifier=id.qualifier or "",
            source_arn=_source(request),
            tags=dict(request.get("Tags") or {}),
        )
        mapping.batch_size = _BATCH_SIZES[mapping.service][0]
        _set_start(mapping, request)
        self._set(mapping, request)
        timeout = (await self._store.resolve(id)).configuration.timeout
        as_root = msgspec.structs.replace(context, principal=root(Arn.parse(mapping.source_arn).account))
        await check_source(self._caller, as_root, mapping.source_arn, timeout)

        def create(tx: Tx) -> None:
            require_qualifier(tx, id)
            for other in tx.find(EventSourceMapping, "by_function", *id.function):
                if (other.source_arn, other.qualifier) == (mapping.source_arn, mapping.qualifier):
                    raise ResourceConflictException(
                        f'The event source arn (" {mapping.source_arn} ") and function (" {id.name} ") provided '
                        f"mapping already exists. Please update or delete the existing mapping with UUID {other.uuid}"
                    )
            tx.insert(mapping)

        await self._store.write(create)
        return self._view(mapping, "Creating")

    @operation("GetEventSourceMapping")
    async def get_event_source_mapping(
        self, context: CallContext, request: GetEventSourceMappingRequestTypeDef
    ) -> dict[str, Any]:
        mapping = await self._store.store.get(EventSourceMapping, context.account, context.region, request["UUID"])
        if mapping is None:
            raise _not_found()
        return self._view(mapping)

    @operation("ListEventSourceMappings")
    async def list_event_source_mappings(
        self, context: CallContext, request: ListEventSourceMappingsRequestTypeDef
    ) -> dict[str, Any]:
        id: FunctionId | None = None
        if "FunctionName" in request:
            id = self._id(context, request["FunctionName"])
            await self._store.resolve(id)
        after, source = position_of(request.get("Marker")), request.get("EventSourceArn")
        mappings = await self._store.store.list(EventSourceMapping, context.account, context.region, after=after)
        found = [
            mapping
            for mapping in mappings
            if source in (None, mapping.source_arn)
            and (id is None or (mapping.name, mapping.qualifier) == (id.name, id.qualifier or ""))
        ]
        limit = limit_of(request.get("MaxItems"), 100)
        return page("EventSourceMappings", found, limit, self._view, lambda m: (m.account, m.region, m.uuid))

    @operation("UpdateEventSourceMapping")
    async def update_event_source_mapping(
        self, context: CallContext, request: UpdateEventSourceMappingRequestTypeDef
    ) -> dict[str, Any]:
        def update(tx: Tx) -> EventSourceMapping:
            mapping = _require(tx, context, request["UUID"])
            if "FunctionName" in request:
                id = self._id(context, request["FunctionName"])
                require_qualifier(tx, id)
                mapping.name, mapping.qualifier = id.name, id.qualifier or ""
            self._set(mapping, request)
            tx.put(mapping)
            return mapping

        return self._view(await self._store.write(update), "Updating")

    @operation("DeleteEventSourceMapping")
    async def delete_event_source_mapping(
        self, context: CallContext, request: DeleteEventSourceMappingRequestTypeDef
    ) -> dict[str, Any]:
        def delete(tx: Tx) -> EventSourceMapping:
            mapping = _require(tx, context, request["UUID"])
            key = (mapping.account, mapping.region, mapping.uuid)
            tx.delete(EventSourceMapping, *key)
            tx.delete_all(Checkpoint, *key)
            return mapping

        return self._view(await self._store.write(delete), "Deleting")

    def _set(self, mapping: EventSourceMapping, request: Mapping[str, Any]) -> None:
        if any(request.get(member) for member in (_OF_STREAMS if mapping.service == "sqs" else _OF_QUEUES)):
            raise InvalidParameterValueException("Unsupported parameter for given event source mapping type.")
        for member, field in _FIELDS.items():
            if request.get(member) is not None:
                setattr(mapping, field, request[member])
        if "FilterCriteria" in request:
            mapping.filters = [entry["Pattern"] for entry in request["FilterCriteria"].get("Filters") or ()]
            _check_filters(mapping.filters)
        if "FunctionResponseTypes" in request:
            mapping.report_item_failures = "ReportBatchItemFailures" in request["FunctionResponseTypes"]
        if "ScalingConfig" in request:
            mapping.maximum_concurrency = request["ScalingConfig"].get("MaximumConcurrency")
        if "DestinationConfig" in request:
            mapping.on_failure = (request["DestinationConfig"].get("OnFailure") or {}).get("Destination", "")
        _check_batch(mapping)
        mapping.last_modified = self._clock.now()

    def _view(self, mapping: EventSourceMapping, state: str = "") -> dict[str, Any]:
        m = mapping
        key = (m.account, m.region, m.uuid)
        view: dict[str, Any] = {
            "UUID": m.uuid,
            "BatchSize": m.batch_size,
            "MaximumBatchingWindowInSeconds": m.window_seconds,
            "EventSourceArn": m.source_arn,
            "FunctionArn": function_arn(m.account, m.region, m.name, m.qualifier or None),
            "LastModified": m.last_modified,
            "State": state or ("Enabled" if m.enabled else "Disabled"),
            "StateTransitionReason": "USER_INITIATED",
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if m.report_item_failures else [],
            "EventSourceMappingArn": f"arn:aws:lambda:{m.region}:{m.account}:event-source-mapping:{m.uuid}",
        }
        if m.filters:
            view["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in m.filters]}
        if m.maximum_concurrency is not None:
            view["ScalingConfig"] = {"MaximumConcurrency": m.maximum_concurrency}
        return view if m.service == "sqs" else {**view, **_stream_view(m), "LastProcessingResult": self._result(key)}

    def _result(self, key: tuple[str, ...]) -> str:
        return self._last_result(key) or "No records processed"


def _stream_view(mapping: EventSourceMapping) -> dict[str, Any]:
    view: dict[str, Any] = {
        "StartingPosition": mapping.starting_position,
        "ParallelizationFactor": mapping.parallelization,
        "MaximumRecordAgeInSeconds": mapping.maximum_record_age,
        "BisectBatchOnFunctionError": mapping.bisect,
        "MaximumRetryAttempts": mapping.maximum_retry_attempts,
        "TumblingWindowInSeconds": mapping.tumbling_seconds,
        "DestinationConfig": {"OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}},
    }
    if mapping.starting_timestamp:
        view["StartingPositionTimestamp"] = mapping.starting_timestamp
    return view


def _source(request: Mapping[str, Any]) -> str:
    arn = request.get("EventSourceArn")
    if not arn:
        raise NotImplementedYet("Forecourt reads event sources that have an ARN: SQS, Kinesis and DynamoDB streams.")
    try:
        service = Arn.parse(arn).service
    except ValueError:
        raise InvalidParameterValueException(f"Unrecognized event source: {arn}") from None
    if service not in _BATCH_SIZES:
        raise NotImplementedYet(f"Forecourt does not read {service} as an event source.")
    return str(arn)


def _set_start(mapping: EventSourceMapping, request: Mapping[str, Any]) -> None:
    if mapping.service == "sqs":
        if request.get("StartingPosition"):
            raise InvalidParameterValueException("StartingPosition is not valid for SQS event sources.")
        return
    position = request.get("StartingPosition")
    if not position:
        raise InvalidParameterValueException("1 validation error detected: Value null at 'startingPosition' failed to "
                                             "satisfy constraint: Member must not be null.")  # fmt: skip
    mapping.starting_position = position
    moment = request.get("StartingPositionTimestamp")
    if position == "AT_TIMESTAMP":
        if moment is None or mapping.service != "kinesis":
            raise InvalidParameterValueException(
                "AT_TIMESTAMP is valid for Kinesis only, together with StartingPositionTimestamp."
            )
        mapping.starting_timestamp = moment.timestamp() if isinstance(moment, datetime) else float(moment)


def _check_batch(mapping: EventSourceMapping) -> None:
    if mapping.tumbling_seconds and mapping.parallelization > 1:
        raise InvalidParameterValueException("A tumbling window needs a parallelization factor of 1.")
    if mapping.service == "sqs" and mapping.batch_size > 10:
        if mapping.source_arn.endswith(".fifo"):
            raise InvalidParameterValueException("Maximum batch size for FIFO queues is 10.")
        if mapping.window_seconds < 1:
            raise InvalidParameterValueException(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )


def _check_filters(patterns: list[str]) -> None:
    if len(patterns) > _MAX_FILTERS:
        raise InvalidParameterValueException("Exceeded the maximum number of filters per event source mapping (5).")
    for pattern in patterns:
        try:
            filters.parse(pattern)
        except filters.BadPattern:
            raise InvalidParameterValueException("Invalid filter pattern definition.") from None


def _require(tx: Tx, context: CallContext, uuid: str) -> EventSourceMapping:
    mapping = tx.get(EventSourceMapping, context.account, context.region, uuid)
    if mapping is None:
        raise _not_found()
    return mapping


def _not_found() -> ResourceNotFoundException:
    return ResourceNotFoundException("The resource you requested does not exist.")
