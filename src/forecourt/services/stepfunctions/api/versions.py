"""Published versions, and aliases that route to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.services.stepfunctions.arns import MachineArn, parse_machine
from forecourt.services.stepfunctions.errors import (
    ConflictException,
    InvalidArn,
    ResourceNotFound,
    ServiceQuotaExceededException,
    ValidationException,
)
from forecourt.services.stepfunctions.model import Alias, StateMachine, Version, version_number
from forecourt.services.stepfunctions.store import no_such_machine, page, per_page, position_of, require_machine
from forecourt.store import Store, Tx

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]
_MOST_VERSIONS = 1000
_MOST_ALIASES = 100


def publish(tx: Tx, machine: StateMachine, now: float, description: str | None) -> Version:
    """A version of the current revision; the latest one again where nothing changed since."""
    if machine.last_version:
        latest = tx.get(Version, *_machine_key(machine), version_number(machine.last_version))
        if latest is not None and (latest.revision_id, latest.digest) == (machine.revision_id, machine.digest):
            return latest
    if tx.count(Version, *_machine_key(machine)) >= _MOST_VERSIONS:
        raise ServiceQuotaExceededException(f"The maximum number of versions ({_MOST_VERSIONS}) has been reached")
    machine.last_version += 1
    version = Version(
        account=machine.account,
        region=machine.region,
        machine=machine.name,
        number=version_number(machine.last_version),
        digest=machine.digest,
        role_arn=machine.role_arn,
        type=machine.type,
        logging=machine.logging,
        tracing=machine.tracing,
        encryption=machine.encryption,
        created_at=now,
        revision_id=machine.revision_id,
        description=description,
    )
    tx.put(machine)
    tx.put(version)
    return version


def _machine_key(machine: StateMachine) -> tuple[str, str, str]:
    return machine.account, machine.region, machine.name


class VersionsApi:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @operation("PublishStateMachineVersion")
    async def publish(self, context: CallContext, request: t.PublishStateMachineVersionInputTypeDef) -> Answer:
        arn = parse_machine(request["stateMachineArn"])
        now, expected = self._clock.now(), request.get("revisionId")

        def change(tx: Tx) -> Version:
            machine = tx.get(StateMachine, *arn.key)
            if machine is None or arn.qualifier:
                raise no_such_machine(request["stateMachineArn"])
            if expected is not None and expected != (machine.revision_id or "INITIAL"):
                raise ConflictException(
                    f"Failed to publish the State Machine version for revision {expected}. The current State Machine "
                    f"revision is {machine.revision_id or 'INITIAL'}."
                )
            return publish(tx, machine, now, request.get("description"))

        version = await self._store.write(change)
        return {"stateMachineVersionArn": version.arn, "creationDate": version.created_at}

    @operation("DeleteStateMachineVersion")
    async def delete(self, context: CallContext, request: t.DeleteStateMachineVersionInputTypeDef) -> Answer:
        arn = parse_machine(request["stateMachineVersionArn"])
        if not arn.qualifier.isdecimal():
            raise ValidationException("Invalid state machine version ARN: " + request["stateMachineVersionArn"])

        def change(tx: Tx) -> None:
            version_arn = f"{arn.unqualified}:{int(arn.qualifier)}"
            using = [
                alias.name
                for alias in tx.list(Alias, *arn.key)
                if any(routed == version_arn for routed, _ in alias.routing)
            ]
            if using:
                raise ConflictException(
                    "Version to be deleted must not be referenced by an alias. Current list of aliases referencing "
                    f"this version: [{', '.join(using)}]"
                )
            tx.delete(Version, *arn.key, version_number(int(arn.qualifier)))

        await self._store.write(change)
        return {}

    @operation("ListStateMachineVersions")
    async def list(self, context: CallContext, request: t.ListStateMachineVersionsInputTypeDef) -> Answer:
        arn = parse_machine(request["stateMachineArn"])
        limit = per_page(request.get("maxResults"))
        found = await self._store.list(
            Version, *arn.key, after=position_of(request.get("nextToken")), limit=limit + 1, reverse=True
        )
        shown, token = page(found, limit, lambda one: (one.account, one.region, one.machine, one.number))
        return {
            "stateMachineVersions": [
                {"stateMachineVersionArn": one.arn, "creationDate": one.created_at} for one in shown
            ],
            **token,
        }


class AliasesApi:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @operation("CreateStateMachineAlias")
    async def create(self, context: CallContext, request: t.CreateStateMachineAliasInputTypeDef) -> Answer:
        routing = check_routing(request["routingConfiguration"])
        machine = parse_machine(routing[0][0])
        now = self._clock.now()
        alias = Alias(
            account=machine.account,
            region=machine.region,
            machine=machine.name,
            name=request["name"],
            routing=routing,
            description=request.get("description"),
            created_at=now,
            updated_at=now,
        )

        def change(tx: Tx) -> Alias:
            _require_versions(tx, routing)
            existing = tx.get(Alias, *machine.key, alias.name)
            if existing is None:
                if tx.count(Alias, *machine.key) >= _MOST_ALIASES:
                    raise ServiceQuotaExceededException(
                        f"The maximum number of aliases ({_MOST_ALIASES}) has been reached"
                    )
                tx.put(alias)
                return alias
            if (existing.routing, existing.description) != (alias.routing, alias.description):
                raise ConflictException(
                    "Failed to create alias because an alias with the same name and a different routing configuration "
                    "already exists."
                )
            return existing

        kept = await self._store.write(change)
        return {"stateMachineAliasArn": kept.arn, "creationDate": kept.created_at}

    @operation("UpdateStateMachineAlias")
    async def update(self, context: CallContext, request: t.UpdateStateMachineAliasInputTypeDef) -> Answer:
        arn = _alias_arn(request["stateMachineAliasArn"])
        if request.get("description") is None and request.get("routingConfiguration") is None:
            raise ValidationException("Either the description or the routing configuration must be specified")
        given = request.get("routingConfiguration")
        routing = check_routing(given) if given is not None else None
        now = self._clock.now()

        def change(tx: Tx) -> None:
            alias = tx.get(Alias, *arn.key, arn.qualifier)
            if alias is None:
                raise _no_such_alias(request["stateMachineAliasArn"])
            if routing is not None:
                _require_versions(tx, routing)
                alias.routing = routing
            alias.description = request.get("description", alias.description)
            alias.updated_at = now
            tx.put(alias)

        await self._store.write(change)
        return {"updateDate": now}

    @operation("DeleteStateMachineAlias")
    async def delete(self, context: CallContext, request: t.DeleteStateMachineAliasInputTypeDef) -> Answer:
        arn = _alias_arn(request["stateMachineAliasArn"])
        if not await self._store.write(lambda tx: tx.delete(Alias, *arn.key, arn.qualifier)):
            raise _no_such_alias(request["stateMachineAliasArn"])
        return {}

    @operation("DescribeStateMachineAlias")
    async def describe(self, context: CallContext, request: t.DescribeStateMachineAliasInputTypeDef) -> Answer:
        arn = _alias_arn(request["stateMachineAliasArn"])
        alias = await self._store.get(Alias, *arn.key, arn.qualifier)
        if alias is None:
            raise _no_such_alias(request["stateMachineAliasArn"])
        answer: Answer = {
            "stateMachineAliasArn": alias.arn,
            "name": alias.name,
            "routingConfiguration": [
                {"stateMachineVersionArn": version, "weight": weight} for version, weight in alias.routing
            ],
            "creationDate": alias.created_at,
            "updateDate": alias.updated_at,
        }
        return {**answer, "description": alias.description} if alias.description is not None else answer

    @operation("ListStateMachineAliases")
    async def list(self, context: CallContext, request: t.ListStateMachineAliasesInputTypeDef) -> Answer:
        arn = parse_machine(request["stateMachineArn"])
        await require_machine(self._store, arn)
        limit = per_page(request.get("maxResults"))
        found = await self._store.list(Alias, *arn.key, after=position_of(request.get("nextToken")), limit=limit + 1)
        shown, token = page(found, limit, lambda one: (one.account, one.region, one.machine, one.name))
        if arn.qualifier:
            shown = [
                one
                for one in shown
                if any(version == f"{arn.unqualified}:{arn.qualifier}" for version, _ in one.routing)
            ]
        return {
            "stateMachineAliases": [{"stateMachineAliasArn": one.arn, "creationDate": one.created_at} for one in shown],
            **token,
        }


def check_routing(given: Sequence[Any]) -> list[tuple[str, int]]:
    """Raises `ValidationException` in AWS's words."""
    arns = [one["stateMachineVersionArn"] for one in given]
    received = f"Received: [{', '.join(arns)}]"
    if not all(_is_version(arn) for arn in arns):
        raise ValidationException(f"Routing configuration must contain state machine version ARNs. {received}")
    if len(set(arns)) != len(arns):
        raise ValidationException(f"Routing configuration must contain distinct state machine version ARNs. {received}")
    if len({parse_machine(arn).unqualified for arn in arns}) > 1:
        raise ValidationException(f"Routing configuration must contain versions of one state machine. {received}")
    weights = [one["weight"] for one in given]
    if sum(weights) != 100:
        raise ValidationException(
            f"Sum of routing configuration weights must equal 100. Received: [{', '.join(map(str, weights))}]"
        )
    return list(zip(arns, weights, strict=True))


def _is_version(arn: str) -> bool:
    try:
        return parse_machine(arn).qualifier.isdecimal()
    except InvalidArn:
        return False


def _require_versions(tx: Tx, routing: list[tuple[str, int]]) -> None:
    for arn, _ in routing:
        parsed = parse_machine(arn)
        if tx.get(StateMachine, *parsed.key) is None:
            raise no_such_machine(parsed.unqualified)
        if tx.get(Version, *parsed.key, version_number(int(parsed.qualifier))) is None:
            raise ResourceNotFound(f"Request references a resource that does not exist: {arn}", resourceName=arn)


def _alias_arn(arn: str) -> MachineArn:
    parsed = parse_machine(arn)
    if not parsed.qualifier or parsed.qualifier.isdecimal():
        raise InvalidArn(f"Invalid Arn: '{arn}' is not an alias ARN")
    return parsed


def _no_such_alias(arn: str) -> ResourceNotFound:
    return ResourceNotFound(f"Request references a resource that does not exist: {arn}", resourceName=arn)
