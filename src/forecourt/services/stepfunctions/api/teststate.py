"""TestState: one state by itself, with the same machine that runs executions.

The state is put into a machine of its own, in which every state that it could go on to is a stub (`single_state`); what
cannot be tested that way is refused (`testchecks.py`); and the state is run for one step (`trial.py`). Where it asks
for outside work, the work is performed, or the mock answers.
https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.stepfunctions.api.definitions import require_valid
from forecourt.services.stepfunctions.api.executions import check_input
from forecourt.services.stepfunctions.api.testchecks import check_request
from forecourt.services.stepfunctions.api.trial import Trial
from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.asl.graph import nested_scopes, transitions
from forecourt.services.stepfunctions.asl.json_text import BadJson, parse_json
from forecourt.services.stepfunctions.engine.model import Execution, new_execution
from forecourt.services.stepfunctions.errors import InvalidDefinition, ValidationException
from forecourt.services.stepfunctions.integrations import Integrations, Job, TaskError

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]
_LONGEST_SECONDS = 300.0
# Measured on AWS: what a state that comes without a machine is called
_UNNAMED = "StateName"


class TestStateApi:
    __test__ = False  # not a test, whatever its name says to pytest

    def __init__(self, integrations: Integrations, clock: Clock, ids: Ids) -> None:
        self._integrations = integrations
        self._clock = clock
        self._ids = ids

    @operation("TestState")
    async def test(self, context: CallContext, request: t.TestStateInputTypeDef) -> Answer:
        given: dict[str, Any] = dict(request)
        machine = require_valid(to_text(single_state(given["definition"], given.get("stateName"))), "STANDARD")
        input = given.get("input", "{}")
        check_input(input)
        check_request(machine, given)
        trial = Trial(machine, self._execution(context, given, input), self._clock.now(), given)
        trial.begin()
        if trial.invocation is not None:
            await self._perform(context, trial, given)
        return trial.answer(given.get("inspectionLevel", "INFO"))

    def _execution(self, context: CallContext, given: dict[str, Any], input: str) -> Execution:
        prefix = f"arn:aws:states:{context.region}:{context.account}"
        machine, name = self._ids.uuid(), self._ids.uuid()
        return new_execution(
            f"{prefix}:express:{machine}:{name}", name, f"{prefix}:stateMachine:{machine}", machine,
            given.get("roleArn", ""), Data.of_text(input), self._clock.now(), self._ids.bytes(16), express=True,
        )  # fmt: skip

    async def _perform(self, context: CallContext, trial: Trial, given: dict[str, Any]) -> None:
        command = trial.invocation
        assert command is not None
        if (mock := given.get("mock")) is not None:
            trial.settle_with_mock(mock)
            return
        job = Job(
            account=context.account,
            region=context.region,
            machine=trial.execution.machine_name,
            name=trial.execution.name,
            execution_arn=trial.execution.arn,
            role_arn=command.role_arn or trial.execution.role_arn,
            state=command.state,
            nonce=command.nonce,
            resource=command.resource,
            arguments=command.arguments,
        )
        limit = min(command.timeout_seconds or _LONGEST_SECONDS, _LONGEST_SECONDS)
        try:
            async with asyncio.timeout(limit):
                trial.succeed(await self._integrations.request(job))
        except TaskError as error:
            trial.fail(error.error, error.cause)
        except TimeoutError:
            trial.fail("States.Timeout", None)
        if job.exchange is not None and given.get("inspectionLevel") == "TRACE":
            sent = job.exchange.revealed if given.get("revealSecrets") else job.exchange.request
            trial.show(request=sent, response=job.exchange.response)


def single_state(definition: str, state_name: str | None) -> dict[str, Any]:
    """A machine that consists of the state and stubs."""
    try:
        raw = parse_json(definition)
    except BadJson as error:
        raise InvalidDefinition(f"Invalid State Machine Definition: '{error}'") from None
    if not isinstance(raw, dict):
        raise InvalidDefinition("Invalid State Machine Definition: 'Definition must be a valid JSON object'")
    top: dict[str, Any] = {}
    if state_name is not None:
        top, raw = _taken_out(raw, definition, state_name)
    name = state_name or _UNNAMED
    try:
        targets = {target for target, _ in transitions(raw)} - {name}
    except (KeyError, TypeError, AttributeError):
        targets = set()
    states: dict[str, Any] = {name: raw}
    if not raw.get("End") and raw.get("Type") not in ("Choice", "Succeed", "Fail") and "Next" not in raw:
        states[name] = {**raw, "End": True}
    stubs = {target: {"Type": "Succeed"} for target in sorted(targets)}
    return {**top, "StartAt": name, "States": {**states, **stubs}}


def _taken_out(raw: dict[str, Any], definition: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the machine says for all its states, and the state. Raises `InvalidDefinition`, `ValidationException`."""
    if "States" not in raw:
        raise ValidationException("State not found in definition")
    require_valid(definition, "STANDARD")
    state = _find_state(raw, name)
    if state is None:
        raise ValidationException("State not found in definition")
    return {"QueryLanguage": raw["QueryLanguage"]} if "QueryLanguage" in raw else {}, state


def _find_state(scope: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The state of that name, in the (sound) machine or any scope within it."""
    pending = [scope]
    while pending:
        states: dict[str, dict[str, Any]] = pending.pop()["States"]
        if name in states:
            return states[name]
        pending += [inner for state in states.values() for inner, _ in nested_scopes(state)]
    return None
