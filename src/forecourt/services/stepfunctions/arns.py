"""ARNs of Step Functions: what a caller gave, taken apart, or refused in AWS's words."""

from __future__ import annotations

import re
from typing import NamedTuple

from forecourt.base.arn import Arn
from forecourt.services.stepfunctions.errors import InvalidArn, InvalidName
from forecourt.services.stepfunctions.model import ExecutionKey

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html, `name`
_BAD_NAME = re.compile('[\\s<>{}\\[\\]?*"#%\\\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff]')


_ROLE = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/.+")


def check_role(arn: str) -> None:
    """Raises `InvalidArn`."""
    if not _ROLE.fullmatch(arn):
        raise InvalidArn(f"Invalid Role Arn: '{arn}'")


class MachineArn(NamedTuple):
    account: str
    region: str
    name: str
    # a version's number, an alias's name, or ""
    qualifier: str
    # the case of a mock configuration: `...#Happy`
    test_case: str

    @property
    def unqualified(self) -> str:
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.name}"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.account, self.region, self.name


def _parse(arn: str, resource: str) -> tuple[Arn, list[str]]:
    try:
        parsed = Arn.parse(arn)
    except ValueError:
        raise InvalidArn(f"Invalid Arn: 'Invalid ARN prefix: {arn}'") from None
    kind, *rest = parsed.resource.split(":")
    if parsed.service != "states":
        raise InvalidArn(f"Invalid Arn: 'Invalid ARN prefix: {arn}'")
    if kind != resource:
        raise InvalidArn(f"Invalid Arn: 'Resource type not valid in this context: {kind}'")
    if not rest or not all(rest):
        raise InvalidArn(f"Invalid Arn: '{arn}'")
    return parsed, rest


def parse_machine(arn: str) -> MachineArn:
    arn, _, test_case = arn.partition("#")
    parsed, rest = _parse(arn, "stateMachine")
    if len(rest) > 2:
        raise InvalidArn(f"Invalid Arn: '{arn}'")
    return MachineArn(parsed.account, parsed.region, rest[0], rest[1] if len(rest) == 2 else "", test_case)


def parse_execution(arn: str) -> ExecutionKey:
    parsed, rest = _parse(arn, "execution")
    if len(rest) != 2:
        raise InvalidArn(f"Invalid Arn: '{arn}'")
    return parsed.account, parsed.region, rest[0], rest[1]


def parse_activity(arn: str) -> tuple[str, str, str]:
    parsed, rest = _parse(arn, "activity")
    if len(rest) != 1:
        raise InvalidArn(f"Invalid Arn: '{arn}'")
    return parsed.account, parsed.region, rest[0]


class MapRunArn(NamedTuple):
    account: str
    region: str
    id: str


def parse_map_run(arn: str) -> MapRunArn:
    parsed, rest = _parse(arn, "mapRun")
    if len(rest) != 2:
        raise InvalidArn(f"Invalid Arn: '{arn}'")
    return MapRunArn(parsed.account, parsed.region, rest[1])


def check_name(name: str) -> None:
    if not name or len(name) > 80 or _BAD_NAME.search(name):
        raise InvalidName(f"Invalid Name: '{name}'")
