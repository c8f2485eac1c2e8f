"""CloudFormation's own types: nested stacks, custom resources, wait conditions, and what only notes something."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources.work import PARENT, Handler, Made, Properties, Waits, Work
from forecourt.services.cloudformation.template.document import dump
from forecourt.services.cloudformation.template.parameters import as_text

# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
_TIMEOUT_SECONDS = 3600
_WELL = {"create": "CREATE_COMPLETE", "update": "UPDATE_COMPLETE", "delete": "DELETE_COMPLETE"}
_ALL = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class NestedStack:
    """Called back through CloudFormation's own operations, as whoever deploys the parent."""

    async def create(self, work: Work, properties: Properties) -> Made:
        name = work.name(128)
        conditions = {**work.context.conditions, PARENT: work.stack_id}
        inside = msgspec.structs.replace(work, context=msgspec.structs.replace(work.context, conditions=conditions))
        try:
            found = await inside.call(
                "cloudformation",
                "CreateStack",
                **_stack_request(work, properties),
                StackName=name,
                DisableRollback=False,
                ClientRequestToken=work.token,
                TimeoutInMinutes=properties.get("TimeoutInMinutes"),
            )
        except ServiceError as error:
            raise ResourceFailed(error.message) from error
        return await self._settled(work, "create", found["StackId"])

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        try:
            await work.call("cloudformation", "UpdateStack", StackName=physical_id, **_stack_request(work, new))
        except ServiceError as error:
            if "No updates are to be performed" not in error.message:
                raise ResourceFailed(error.message) from error
            return await self._settled(work, "", physical_id)
        return await self._settled(work, "update", physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.call("cloudformation", "DeleteStack", StackName=physical_id)
        await self._settled(work, "delete", physical_id)

    async def _settled(self, work: Work, verb: str, stack_id: str) -> Made:
        found = await work.ports.nested.settled(stack_id)
        if verb and found["status"] != _WELL[verb]:
            if verb == "create":
                await work.call("cloudformation", "DeleteStack", StackName=stack_id)
                await work.ports.nested.settled(stack_id)
            raise ResourceFailed(f"Embedded stack {stack_id} was not successfully {verb}d: {found['reason'] or ''}")
        return Made(stack_id, {f"Outputs.{name}": value for name, value in found["outputs"].items()})


def _stack_request(work: Work, properties: Properties) -> dict[str, Any]:
    given = properties.get("Parameters") or {}
    parameters = [
        {
            "ParameterKey": name,
            "ParameterValue": ",".join(map(as_text, value)) if isinstance(value, list) else as_text(value),
        }
        for name, value in given.items()
    ]
    topics = properties.get("NotificationARNs") or list(work.topics)
    found: dict[str, Any] = {
        "TemplateURL": properties["TemplateURL"],
        "Parameters": parameters,
        "Capabilities": _ALL,
        "Tags": list(properties.get("Tags") or ()),
    }
    if work.role_arn is not None:
        found["RoleARN"] = work.role_arn
    return found | ({"NotificationARNs": topics} if topics else {})


class CustomResource(Waits):
    """A function, or a topic's subscriber, is told what to do, and answers at the address that it is given."""

    def __init__(self) -> None:
        # Those under way: a function may go on after it has answered.
        self._invocations: set[asyncio.Future[str | None]] = set()

    async def create(self, work: Work, properties: Properties) -> Made:
        return await self._ask(work, "Create", properties)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        more = {"PhysicalResourceId": physical_id, "OldResourceProperties": _given(old)}
        return await self._ask(work, "Update", new, more)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await self._ask(work, "Delete", properties, {"PhysicalResourceId": physical_id})

    async def _ask(self, work: Work, kind: str, properties: Properties, more: dict[str, Any] | None = None) -> Made:
        service = as_text(properties.get("ServiceToken", ""))
        request_id = work.ports.ids.uuid()
        event = {
            "RequestType": kind,
            "ServiceToken": service,
            "ResponseURL": work.ports.signals.url(work.context.public_url, request_id),
            "StackId": work.stack_id,
            "RequestId": request_id,
            "LogicalResourceId": work.logical_id,
            "ResourceType": work.type,
            "ResourceProperties": _given(properties),
            **(more or {}),
        }
        seconds = float(properties.get("ServiceTimeout", _TIMEOUT_SECONDS))
        waiting = asyncio.ensure_future(work.ports.signals.wait(request_id, 1, seconds))
        try:
            await self._tell(work, service, event, waiting)
            answers = await waiting
        finally:
            waiting.cancel()
        await work.ports.signals.forget(request_id)
        if not answers:
            raise ResourceFailed(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs for "
                f"requestId [{request_id}]."
            )
        return _answered(answers[0], (more or {}).get("PhysicalResourceId"), request_id)

    async def _tell(self, work: Work, service: str, event: dict[str, Any], waiting: asyncio.Future[Any]) -> None:
        """Raises `ResourceFailed` where there is nobody to ask, or a function that fails without an answer.

        AWS invokes the function asynchronously, and waits for an hour for one that failed.
        """
        if ":sns:" in service:
            subject = "AWS CloudFormation custom resource request"
            try:
                await work.call("sns", "Publish", TopicArn=service, Subject=subject, Message=dump(event))
            except ServiceError as error:
                raise ResourceFailed(f"Failed to publish to {service}: {error.message}") from error
            return
        if ":lambda:" not in service:
            raise ResourceFailed(f"Invalid service token {service}: it names no function and no topic.")
        invocation = asyncio.ensure_future(self._invoke(work, service, event))
        self._invocations.add(invocation)
        invocation.add_done_callback(self._invocations.discard)
        await asyncio.wait({invocation, waiting}, return_when=asyncio.FIRST_COMPLETED)
        failure = invocation.result() if invocation.done() else None
        # The answer may be sent just before the function fails.
        if failure is not None and not await work.ports.signals.wait(event["RequestId"], 1, 0):
            raise ResourceFailed(failure)

    async def _invoke(self, work: Work, service: str, event: dict[str, Any]) -> str | None:
        """What went wrong, if anything did."""
        try:
            found = await work.call("lambda", "Invoke", FunctionName=service, Payload=dump(event).encode())
        except ServiceError as error:
            return f"Failed to invoke {service}: {error.message}"
        if "FunctionError" not in found:
            return None
        payload = found.get("Payload", b"")
        data: bytes = payload if isinstance(payload, bytes) else payload.read()
        return f"The function {service} failed without an answer: {data.decode(errors='replace')[:1000]}"


def _given(properties: Properties) -> Any:
    """Properties as a custom resource gets them: every scalar is text."""

    def spelt(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: spelt(item) for name, item in value.items()}
        if isinstance(value, list):
            return [spelt(item) for item in value]
        return as_text(value) if value is not None else value

    return spelt({name: value for name, value in properties.items() if name != "ServiceTimeout"})


def _answered(answer: dict[str, Any], known: str | None, request_id: str) -> Made:
    """Raises `ResourceFailed`."""
    reason = answer.get("Reason") or "Custom resource failed"
    if answer.get("Status") == "FAILED":
        raise ResourceFailed(f"Received response status [FAILED] from custom resource. Message returned: {reason}")
    if answer.get("Status") != "SUCCESS":
        raise ResourceFailed("Invalid response status: it must be SUCCESS or FAILED")
    physical_id = answer.get("PhysicalResourceId") or known
    if not physical_id:
        raise ResourceFailed(f"Invalid PhysicalResourceId (RequestId: {request_id})")
    data = answer.get("Data")
    return Made(str(physical_id), data if isinstance(data, dict) else {})


class WaitConditionHandle:
    """Its physical id is an address; whoever puts something there releases the wait condition."""

    async def create(self, work: Work, properties: Properties) -> Made:
        url = work.ports.signals.url(work.context.public_url, f"wait/{work.token}")
        return Made(url, {"Id": url})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        request = work.ports.signals.request_of(physical_id)
        if request is not None:
            await work.ports.signals.forget(request)


class WaitCondition(Waits):
    async def create(self, work: Work, properties: Properties) -> Made:
        if "Handle" not in properties:
            raise ResourceFailed("A wait condition needs a Handle, and a Timeout")
        request = work.ports.signals.request_of(properties["Handle"])
        if request is None:
            raise ResourceFailed("The Handle is no address of a WaitConditionHandle")
        count, seconds = int(properties.get("Count", 1)), float(properties.get("Timeout", 0))
        signals = await work.ports.signals.wait(request, count, seconds)
        failed = next((signal for signal in signals if signal.get("Status") == "FAILURE"), None)
        if failed is not None:
            reason, unique = failed.get("Reason"), failed.get("UniqueId")
            raise ResourceFailed(f"WaitCondition received failed message: '{reason}' for uniqueId: {unique}")
        if len(signals) < count:
            raise ResourceFailed(f"WaitCondition timed out. Received {len(signals)} conditions when expecting {count}")
        data = {str(signal.get("UniqueId", "")): signal.get("Data", "") for signal in signals}
        return Made(work.name(64), {"Data": json.dumps(data, separators=(",", ":"))})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        return None


class Note:
    """AWS::CDK::Metadata: says what made the template. There is nothing to make."""

    async def create(self, work: Work, properties: Properties) -> Made:
        return Made(work.name(64), {})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        return None


TYPES: dict[str, Handler] = {
    "AWS::CDK::Metadata": Note(),
    "AWS::CloudFormation::CustomResource": CustomResource(),
    "AWS::CloudFormation::Stack": NestedStack(),
    "AWS::CloudFormation::WaitCondition": WaitCondition(),
    "AWS::CloudFormation::WaitConditionHandle": WaitConditionHandle(),
}
