"""Templates: shown, summed up, validated."""

from __future__ import annotations

import json
from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.base.errors import NotImplementedYet
from forecourt.services.cloudformation.api.requests import Request, Requests, capabilities
from forecourt.services.cloudformation.errors import ValidationError
from forecourt.services.cloudformation.model import ChangeSet, Stack
from forecourt.services.cloudformation.store import StackStore, change_set_named
from forecourt.services.cloudformation.template import document, parameters, references, sections
from forecourt.services.cloudformation.template.parameters import as_text


class TemplatesApi:
    def __init__(self, stacks: StackStore, requests: Requests) -> None:
        self._stacks = stacks
        self._requests = requests

    @operation("GetTemplate")
    async def get_template(self, context: CallContext, request: Request) -> dict[str, Any]:
        found = await self._held(context, request)
        processed = request.get("TemplateStage") == "Processed"
        return {
            "TemplateBody": found.processed if processed else found.template,
            "StagesAvailable": ["Original", "Processed"],
        }

    async def _held(self, context: CallContext, request: Request) -> Stack | ChangeSet:
        """Raises `ValidationError` and `ChangeSetNotFoundException`."""
        name = request.get("StackName")
        change_set = request.get("ChangeSetName")
        if name is None:
            raise ValidationError("StackName is required.")
        stack = await self._stacks.require(context.account, context.region, name)
        if change_set is None:
            return stack
        return change_set_named(change_set, await self._stacks.change_sets(stack))

    @operation("GetTemplateSummary")
    async def get_template_summary(self, context: CallContext, request: Request) -> dict[str, Any]:
        if "StackName" in request:
            stack = await self._stacks.require(context.account, context.region, request["StackName"])
            text = stack.template
        else:
            text = await self._requests.template_text(context, request)
        body = document.parse(text)
        if not isinstance(body.get("Resources"), dict):
            raise ValidationError("Template format error: At least one Resources member must be defined.")
        found = _summed_up(body) | {
            "ResourceTypes": sorted({str(one.get("Type")) for one in body["Resources"].values()}),
            "Version": body.get("AWSTemplateFormatVersion", "2010-09-09"),
            "ResourceIdentifierSummaries": [],
        }
        if "Metadata" in body:
            found["Metadata"] = json.dumps(body["Metadata"])
        return found

    @operation("ValidateTemplate")
    async def validate_template(self, context: CallContext, request: Request) -> dict[str, Any]:
        body = document.parse(await self._requests.template_text(context, request))
        found = _summed_up(body)
        for one in found["Parameters"]:
            for name in ("ParameterType", "ParameterConstraints"):
                one.pop(name, None)
        return found

    @operation("EstimateTemplateCost")
    async def estimate_template_cost(self, context: CallContext, request: Request) -> dict[str, Any]:
        raise NotImplementedYet("Forecourt costs nothing by the hour and estimates no costs.")


def _summed_up(body: dict[str, Any]) -> dict[str, Any]:
    """What a template declares. One without transforms is checked. Raises `ValidationError`."""
    transforms = sections.declared_transforms(body)
    declared = body.get("Parameters") or {}
    parameters.check_declared(declared)
    found: dict[str, Any] = {"Parameters": [_parameter(name, one) for name, one in declared.items()]}
    needed: list[str] = []
    why: str | None = None
    if not transforms:
        template = sections.read(body)
        references.check(template)
        needed, why = capabilities(template)
    else:
        found["DeclaredTransforms"] = transforms
        needed = ["CAPABILITY_AUTO_EXPAND"]
        why = f"The following resource(s) require capabilities: [{', '.join(transforms)}]"
    if body.get("Description"):
        found["Description"] = body["Description"]
    if needed:
        found |= {"Capabilities": needed, "CapabilitiesReason": why}
    return found


def _parameter(name: str, declared: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ParameterKey": name,
        "ParameterType": declared["Type"],
        "NoEcho": parameters.is_no_echo(declared),
        "ParameterConstraints": {},
    }
    if "AllowedValues" in declared:
        found["ParameterConstraints"] = {"AllowedValues": [as_text(value) for value in declared["AllowedValues"]]}
    if "Default" in declared:
        found["DefaultValue"] = as_text(declared["Default"])
    if "Description" in declared:
        found["Description"] = declared["Description"]
    return found
