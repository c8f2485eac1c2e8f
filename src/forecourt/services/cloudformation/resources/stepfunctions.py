"""AWS::StepFunctions::*: state machines, their versions and aliases, activities."""

from __future__ import annotations

import json
import re
from typing import Any

from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.definitions import object_text
from forecourt.services.cloudformation.resources.simple import Name, Simple
from forecourt.services.cloudformation.resources.tags import retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template import document
from forecourt.services.cloudformation.template.parameters import as_text

_S = "stepfunctions"
_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9_]+)\}")
_OWN = {"StateMachineName": "name", "StateMachineType": "type"}
_SOURCES = ("Definition", "DefinitionS3Location", "DefinitionString", "DefinitionSubstitutions")


class StateMachine:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("StateMachineName", 80).settle(work, properties)
        params = await self._parameters(work, "CreateStateMachine", given)
        found = await work.call(_S, "CreateStateMachine", **params)
        return await self._made(work, found["stateMachineArn"])

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        params = await self._parameters(work, "UpdateStateMachine", new)
        if "LoggingConfiguration" in old:
            params.setdefault("loggingConfiguration", {"level": "OFF"})
        if "TracingConfiguration" in old:
            params.setdefault("tracingConfiguration", {"enabled": False})
        await work.call(_S, "UpdateStateMachine", **{**params, "stateMachineArn": physical_id})
        await retag(work, _S, physical_id, old.get("Tags"), new.get("Tags"))
        return await self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "DeleteStateMachine", stateMachineArn=physical_id)

    async def _parameters(self, work: Work, operation: str, properties: Properties) -> dict[str, Any]:
        own = {_OWN.get(name, name): value for name, value in properties.items() if name not in _SOURCES}
        return {**shaped.parameters(_S, operation, own), "definition": await _definition(work, properties)}

    async def _made(self, work: Work, arn: str) -> Made:
        found = await work.call(_S, "DescribeStateMachine", stateMachineArn=arn)
        revision = found.get("revisionId") or "INITIAL"
        return Made(arn, {"Arn": arn, "Name": found["name"], "StateMachineRevisionId": revision})


async def _definition(work: Work, properties: Properties) -> str:
    """The machine's text, with what the template fills in. Raises `ResourceFailed`."""
    where = properties.get("DefinitionS3Location")
    if "DefinitionString" in properties:
        text = as_text(properties["DefinitionString"])
    elif "Definition" in properties:
        text = document.dump(properties["Definition"])
    elif where is not None:
        text = await object_text(work, where["Bucket"], where["Key"], where.get("Version"))
        if not text.lstrip().startswith("{"):
            text = document.dump(document.parse(text))
    else:
        raise ResourceFailed("A state machine needs a Definition, a DefinitionString or a DefinitionS3Location")
    given = properties.get("DefinitionSubstitutions") or {}
    return _SUBSTITUTION.sub(lambda found: _inside(given[found[1]]) if found[1] in given else found[0], text)


def _inside(value: Any) -> str:
    """As it stands between the quotes of a JSON text."""
    return json.dumps(as_text(value), ensure_ascii=False)[1:-1]


class Alias:
    async def create(self, work: Work, properties: Properties) -> Made:
        name = properties.get("Name") or work.name(80)
        found = await work.call(
            _S,
            "CreateStateMachineAlias",
            name=name,
            description=properties.get("Description"),
            routingConfiguration=_routing(properties),
        )
        return Made(found["stateMachineAliasArn"], {"Arn": found["stateMachineAliasArn"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        await work.call(
            _S,
            "UpdateStateMachineAlias",
            stateMachineAliasArn=physical_id,
            description=new.get("Description", ""),
            routingConfiguration=_routing(new),
        )
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "DeleteStateMachineAlias", stateMachineAliasArn=physical_id)


def _routing(properties: Properties) -> list[dict[str, Any]]:
    """Raises `ResourceFailed`."""
    preference = properties.get("DeploymentPreference")
    if preference is None:
        wanted = {"routingConfiguration": properties.get("RoutingConfiguration") or []}
        routes: list[dict[str, Any]] = shaped.parameters(_S, "CreateStateMachineAlias", wanted)["routingConfiguration"]
        return routes
    if preference.get("Type") != "ALL_AT_ONCE":
        raise ResourceFailed("Forecourt moves an alias at once: a gradual DeploymentPreference is not supported")
    return [{"stateMachineVersionArn": preference["StateMachineVersionArn"], "weight": 100}]


TYPES: dict[str, Handler] = {
    "AWS::StepFunctions::StateMachine": StateMachine(),
    "AWS::StepFunctions::StateMachineAlias": Alias(),
    "AWS::StepFunctions::StateMachineVersion": Simple(
        service=_S,
        makes="PublishStateMachineVersion",
        id="stateMachineVersionArn",
        deletes="DeleteStateMachineVersion",
        keys={"stateMachineVersionArn": "@"},
        attributes={"Arn": "@"},
        rename={"StateMachineRevisionId": "revisionId"},
    ),
    "AWS::StepFunctions::Activity": Simple(
        service=_S,
        makes="CreateActivity",
        id="activityArn",
        deletes="DeleteActivity",
        keys={"activityArn": "@"},
        attributes={"Arn": "@", "Name": ":Name"},
        tag_arn="@",
    ),
}
