"""What requests have in common: a template from a body or an address, parameters, capabilities, tags."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import NotImplementedYet, ServiceError
from forecourt.base.ports import RoleSessions
from forecourt.services.cloudformation.errors import InsufficientCapabilitiesException, ValidationError
from forecourt.services.cloudformation.macros import Macros
from forecourt.services.cloudformation.model import Stack
from forecourt.services.cloudformation.run.runner import PRINCIPAL
from forecourt.services.cloudformation.store import StackStore
from forecourt.services.cloudformation.template import document, parameters, references, rules, sections
from forecourt.services.cloudformation.template.parameters import Given, Value
from forecourt.services.cloudformation.template.scope import StackScope, pseudo_parameters

Request = Mapping[str, Any]

_STACK_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,127}")
_BUCKET_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-]")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-template.html#using-iam-capabilities
_IAM_TYPES = frozenset(
    (
        "AWS::IAM::AccessKey", "AWS::IAM::Group", "AWS::IAM::GroupPolicy", "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::IAM::RolePolicy", "AWS::IAM::User",
        "AWS::IAM::UserPolicy", "AWS::IAM::UserToGroupAddition",
    )
)  # fmt: skip
_NAMES = ("RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName")
_UNSUPPORTED = {
    "ResourceTypes": "Forecourt does not limit a template's resource types: ResourceTypes is refused.",
    "ResourcesToImport": "Forecourt does not import resources into stacks: ResourcesToImport is refused.",
    "DeploymentMode": "Forecourt does not look for drift: DeploymentMode is refused.",
    "ForceRollback": "Forecourt does not force a rollback: use ResourcesToSkip.",
}


class Prepared(msgspec.Struct, frozen=True):
    """A template with what was given to it: ready to be deployed."""

    text: str
    processed: str
    template: sections.Template
    parameters: dict[str, Value]


class Requests:
    def __init__(self, stacks: StackStore, caller: Caller, macros: Macros, roles: RoleSessions) -> None:
        self._stacks = stacks
        self._caller = caller
        self._macros = macros
        self._roles = roles

    async def template_text(self, context: CallContext, request: Request, stack: Stack | None = None) -> str:
        """Raises `ValidationError`."""
        if request.get("UsePreviousTemplate"):
            if stack is None or not stack.template:
                raise ValidationError("UsePreviousTemplate can't be used: there is no previous template.")
            return stack.template
        body, url = request.get("TemplateBody"), request.get("TemplateURL")
        if (body is None) == (url is None):
            raise ValidationError("Either Template URL or Template Body must be specified.")
        if body is not None:
            if len(body.encode()) > document.BODY_BYTES:
                raise ValidationError(
                    f"1 validation error detected: Value '{body[:32]}...' at 'templateBody' failed to satisfy "
                    f"constraint: Member must have length less than or equal to {document.BODY_BYTES}"
                )
            return str(body)
        return await self.fetched(context, str(url))

    async def fetched(self, context: CallContext, url: str) -> str:
        """From a bucket, as the caller. Raises `ValidationError`."""
        bucket, key = bucket_of(url)
        try:
            answer = await self._caller.call(context, "s3", "GetObject", {"Bucket": bucket, "Key": key})
        except ServiceError as error:
            raise ValidationError(f"S3 error: {error.message or error.code}") from error
        data: bytes = await _bytes(answer["Body"])
        if len(data) > document.URL_BYTES:
            raise ValidationError(f"Template may not exceed {document.URL_BYTES} bytes in size.")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ValidationError("Template format error: the template is not UTF-8") from None

    async def prepare(
        self,
        context: CallContext,
        request: Request,
        text: str,
        stack_name: str,
        stack_id: str,
        previous: Stack | None = None,
    ) -> Prepared:
        """Parses, runs the transforms, settles the parameters and checks everything that AWS checks at once.

        Raises `ValidationError` and `InsufficientCapabilitiesException`.
        """
        # A large one takes a while to read.
        body = await asyncio.to_thread(document.parse, text)
        known = self._stacks.parameters(previous.parameters) if previous is not None else {}
        given = given_parameters(request.get("Parameters") or ())
        raw: Any = body.get("Parameters")
        declared = raw if isinstance(raw, dict) else {}
        chosen = {name: _hinted(one, given.get(name), known.get(name)) for name, one in declared.items()}
        processed = await self._macros.expand(
            context, body, {name: value for name, value in chosen.items() if value is not None}
        )
        template = sections.read(processed)
        parameters.check_declared(template.parameters)
        await asyncio.to_thread(references.check, template)
        settled = parameters.settle(template.parameters, given, {name: value.given for name, value in known.items()})
        from_store = await self._from_store(context, template.parameters, settled)
        values = parameters.values(template.parameters, settled, from_store)
        topics = list(request.get("NotificationARNs") or (previous.topics if previous is not None else ()))
        pseudo = pseudo_parameters(context.account, context.region, stack_id, stack_name, topics)
        scope = StackScope(template, values, pseudo)
        for name in template.conditions:
            scope.condition(name)
        references.check_present(template, scope.present(), scope.condition)
        problem = rules.broken(template.rules, scope)
        if problem is not None:
            raise ValidationError(problem)
        _check_capabilities(template, set(request.get("Capabilities") or ()))
        return Prepared(text, document.dump(processed), template, values)

    async def _from_store(
        self, context: CallContext, declared: Mapping[str, Any], settled: Mapping[str, str]
    ) -> dict[str, str]:
        found = {}
        for name, text in settled.items():
            if not parameters.ssm_name_of(declared[name]):
                continue
            try:
                answer = await self._caller.call(context, "ssm", "GetParameter", {"Name": text})
            except ServiceError as error:
                raise ValidationError(
                    f"Unable to fetch parameters [{text}] from parameter store for this account."
                ) from error
            found[name] = str(answer["Parameter"]["Value"])
        return found

    async def check_role(self, context: CallContext, role_arn: str | None) -> None:
        """Raises `ValidationError` where CloudFormation may not act as the role."""
        if role_arn is None:
            return
        try:
            await self._roles.principal(
                role_arn, "AWSCloudFormation", PRINCIPAL, {"aws:SourceAccount": context.account}
            )
        except ServiceError as error:
            raise ValidationError(f"Role {role_arn} is invalid or cannot be assumed") from error


def refuse_unsupported(request: Request) -> None:
    """Raises `NotImplementedYet` for what a stack's operation would not heed."""
    for name, why in _UNSUPPORTED.items():
        if request.get(name):
            raise NotImplementedYet(why)
    if any((request.get("RollbackConfiguration") or {}).values()):
        raise NotImplementedYet(
            "Forecourt watches no alarms while a stack is deployed, nor after it: RollbackConfiguration is refused."
        )
    config = request.get("DeploymentConfig") or {}
    if config.get("Mode", "STANDARD") != "STANDARD" or config.get("DisableRollback"):
        raise NotImplementedYet("Forecourt deploys in its one way: DeploymentConfig is refused.")


def check_stack_name(name: str) -> None:
    """Raises `ValidationError`."""
    if not _STACK_NAME.fullmatch(name):
        raise ValidationError(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )


def given_parameters(given: Sequence[Mapping[str, Any]]) -> dict[str, Given]:
    return {
        str(one.get("ParameterKey")): Given(one.get("ParameterValue"), bool(one.get("UsePreviousValue")))
        for one in given
    }


def tags_of(request: Request) -> dict[str, str]:
    """Raises `ValidationError`."""
    found = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    if any(key.startswith("aws:") for key in found):
        raise ValidationError("Tag keys that start with aws: are reserved")
    return found


def bucket_of(url: str) -> tuple[str, str]:
    """Bucket and key of an address of S3's, by host or by path. Raises `ValidationError`."""
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path.lstrip("/"))
    if parts.scheme == "s3":
        return host, path
    named = _BUCKET_HOST.match(host)
    bucket, key = (named["bucket"], path) if named is not None else (path.partition("/")[0], path.partition("/")[2])
    if parts.scheme not in ("http", "https") or not bucket or not key:
        raise ValidationError("TemplateURL must be a supported URL.")
    return bucket, key


async def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    found: bytes = body.read()
    return found


def _hinted(declared: Any, given: Given | None, known: Value | None) -> Any:
    """A parameter's value as far as a transform may need it: given, kept, or the default."""
    if given is not None and given.value is not None:
        return given.value
    if given is not None and given.previous and known is not None:
        return known.given
    return declared.get("Default") if isinstance(declared, dict) else None


async def check_expansion(text: str, request: Request) -> None:
    """A template that transforms change, and that no change set shows first, has to be asked for. Raises
    `InsufficientCapabilitiesException`."""
    expands = "CAPABILITY_AUTO_EXPAND" in set(request.get("Capabilities") or ())
    if not expands and sections.declared_transforms(await asyncio.to_thread(document.parse, text)):
        raise InsufficientCapabilitiesException("Requires capabilities : [CAPABILITY_AUTO_EXPAND]")


def _check_capabilities(template: sections.Template, given: set[str]) -> None:
    needed, _ = capabilities(template)
    if "CAPABILITY_NAMED_IAM" in needed and "CAPABILITY_NAMED_IAM" not in given:
        raise InsufficientCapabilitiesException("Requires capabilities : [CAPABILITY_NAMED_IAM]")
    if "CAPABILITY_IAM" in needed and not given & {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}:
        raise InsufficientCapabilitiesException("Requires capabilities : [CAPABILITY_IAM]")


def capabilities(template: sections.Template) -> tuple[list[str], str | None]:
    """What a caller has to acknowledge, and why."""
    found = {name: resource for name, resource in template.resources.items() if resource.type in _IAM_TYPES}
    if not found:
        return [], None
    named = any(name in resource.properties for resource in found.values() for name in _NAMES)
    why = f"The following resource(s) require capabilities: [{', '.join(sorted({r.type for r in found.values()}))}]"
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], why
