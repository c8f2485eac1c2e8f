"""State machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.stepfunctions.api.configuration import encryption_of, logging_of, tags_of, tracing_of
from forecourt.services.stepfunctions.api.definitions import require_valid, validation_result
from forecourt.services.stepfunctions.api.versions import publish
from forecourt.services.stepfunctions.arns import check_name, check_role, parse_execution, parse_machine
from forecourt.services.stepfunctions.asl.data import from_text
from forecourt.services.stepfunctions.asl.variables import variable_references
from forecourt.services.stepfunctions.errors import (
    MissingRequiredParameter,
    StateMachineAlreadyExists,
    ValidationException,
)
from forecourt.services.stepfunctions.model import (
    Alias,
    Definition,
    StateMachine,
    Tags,
    Version,
    digest_of,
)
from forecourt.services.stepfunctions.run.machines import Machines
from forecourt.services.stepfunctions.store import (
    find_alias,
    find_version,
    no_such_machine,
    page,
    per_page,
    position_of,
    require_execution,
    require_machine,
)
from forecourt.store import Store, Tx

if TYPE_CHECKING:
    from types_boto3_stepfunctions import type_defs as t

Answer = dict[str, Any]


class StateMachinesApi:
    def __init__(self, store: Store, machines: Machines, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._machines = machines
        self._clock = clock
        self._ids = ids

    @operation("CreateStateMachine")
    async def create(self, context: CallContext, request: t.CreateStateMachineInputTypeDef) -> Answer:
        check_name(request["name"])
        check_role(request["roleArn"])
        given: dict[str, Any] = dict(request)
        type_ = given.get("type", "STANDARD")
        compiled = require_valid(request["definition"], type_)
        if given.get("versionDescription") is not None and not given.get("publish"):
            raise ValidationException("Version description can only be set when publish is true")
        now = self._clock.now()
        machine = StateMachine(
            account=context.account,
            region=context.region,
            name=request["name"],
            digest=digest_of(request["definition"]),
            role_arn=request["roleArn"],
            type=type_,
            logging=logging_of(given.get("loggingConfiguration")),
            tracing=tracing_of(given.get("tracingConfiguration")),
            encryption=encryption_of(given.get("encryptionConfiguration")),
            created_at=now,
            updated_at=now,
        )
        tags = tags_of(given.get("tags"))

        def change(tx: Tx) -> tuple[StateMachine, Version | None]:
            existing = tx.get(StateMachine, *_key(machine))
            if existing is not None and not _same(existing, machine):
                raise StateMachineAlreadyExists(f"State Machine Already Exists: '{machine.arn}'")
            kept = existing or machine
            if existing is None:
                tx.put(Definition(digest=machine.digest, text=request["definition"]))
                tx.put(machine)
                _put_tags(tx, machine, tags)
            version = publish(tx, kept, now, given.get("versionDescription")) if given.get("publish") else None
            return kept, version

        kept, version = await self._store.write(change)
        self._machines.add(kept.digest, compiled)
        answer: Answer = {"stateMachineArn": kept.arn, "creationDate": kept.created_at}
        return {**answer, "stateMachineVersionArn": version.arn} if version is not None else answer

    @operation("UpdateStateMachine")
    async def update(self, context: CallContext, request: t.UpdateStateMachineInputTypeDef) -> Answer:
        arn = parse_machine(request["stateMachineArn"])
        given: dict[str, Any] = dict(request)
        if arn.qualifier:
            raise no_such_machine(request["stateMachineArn"])
        if not any(given.get(field) is not None for field in _UPDATABLE):
            raise MissingRequiredParameter(
                "Either the definition, the role ARN, the LoggingConfiguration, the EncryptionConfiguration or the "
                "TracingConfiguration must be specified"
            )
        if given.get("versionDescription") is not None and not given.get("publish"):
            raise ValidationException("Version description can only be set when publish is true")
        if given.get("roleArn"):
            check_role(given["roleArn"])
        current = await require_machine(self._store, arn)
        definition = given.get("definition")
        if definition is not None:
            self._machines.add(digest_of(definition), require_valid(definition, current.type))
        now, revision = self._clock.now(), self._ids.uuid()
        logging, encryption = given.get("loggingConfiguration"), given.get("encryptionConfiguration")

        def change(tx: Tx) -> Version | None:
            machine = tx.get(StateMachine, *arn.key)
            if machine is None:
                raise no_such_machine(arn.unqualified)
            if definition is not None:
                machine.digest = digest_of(definition)
                tx.put(Definition(digest=machine.digest, text=definition))
            machine.role_arn = given.get("roleArn") or machine.role_arn
            machine.logging = logging_of(logging) if logging is not None else machine.logging
            if given.get("tracingConfiguration") is not None:
                machine.tracing = tracing_of(given["tracingConfiguration"])
            machine.encryption = encryption_of(encryption) if encryption is not None else machine.encryption
            machine.updated_at, machine.revision_id = now, revision
            tx.put(machine)
            return publish(tx, machine, now, given.get("versionDescription")) if given.get("publish") else None

        version = await self._store.write(change)
        answer: Answer = {"updateDate": now, "revisionId": revision}
        return {**answer, "stateMachineVersionArn": version.arn} if version is not None else answer

    @operation("DeleteStateMachine")
    async def delete(self, context: CallContext, request: t.DeleteStateMachineInputTypeDef) -> Answer:
        """Running executions go on to their end: they hold on to their definition."""
        arn = parse_machine(request["stateMachineArn"])
        if arn.qualifier:
            raise ValidationException("Invalid state machine ARN: a version or an alias cannot be deleted this way")

        def change(tx: Tx) -> None:
            tx.delete(StateMachine, *arn.key)
            tx.delete_all(Version, *arn.key)
            tx.delete_all(Alias, *arn.key)
            tx.delete(Tags, arn.account, arn.region, arn.unqualified)

        await self._store.write(change)
        return {}

    @operation("DescribeStateMachine")
    async def describe(self, context: CallContext, request: t.DescribeStateMachineInputTypeDef) -> Answer:
        arn = parse_machine(request["stateMachineArn"])
        machine = await require_machine(self._store, arn)
        shown: StateMachine | Version = machine
        extra: Answer = {}
        if arn.qualifier:
            version = await find_version(self._store, arn)
            if version is None:
                alias = await find_alias(self._store, arn)
                raise no_such_machine(alias.arn if alias else request["stateMachineArn"])
            shown = version
            extra = {"description": version.description} if version.description is not None else {}
        hidden = request.get("includedData") == "METADATA_ONLY" and bool(shown.encryption)
        definition = await self._definition(shown.digest)
        return {
            "stateMachineArn": shown.arn,
            "name": machine.name,
            "status": "ACTIVE",
            "definition": "" if hidden else definition,
            "roleArn": shown.role_arn,
            "type": shown.type,
            "creationDate": shown.created_at,
            "loggingConfiguration": shown.logging,
            "tracingConfiguration": shown.tracing,
            **_optional(shown),
            **({} if hidden else _variables(definition)),
            **extra,
        }

    @operation("DescribeStateMachineForExecution")
    async def describe_for_execution(
        self, context: CallContext, request: t.DescribeStateMachineForExecutionInputTypeDef
    ) -> Answer:
        record = await require_execution(self._store, parse_execution(request["executionArn"]))
        machine, _, label = record.machine.partition("/")
        definition = await self._definition(record.digest)
        answer: Answer = {
            "stateMachineArn": record.machine_arn.partition("#")[0],
            "name": machine,
            "definition": definition,
            "roleArn": record.role_arn,
            "updateDate": record.machine_updated_at,
            "loggingConfiguration": record.logging,
            "tracingConfiguration": record.tracing,
            **_optional(record),
            **_variables(definition),
        }
        if record.map_run_arn:
            answer |= {"mapRunArn": record.map_run_arn, "label": label}
        return answer

    @operation("ListStateMachines")
    async def list(self, context: CallContext, request: t.ListStateMachinesInputTypeDef) -> Answer:
        limit = per_page(request.get("maxResults"))
        found = await self._store.list(
            StateMachine,
            context.account,
            context.region,
            after=position_of(request.get("nextToken")),
            limit=limit + 1,
        )
        shown, token = page(found, limit, _key)
        return {
            "stateMachines": [
                {"stateMachineArn": one.arn, "name": one.name, "type": one.type, "creationDate": one.created_at}
                for one in shown
            ],
            **token,
        }

    @operation("ValidateStateMachineDefinition")
    async def validate(self, context: CallContext, request: t.ValidateStateMachineDefinitionInputTypeDef) -> Answer:
        return validation_result(
            request["definition"],
            request.get("type", "STANDARD"),
            request.get("severity", "ERROR"),
            request.get("maxResults", 0),
        )

    async def _definition(self, digest: str) -> str:
        definition = await self._store.get(Definition, digest)
        return definition.text if definition is not None else ""


_UPDATABLE = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")


def _key(machine: StateMachine) -> tuple[str, str, str]:
    return machine.account, machine.region, machine.name


def _same(one: StateMachine, other: StateMachine) -> bool:
    """CreateStateMachine is idempotent where these agree; role and tags do not matter."""
    return all(
        getattr(one, field) == getattr(other, field) for field in ("digest", "type", "logging", "tracing", "encryption")
    )


def _put_tags(tx: Tx, machine: StateMachine, tags: dict[str, str]) -> None:
    if tags:
        tx.put(Tags(account=machine.account, region=machine.region, resource=machine.arn, tags=tags))


def _optional(shown: Any) -> Answer:
    answer: Answer = {}
    if shown.revision_id is not None:
        answer["revisionId"] = shown.revision_id
    answer["encryptionConfiguration"] = shown.encryption or {"type": "AWS_OWNED_KEY"}
    return answer


def _variables(definition: str) -> Answer:
    """`variableReferences`, where the definition has any."""
    found = variable_references(from_text(definition)) if "$" in definition else {}
    return {"variableReferences": found} if found else {}
