"""Executions: start, stop, redrive, look at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.paging import encode_token
from forecourt.services.stepfunctions.arns import check_name, parse_execution, parse_machine, parse_map_run
from forecourt.services.stepfunctions.asl.data import MAX_BYTES
from forecourt.services.stepfunctions.asl.json_text import BadJson, parse_json
from forecourt.services.stepfunctions.engine import events, model
from forecourt.services.stepfunctions.engine.history import MOST_EVENTS, to_wire
from forecourt.services.stepfunctions.errors import (
    ExecutionLimitExceeded,
    ExecutionNotRedrivable,
    InvalidExecutionInput,
    InvalidToken,
    StateMachineTypeNotSupported,
    ValidationException,
)
from forecourt.services.stepfunctions.model import ExecutionRecord, ExecutionState
from forecourt.services.stepfunctions.run import history
from forecourt.services.stepfunctions.run.express import Express, TooManyOpen
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.start import StartRequest
from forecourt.services.stepfunctions.store import (
    page,
    per_page,
    position_of,
    require_execution,
    require_machine,
    resolve,
)
from forecourt.store import Store, position

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]
_REDRIVABLE_SECONDS = 14 * 86_400
_UNSUPPORTED = "This operation is not supported by this type of state machine"


class ExecutionsApi:
    def __init__(self, store: Store, shell: Shell, express: Express, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._shell = shell
        self._express = express
        self._clock = clock
        self._ids = ids

    @operation("StartExecution")
    async def start(self, context: CallContext, request: t.StartExecutionInputTypeDef) -> Answer:
        start = await self._start_request(dict(request))
        if start.revision.type == "EXPRESS":
            try:
                begun = await self._express.start(start)
            except TooManyOpen:
                raise ExecutionLimitExceeded("Too many executions are open") from None
            return {"executionArn": begun.execution.arn, "startDate": begun.execution.started_at}
        started = await self._shell.start(start)
        return {"executionArn": started.arn, "startDate": started.started_at}

    @operation("StartSyncExecution")
    async def start_sync(self, context: CallContext, request: t.StartSyncExecutionInputTypeDef) -> Answer:
        start = await self._start_request(dict(request))
        if start.revision.type != "EXPRESS":
            raise StateMachineTypeNotSupported(_UNSUPPORTED)
        try:
            execution = (await self._express.run(start)).execution
        except TooManyOpen:
            raise ExecutionLimitExceeded("Too many executions are open") from None
        answer: Answer = {
            "executionArn": execution.arn,
            "stateMachineArn": start.revision.machine_arn,
            "name": start.name,
            "startDate": execution.started_at,
            "stopDate": execution.stopped_at,
            "status": "FAILED" if execution.status == model.ABORTED else execution.status,
            "billingDetails": _billing(execution),
        }
        if request.get("includedData") != "METADATA_ONLY":
            answer |= {"input": start.input, "inputDetails": {"included": True}}
            if execution.output is not None:
                answer |= {"output": execution.output.text, "outputDetails": {"included": True}}
        if execution.status == model.TIMED_OUT:
            answer |= {"error": "States.Timeout", "cause": "State Machine Timed Out"}
        answer |= {k: v for k, v in (("error", execution.error), ("cause", execution.cause)) if v is not None}
        if start.trace_header is not None:
            answer["traceHeader"] = start.trace_header
        return answer

    async def _start_request(self, request: dict[str, Any]) -> StartRequest:
        arn = parse_machine(request["stateMachineArn"])
        name = request.get("name")
        if name is not None:
            check_name(name)
        input = request.get("input", "{}")
        check_input(input)
        revision = await resolve(self._store, arn, self._ids)
        return StartRequest(
            revision=revision, name=name or self._ids.uuid(), input=input, trace_header=request.get("traceHeader")
        )

    @operation("StopExecution")
    async def stop(self, context: CallContext, request: t.StopExecutionInputTypeDef) -> Answer:
        """Idempotent: an execution that is over keeps its end."""
        record = await require_execution(self._store, parse_execution(request["executionArn"]))
        if record.status != model.RUNNING:
            return {"stopDate": record.stopped_at}
        stop = events.Stop(request.get("error"), request.get("cause"))
        execution = await self._shell.deliver(record.key, stop)
        return {"stopDate": execution.stopped_at}

    @operation("DescribeExecution")
    async def describe(self, context: CallContext, request: t.DescribeExecutionInputTypeDef) -> Answer:
        record = await require_execution(self._store, parse_execution(request["executionArn"]))
        answer: Answer = {
            "executionArn": record.arn,
            "stateMachineArn": record.machine_arn.partition("#")[0],
            "name": record.name,
            "status": record.status,
            "startDate": record.started_at,
            "redriveCount": record.redrive_count,
            "redriveStatus": "NOT_REDRIVABLE",
        }
        reason = self._not_redrivable(record)
        if record.map_run_arn and reason is None:
            answer["redriveStatus"] = "REDRIVABLE_BY_MAP_RUN"
        elif reason is None:
            answer["redriveStatus"] = "REDRIVABLE"
        else:
            answer["redriveStatusReason"] = reason
        if record.redrive_count:
            answer["redriveDate"] = record.redriven_at
        if record.stopped_at and record.status != model.RUNNING:
            answer["stopDate"] = record.stopped_at
        included = request.get("includedData") != "METADATA_ONLY"
        answer |= _data("input", record.input, included)
        if record.output is not None:
            answer |= _data("output", record.output, included)
        for member, value in (
            ("error", record.error),
            ("cause", record.cause),
            ("traceHeader", record.trace_header),
            ("mapRunArn", record.map_run_arn or None),
            ("stateMachineVersionArn", record.version_arn or None),
            ("stateMachineAliasArn", record.alias_arn or None),
        ):
            if value is not None:
                answer[member] = value
        return answer

    @operation("ListExecutions")
    async def list(self, context: CallContext, request: t.ListExecutionsInputTypeDef) -> Answer:
        account, region, holder = await self._holder(dict(request))
        status = request.get("statusFilter") or "*"
        limit = per_page(request.get("maxResults"))
        listing = (account, region, holder, status)
        redrive_filter = request.get("redriveFilter")
        after, shown = position_of(request.get("nextToken")), []
        while True:
            found = await self._store.find(ExecutionRecord, "listing", *listing, after=after, limit=limit + 1)
            shown += [one for one in found if _passes(one, redrive_filter)]
            if len(shown) > limit or len(found) <= limit:
                break
            after = position(found[-1], "listing", *listing)
        kept, token = page(shown, limit, lambda one: position(one, "listing", *listing))
        return {"executions": [_listed(one) for one in kept], **token}

    async def _holder(self, request: dict[str, Any]) -> tuple[str, str, str]:
        """(account, region, under what the executions are listed)."""
        if (machine_arn := request.get("stateMachineArn")) is None:
            if (map_run_arn := request.get("mapRunArn")) is None:
                raise ValidationException("Must provide a StateMachine ARN or MapRun ARN")
            parsed = parse_map_run(map_run_arn)
            return parsed.account, parsed.region, map_run_arn
        if request.get("mapRunArn") is not None:
            raise ValidationException("Only one of stateMachineArn and mapRunArn may be specified")
        arn = parse_machine(machine_arn)
        machine = await require_machine(self._store, arn)
        if machine.type == "EXPRESS":
            raise StateMachineTypeNotSupported(_UNSUPPORTED)
        return arn.account, arn.region, f"{arn.unqualified}:{arn.qualifier}" if arn.qualifier else arn.name

    @operation("GetExecutionHistory")
    async def history(self, context: CallContext, request: t.GetExecutionHistoryInputTypeDef) -> Answer:
        record = await require_execution(self._store, parse_execution(request["executionArn"]))
        limit = per_page(request.get("maxResults"))
        after = _history_position(request.get("nextToken"))
        reverse = bool(request.get("reverseOrder", False))
        found, following = await history.page_of(self._store, record.place, after, limit, reverse)
        include = bool(request.get("includeExecutionData", True))
        answer: Answer = {"events": [to_wire(event, include) for event in found]}
        if following is not None:
            answer["nextToken"] = encode_token([str(part) for part in following])
        return answer

    @operation("RedriveExecution")
    async def redrive(self, context: CallContext, request: t.RedriveExecutionInputTypeDef) -> Answer:
        record = await require_execution(self._store, parse_execution(request["executionArn"]))
        client_token = request.get("clientToken", "")
        if client_token and client_token == record.redrive_token:
            return {"redriveDate": record.redriven_at}
        reason = self._not_redrivable(record)
        if reason is not None or record.map_run_arn:
            raise ExecutionNotRedrivable(reason or "Execution is started by a map run and is redriven with it")
        if await self._store.get(ExecutionState, record.place) is None:
            raise ExecutionNotRedrivable("Execution history was not kept")
        execution = await self._shell.redrive(record.key, client_token)
        return {"redriveDate": execution.redriven_at}

    def _not_redrivable(self, record: ExecutionRecord) -> str | None:
        if record.status == model.RUNNING:
            return "Execution is RUNNING and cannot be redriven"
        if record.status == model.SUCCEEDED:
            return "Execution is SUCCEEDED and cannot be redriven"
        if self._clock.now() - record.stopped_at > _REDRIVABLE_SECONDS:
            return "Execution redrivable period exceeded"
        if record.last_event_id >= MOST_EVENTS - 1:
            return "Execution history event limit exceeded"
        return None


def _history_position(token: str | None) -> history.Position | None:
    """Raises `InvalidToken`."""
    found = position_of(token)
    if found is None:
        return None
    if len(found) != 2 or not all(part.isdecimal() for part in found):
        raise InvalidToken("Invalid Token: 'Invalid token'")
    return int(found[0]), int(found[1])


def check_input(input: str) -> None:
    """Raises `InvalidExecutionInput`."""
    if not input:
        raise InvalidExecutionInput("Invalid State Machine Execution Input: 'Invalid execution input.'")
    if len(input.encode()) > MAX_BYTES:
        raise InvalidExecutionInput(f"Invalid State Machine Execution Input: 'The input exceeds {MAX_BYTES} bytes.'")
    try:
        parse_json(input)
    except BadJson as error:
        raise InvalidExecutionInput(f"Invalid State Machine Execution Input: '{error}'") from None


def _billing(execution: model.Execution) -> dict[str, int]:
    """Durations are billed in steps of 100 ms, memory in chunks of 64 MB."""
    milliseconds = (execution.stopped_at - execution.started_at) * 1000
    return {
        "billedDurationInMilliseconds": max(math.ceil(milliseconds / 100), 1) * 100,
        "billedMemoryUsedInMB": 64,
    }


def _data(member: str, text: str, included: bool) -> Answer:
    answer: Answer = {f"{member}Details": {"included": included}}
    return {**answer, member: text} if included else answer


def _passes(record: ExecutionRecord, redrive_filter: str | None) -> bool:
    return redrive_filter is None or (redrive_filter == "REDRIVEN") == bool(record.redrive_count)


def _listed(record: ExecutionRecord) -> Answer:
    shown: Answer = {
        "executionArn": record.arn,
        "stateMachineArn": record.machine_arn.partition("#")[0],
        "name": record.name,
        "status": record.status,
        "startDate": record.started_at,
        "redriveCount": record.redrive_count,
    }
    if record.status != model.RUNNING:
        shown["stopDate"] = record.stopped_at
    if record.redrive_count:
        shown["redriveDate"] = record.redriven_at
    if record.map_run_arn:
        shown |= {"mapRunArn": record.map_run_arn, "itemCount": record.item_count}
    if record.version_arn:
        shown["stateMachineVersionArn"] = record.version_arn
    if record.alias_arn:
        shown["stateMachineAliasArn"] = record.alias_arn
    return shown
