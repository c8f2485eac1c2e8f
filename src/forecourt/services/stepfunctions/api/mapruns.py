"""Map runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.stepfunctions.arns import parse_execution, parse_map_run
from forecourt.services.stepfunctions.errors import ResourceNotFound, ValidationException
from forecourt.services.stepfunctions.model import MapRun, execution_arn
from forecourt.services.stepfunctions.run.maprun import MapRuns
from forecourt.services.stepfunctions.store import page, per_page, position_of, require_execution
from forecourt.store import Store, Tx

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]


class MapRunsApi:
    def __init__(self, store: Store, runs: MapRuns) -> None:
        self._store = store
        self._runs = runs

    @operation("DescribeMapRun")
    async def describe(self, context: CallContext, request: t.DescribeMapRunInputTypeDef) -> Answer:
        run = await self._require(request["mapRunArn"])
        answer: Answer = {
            "mapRunArn": run.arn,
            "executionArn": execution_arn(run.parent),
            "status": run.status,
            "startDate": run.started_at,
            "maxConcurrency": run.max_concurrency,
            "toleratedFailurePercentage": run.tolerated_failure_percentage,
            "toleratedFailureCount": run.tolerated_failure_count,
            "itemCounts": _counts(run, "items_"),
            "executionCounts": _counts(run, ""),
            "redriveCount": run.redrive_count,
        }
        if run.stopped_at:
            answer["stopDate"] = run.stopped_at
        if run.redrive_count:
            answer["redriveDate"] = run.redriven_at
        return answer

    @operation("ListMapRuns")
    async def list(self, context: CallContext, request: t.ListMapRunsInputTypeDef) -> Answer:
        record = await require_execution(self._store, parse_execution(request["executionArn"]))
        limit = per_page(request.get("maxResults"))
        found = await self._store.list(
            MapRun,
            record.account,
            record.region,
            f"{record.machine}:{record.name}",
            after=position_of(request.get("nextToken")),
            limit=limit + 1,
        )
        shown, token = page(found, limit, lambda one: (one.account, one.region, one.execution, one.id))
        return {"mapRuns": [_listed(run, record.machine_arn.partition("#")[0]) for run in shown], **token}

    @operation("UpdateMapRun")
    async def update(self, context: CallContext, request: t.UpdateMapRunInputTypeDef) -> Answer:
        run = await self._require(request["mapRunArn"])
        if run.status != "RUNNING":
            raise ValidationException("Cannot update a completed map run", reason="CANNOT_UPDATE_COMPLETED_MAP_RUN")
        limits = {
            "max_concurrency": request.get("maxConcurrency"),
            "tolerated_failure_percentage": request.get("toleratedFailurePercentage"),
            "tolerated_failure_count": request.get("toleratedFailureCount"),
        }
        if all(value is None for value in limits.values()):
            raise ValidationException("At least one limit must be given", reason="MISSING_REQUIRED_PARAMETER")
        for field, value in limits.items():
            if value is not None:
                setattr(run, field, value)

        def change(tx: Tx) -> None:
            tx.put(run)

        await self._store.write(change)
        self._runs.limits_changed(run.arn)
        return {}

    async def _require(self, arn: str) -> MapRun:
        """The live run, where it runs here; else the stored one."""
        parsed = parse_map_run(arn)
        live = self._runs.active(arn)
        if live is not None:
            return live
        found = await self._store.find(MapRun, "by_id", parsed.account, parsed.region, parsed.id, limit=1)
        if not found or found[0].arn != arn:
            raise ResourceNotFound(f"Resource not found: '{arn}'", resourceName=arn)
        return found[0]


def _counts(run: MapRun, prefix: str) -> Answer:
    counts = {name: getattr(run, prefix + name) for name in ("succeeded", "failed", "timed_out", "aborted", "total")}
    over = counts["succeeded"] + counts["failed"] + counts["timed_out"] + counts["aborted"]
    waiting = getattr(run, prefix + "pending")
    return {
        "pending": waiting,
        "running": max(counts["total"] - over, 0),
        "succeeded": counts["succeeded"],
        "failed": counts["failed"],
        "timedOut": counts["timed_out"],
        "aborted": counts["aborted"],
        "total": counts["total"] + waiting,
        "resultsWritten": run.results_written if prefix or not run.results_written else over,
        "failuresNotRedrivable": 0,
        "pendingRedrive": 0,
    }


def _listed(run: MapRun, machine_arn: str) -> Answer:
    shown: Answer = {
        "executionArn": execution_arn(run.parent),
        "mapRunArn": run.arn,
        "stateMachineArn": f"{machine_arn}/{run.label}",
        "startDate": run.started_at,
    }
    return {**shown, "stopDate": run.stopped_at} if run.stopped_at else shown
