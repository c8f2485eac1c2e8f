"""Answers to tasks by their token, and activities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.services.stepfunctions.api.configuration import encryption_of, tags_of
from forecourt.services.stepfunctions.arns import check_name, parse_activity
from forecourt.services.stepfunctions.asl.data import MAX_BYTES, Data
from forecourt.services.stepfunctions.asl.json_text import BadJson, parse_json
from forecourt.services.stepfunctions.engine import events
from forecourt.services.stepfunctions.engine.tokens import Token, decode_token
from forecourt.services.stepfunctions.errors import (
    ActivityAlreadyExists,
    ActivityDoesNotExist,
    ActivityWorkerLimitExceeded,
    ExecutionDoesNotExist,
    InvalidOutput,
    InvalidToken,
    TaskTimedOut,
)
from forecourt.services.stepfunctions.model import Activity, Tags
from forecourt.services.stepfunctions.run.activities import Activities, TooManyPollers
from forecourt.services.stepfunctions.run.shell import Shell
from forecourt.services.stepfunctions.run.timers import execution_key
from forecourt.services.stepfunctions.store import page, per_page, position_of
from forecourt.store import Store, Tx

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]


class TasksApi:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    @operation("SendTaskSuccess")
    async def succeed(self, context: CallContext, request: t.SendTaskSuccessInputTypeDef) -> Answer:
        output = request["output"]
        try:
            parse_json(output)
        except BadJson as error:
            raise InvalidOutput(f"Invalid Output: '{error}'") from None
        if len(output.encode()) > MAX_BYTES:
            raise InvalidOutput(f"Invalid Output: 'The output exceeds {MAX_BYTES} bytes.'")
        token = _token(request["taskToken"])
        await self._deliver(token, events.TaskSucceeded(token.frame, token.nonce, Data.of_text(output)))
        return {}

    @operation("SendTaskFailure")
    async def fail(self, context: CallContext, request: t.SendTaskFailureInputTypeDef) -> Answer:
        token = _token(request["taskToken"])
        error, cause = request.get("error", ""), request.get("cause", "")
        await self._deliver(token, events.TaskFailed(token.frame, token.nonce, error, cause))
        return {}

    @operation("SendTaskHeartbeat")
    async def heartbeat(self, context: CallContext, request: t.SendTaskHeartbeatInputTypeDef) -> Answer:
        token = _token(request["taskToken"])
        await self._deliver(token, events.TaskHeartbeat(token.frame, token.nonce))
        return {}

    async def _deliver(self, token: Token, event: events.Event) -> None:
        try:
            key = execution_key(token.execution_arn)
            if not await self._shell.awaits(key, token):
                raise _gone()
            await self._shell.deliver(key, event)
        except ValueError:
            raise InvalidToken("Invalid Token: 'Invalid token'") from None
        except ExecutionDoesNotExist:
            raise _gone() from None


def _gone() -> TaskTimedOut:
    return TaskTimedOut("Task Timed Out: 'Provided task does not exist anymore'")


def _token(text: str) -> Token:
    try:
        return decode_token(text)
    except ValueError:
        raise InvalidToken("Invalid Token: 'Invalid token'") from None


class ActivitiesApi:
    def __init__(self, store: Store, shell: Shell, activities: Activities, clock: Clock) -> None:
        self._store = store
        self._shell = shell
        self._activities = activities
        self._clock = clock

    @operation("CreateActivity")
    async def create(self, context: CallContext, request: t.CreateActivityInputTypeDef) -> Answer:
        """Idempotent by name."""
        check_name(request["name"])
        activity = Activity(
            account=context.account,
            region=context.region,
            name=request["name"],
            created_at=self._clock.now(),
            encryption=encryption_of(dict(request.get("encryptionConfiguration", {}))),
        )
        tags = tags_of(request.get("tags"))  # type: ignore[arg-type]

        def change(tx: Tx) -> Activity:
            existing = tx.get(Activity, activity.account, activity.region, activity.name)
            if existing is not None and existing.encryption != activity.encryption:
                raise ActivityAlreadyExists(f"Activity Already Exists: '{activity.arn}'")
            if existing is not None:
                return existing
            tx.put(activity)
            if tags:
                tx.put(Tags(account=activity.account, region=activity.region, resource=activity.arn, tags=tags))
            return activity

        kept = await self._store.write(change)
        return {"activityArn": kept.arn, "creationDate": kept.created_at}

    @operation("DeleteActivity")
    async def delete(self, context: CallContext, request: t.DeleteActivityInputTypeDef) -> Answer:
        key = parse_activity(request["activityArn"])

        def change(tx: Tx) -> None:
            tx.delete(Activity, *key)
            tx.delete(Tags, key[0], key[1], request["activityArn"])

        await self._store.write(change)
        return {}

    @operation("DescribeActivity")
    async def describe(self, context: CallContext, request: t.DescribeActivityInputTypeDef) -> Answer:
        activity = await self._require(request["activityArn"])
        answer: Answer = {
            "activityArn": activity.arn,
            "name": activity.name,
            "creationDate": activity.created_at,
        }
        return {**answer, "encryptionConfiguration": activity.encryption} if activity.encryption else answer

    @operation("ListActivities")
    async def list(self, context: CallContext, request: t.ListActivitiesInputTypeDef) -> Answer:
        limit = per_page(request.get("maxResults"))
        found = await self._store.list(
            Activity, context.account, context.region, after=position_of(request.get("nextToken")), limit=limit + 1
        )
        shown, token = page(found, limit, lambda one: (one.account, one.region, one.name))
        return {
            "activities": [{"activityArn": one.arn, "name": one.name, "creationDate": one.created_at} for one in shown],
            **token,
        }

    @operation("GetActivityTask")
    async def get_task(self, context: CallContext, request: t.GetActivityTaskInputTypeDef) -> Answer:
        """Waits up to 60 seconds; an answer without a token means that there is nothing to do."""
        activity = await self._require(request["activityArn"])
        while True:
            try:
                text = await self._activities.poll(activity.arn)
            except TooManyPollers:
                raise ActivityWorkerLimitExceeded("The maximum number of workers polls this activity") from None
            if text is None:
                return {}
            token = decode_token(text)
            key = execution_key(token.execution_arn)
            try:
                input = await self._shell.scheduled_input(key, token)
                if input is None:
                    continue
                started = events.ActivityStarted(token.frame, token.nonce, request.get("workerName"))
                await self._shell.deliver(key, started)
            except ExecutionDoesNotExist:
                continue
            except BaseException:
                self._activities.give_back(activity.arn, text)
                raise
            return {"taskToken": text, "input": input}

    async def _require(self, arn: str) -> Activity:
        activity = await self._store.get(Activity, *parse_activity(arn))
        if activity is None:
            raise ActivityDoesNotExist(f"Activity Does Not Exist: '{arn}'")
        return activity
