"""AWS::Serverless-2016-10-31, by the library that AWS itself runs: aws-sam-translator.

It keeps the region in a variable of a class, so one template at a time; and in a thread, since a large one takes its
time. It would ask AWS for applications of the Serverless Application Repository: those are refused first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.errors import ValidationError


class _Session:
    """What the library wants of boto3: where it is."""

    def __init__(self, region: str) -> None:
        self.region_name = region


class Sam:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._turn = asyncio.Lock()

    async def translated(
        self, context: CallContext, body: dict[str, Any], parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Raises `ValidationError`."""
        for name, resource in (body.get("Resources") or {}).items():
            properties = resource.get("Properties") if isinstance(resource, dict) else None
            if isinstance(properties, dict) and isinstance(properties.get("Location"), dict):
                raise ValidationError(
                    f"Resource with id [{name}] is invalid. Forecourt has no Serverless Application Repository: "
                    "Location has to be the address of a template."
                )
        policies = await self._managed_policies(context)
        # Copied, since the library writes into what it is given.
        template = json.loads(json.dumps(body))
        async with self._turn:
            found = await asyncio.to_thread(_translate, template, dict(parameters), policies, context.region)
        plain: dict[str, Any] = json.loads(json.dumps(found))
        return plain

    async def _managed_policies(self, context: CallContext) -> dict[str, str]:
        """AWS's own, by name, where the caller may see them."""
        found: dict[str, str] = {}
        marker: dict[str, Any] = {}
        try:
            while True:
                page = await self._caller.call(context, "iam", "ListPolicies", {"Scope": "AWS", **marker})
                found |= {policy["PolicyName"]: policy["Arn"] for policy in page["Policies"]}
                if not page.get("IsTruncated"):
                    return found
                marker = {"Marker": page["Marker"]}
        except ServiceError:
            return found


def _translate(
    template: dict[str, Any], parameters: dict[str, Any], policies: dict[str, str], region: str
) -> dict[str, Any]:
    # Imported when first asked for: it takes half a second, and most stacks need none of it.
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    translator = Translator(None, Parser(), boto_session=_Session(region))
    try:
        found: dict[str, Any] = translator.translate(
            template, parameter_values=parameters, get_managed_policy_map=lambda: policies
        )
    except InvalidDocumentException as error:
        causes = " ".join(cause.message for cause in error.causes)
        raise ValidationError(f"{error.message} {causes}".strip()) from error
    return found
