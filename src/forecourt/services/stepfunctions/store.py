"""How Step Functions finds what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from forecourt.base.ids import Ids
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.stepfunctions.arns import MachineArn
from forecourt.services.stepfunctions.errors import (
    ExecutionDoesNotExist,
    InvalidToken,
    StateMachineDoesNotExist,
)
from forecourt.services.stepfunctions.model import (
    Alias,
    ExecutionKey,
    ExecutionRecord,
    StateMachine,
    Version,
    execution_arn,
    version_number,
)
from forecourt.services.stepfunctions.run.start import Revision
from forecourt.store import Document, Store

D = TypeVar("D", bound=Document)
_MOST_PER_PAGE = 1000
_DEFAULT_PER_PAGE = 100


def no_such_machine(arn: str) -> StateMachineDoesNotExist:
    return StateMachineDoesNotExist(f"State Machine Does Not Exist: '{arn}'")


def per_page(asked: int | None) -> int:
    """`maxResults`; 0 means the default."""
    return min(asked or _DEFAULT_PER_PAGE, _MOST_PER_PAGE)


def position_of(token: str | None) -> tuple[str, ...] | None:
    """Raises `InvalidToken`."""
    if token is None:
        return None
    try:
        return decode_token(token)
    except ValueError:
        raise InvalidToken("Invalid Token: 'Invalid token'") from None


def page(found: list[D], limit: int, where: Callable[[D], tuple[str, ...]]) -> tuple[list[D], dict[str, str]]:
    """Of `limit + 1` documents a page, and `{"nextToken": ...}` where there are more."""
    if len(found) <= limit:
        return found, {}
    shown = found[:limit]
    return shown, {"nextToken": encode_token(where(shown[-1]))}


async def find_machine(store: Store, arn: MachineArn) -> StateMachine | None:
    return await store.get(StateMachine, *arn.key)


async def require_machine(store: Store, arn: MachineArn) -> StateMachine:
    machine = await find_machine(store, arn)
    if machine is None:
        raise no_such_machine(arn.unqualified)
    return machine


async def require_execution(store: Store, key: ExecutionKey) -> ExecutionRecord:
    record = await store.get(ExecutionRecord, *key)
    if record is None:
        raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{execution_arn(key)}'")
    return record


async def find_version(store: Store, arn: MachineArn) -> Version | None:
    if not arn.qualifier.isdecimal():
        return None
    return await store.get(Version, *arn.key, version_number(int(arn.qualifier)))


async def find_alias(store: Store, arn: MachineArn) -> Alias | None:
    return await store.get(Alias, *arn.key, arn.qualifier)


async def resolve(store: Store, arn: MachineArn, ids: Ids) -> Revision:
    """The revision that an execution started by `arn` runs: the current one, a version, or an alias's choice."""
    machine = await find_machine(store, arn)
    if machine is None:
        raise no_such_machine(f"{arn.unqualified}:{arn.qualifier}" if arn.qualifier else arn.unqualified)
    if not arn.qualifier:
        return _current(machine, arn.test_case)
    version = await find_version(store, arn)
    alias_arn = ""
    if version is None:
        alias = await find_alias(store, arn)
        if alias is None:
            raise no_such_machine(f"{arn.unqualified}:{arn.qualifier}")
        alias_arn = alias.arn
        number = _routed(alias, ids).rsplit(":", 1)[1]
        version = await store.get(Version, *arn.key, version_number(int(number)))
        if version is None:
            raise no_such_machine(f"{arn.unqualified}:{number}")
    return _published(version, alias_arn, arn)


def _routed(alias: Alias, ids: Ids) -> str:
    """A version's ARN, by weight."""
    if len(alias.routing) == 1:
        return alias.routing[0][0]
    (first, weight), (second, _) = alias.routing
    return first if ids.fraction() * 100 < weight else second


def _current(machine: StateMachine, test_case: str) -> Revision:
    return Revision(
        account=machine.account,
        region=machine.region,
        machine=machine.name,
        digest=machine.digest,
        role_arn=machine.role_arn,
        type=machine.type,
        machine_arn=f"{machine.arn}#{test_case}" if test_case else machine.arn,
        logging=machine.logging,
        tracing=machine.tracing,
        encryption=machine.encryption,
        revision_id=machine.revision_id,
        updated_at=machine.updated_at,
    )


def _published(version: Version, alias_arn: str, arn: MachineArn) -> Revision:
    return Revision(
        account=version.account,
        region=version.region,
        machine=version.machine,
        digest=version.digest,
        role_arn=version.role_arn,
        type=version.type,
        machine_arn=arn.unqualified,
        logging=version.logging,
        tracing=version.tracing,
        encryption=version.encryption,
        version_arn=version.arn,
        alias_arn=alias_arn,
        revision_id=version.revision_id,
        updated_at=version.created_at,
    )
