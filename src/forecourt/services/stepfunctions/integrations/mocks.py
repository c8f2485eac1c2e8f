"""Mocked integrations, in the format of Step Functions Local's `MockConfigFile.json`.

    {"StateMachines": {"Orders": {"TestCases": {"Happy": {"Charge": "charged"}}}},
     "MockedResponses": {"charged": {"0": {"Throw": {"Error": "Busy"}}, "1-2": {"Return": {"ok": true}}}}}

An execution that is started as `<state machine ARN>#Happy` takes the named responses: the n-th visit of `Charge` the
response whose range holds n. States that the case does not name are performed for real.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from forecourt.services.stepfunctions.asl.data import Data
from forecourt.services.stepfunctions.integrations.job import Job, TaskError

_MOST_EXECUTIONS = 10_000


class BadMocks(ValueError):
    """The mock configuration does not have the format."""


class Mocks:
    def __init__(self, config: dict[str, Any] | None = None) -> None:
        """Raises `BadMocks`."""
        config = _object({} if config is None else config, "The mock configuration")
        responses = _object(config.get("MockedResponses", {}), "MockedResponses")
        self._responses = {name: _ranges(name, raw) for name, raw in responses.items()}
        machines = _object(config.get("StateMachines", {}), "StateMachines")
        self._cases = {name: self._read_cases(f"StateMachines.{name}", raw) for name, raw in machines.items()}
        self._visits: OrderedDict[str, dict[str, int]] = OrderedDict()

    def _read_cases(self, place: str, raw: Any) -> dict[str, dict[str, str]]:
        place += ".TestCases"
        cases = _object(_object(raw, place).get("TestCases", {}), place)
        for case, states in cases.items():
            for state, response in _object(states, f"{place}.{case}").items():
                if not isinstance(response, str) or response not in self._responses:
                    raise BadMocks(f"{place}.{case}.{state}: MockedResponses has no {response!r}")
        return cases

    @property
    def machines(self) -> list[str]:
        return list(self._cases)

    def cases(self, machine: str) -> list[str]:
        return list(self._cases.get(machine, ()))

    def answer(self, job: Job) -> Data | None:
        """The mocked result; None where the state is not mocked. Raises `TaskError` for a mocked failure."""
        if not job.test_case:
            return None
        name = self._cases.get(job.machine.split("/")[0], {}).get(job.test_case, {}).get(job.state)
        if name is None:
            return None
        visits = self._visits.setdefault(job.execution_arn, {})
        if len(self._visits) > _MOST_EXECUTIONS:
            self._visits.popitem(last=False)
        visit = visits.get(job.state, 0)
        visits[job.state] = visit + 1
        for first, last, response in self._responses.get(name, ()):
            if first <= visit <= last:
                return _play(response)
        raise TaskError("States.Runtime", f"The mocked response '{name}' has nothing for invocation {visit}")


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadMocks(f"{place} must be an object")
    return value


def _play(response: dict[str, Any]) -> Data:
    if "Throw" in response:
        thrown = response["Throw"]
        raise TaskError(thrown.get("Error", ""), thrown.get("Cause", ""))
    return Data(response["Return"])


def _ranges(name: str, raw: Any) -> list[tuple[int, int, dict[str, Any]]]:
    ranges = []
    for key, response in _object(raw, f"MockedResponses.{name}").items():
        first, _, last = key.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise BadMocks(f"MockedResponses.{name}: '{key}' is neither a number nor a range")
        if not isinstance(response, dict) or ("Return" in response) == ("Throw" in response):
            raise BadMocks(f"MockedResponses.{name}.{key} must have either Return or Throw")
        if "Throw" in response:
            _object(response["Throw"], f"MockedResponses.{name}.{key}.Throw")
        ranges.append((int(first), int(last or first), response))
    return ranges
