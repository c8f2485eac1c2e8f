"""Policies of resources, looked at when they are given: refused in the words of the service that would keep them where
they cannot be read, else dated, since those whom they name are who they were then.

The embedded services take any text for a policy. One that cannot be read would deny everybody later, far from the
mistake.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from forecourt.auth.policy import Policy, PolicyInvalid, Request, compile_policy, context_of
from forecourt.auth.resources import holder_of, is_arn
from forecourt.base.call import CallContext, Demand
from forecourt.base.errors import RemoteError

Params = Mapping[str, Any]


class Given(NamedTuple):
    """Where an operation's parameters hold a policy, and how its service refuses it: code and words, in which `{}` is
    the fault."""

    policy: Callable[[Params], Any]
    code: str
    words: str


def _attribute(params: Params) -> Any:
    """SNS's SetTopicAttributes gives one attribute by name and value."""
    return params.get("AttributeValue") if params.get("AttributeName") == "Policy" else None


_SQS = Given(lambda params: (params.get("Attributes") or {}).get("Policy"), "InvalidAttributeValue",
             "Invalid value for the parameter Policy.")  # fmt: skip
_SNS = "Invalid parameter: Policy Error: {}"
_KMS = Given(lambda params: params.get("Policy"), "MalformedPolicyDocumentException", "{}")
_GIVEN: dict[tuple[str, str], Given] = {
    ("s3", "PutBucketPolicy"): Given(lambda params: params.get("Policy"), "MalformedPolicy", "{}"),
    ("sqs", "CreateQueue"): _SQS,
    ("sqs", "SetQueueAttributes"): _SQS,
    ("sns", "CreateTopic"): Given(_SQS.policy, "InvalidParameter", _SNS),
    ("sns", "SetTopicAttributes"): Given(_attribute, "InvalidParameter", _SNS),
    ("kms", "CreateKey"): _KMS,
    ("kms", "PutKeyPolicy"): _KMS,
    ("secretsmanager", "PutResourcePolicy"): Given(
        lambda params: params.get("ResourcePolicy"), "MalformedPolicyDocumentException",
        "This resource policy contains a syntax error. {}",
    ),
    ("dynamodb", "PutResourcePolicy"): Given(
        lambda params: params.get("Policy"), "ValidationException", "Invalid policy document: {}"
    ),
    ("dynamodb", "CreateTable"): Given(
        lambda params: params.get("ResourcePolicy"), "ValidationException", "Invalid policy document: {}"
    ),
    ("kinesis", "PutResourcePolicy"): Given(lambda params: params.get("Policy"), "InvalidArgumentException", "{}"),
    ("events", "PutPermission"): Given(lambda params: params.get("Policy"), "ValidationException", "{}"),
    ("events", "CreateEventBus"): Given(lambda params: params.get("Policy"), "ValidationException", "{}"),
}  # fmt: skip
_LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."


# Operations that give a single statement, and who it names.
_STATEMENTS = {
    ("lambda", "AddPermission"): "Principal",
    ("lambda", "AddLayerVersionPermission"): "Principal",
    ("kms", "CreateGrant"): "GranteePrincipal",
}


class Dates(Protocol):
    """IAM supplies it."""

    async def policy_given(self, resource: str, policy: str) -> None: ...

    async def statement_given(self, resource: str, principal: str) -> None: ...


# The first of some ARNs that is of a user or role whom there is not. IAM supplies it.
Unknown = Callable[[Iterable[str]], Awaitable[str | None]]


class StoredPolicies:
    """`unknown`: None where nothing is enforced, and whoever a policy names may come later."""

    operations = (*_GIVEN, *_STATEMENTS)

    def __init__(self, dates: Dates, unknown: Unknown | None = None) -> None:
        self._dates = dates
        self._unknown = unknown

    async def inspect(
        self, context: CallContext, service: str, operation: str, params: Params, demands: Sequence[Demand]
    ) -> None:
        """Raises the service's error."""
        resource = holder_of(demands[0].resource) if demands else ""
        if member := _STATEMENTS.get((service, operation)):
            principal = str(params.get(member) or "")
            if await self._missing([principal]):
                raise RemoteError(*_NOBODY[service])
            await self._dates.statement_given(resource, principal)
            return
        given = _GIVEN[service, operation]
        text = given.policy(params)
        # An empty text takes the policy away.
        if not text:
            return
        document = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        policy = _checked(context, service, given, document, params)
        if await self._missing(policy.principals):
            raise RemoteError(given.code, _NOBODY_IN.get(service) or given.words.format("Invalid principal in policy"))
        # A key has no ARN before it is made.
        if is_arn(resource):
            await self._dates.policy_given(resource, document)

    async def _missing(self, arns: Iterable[str]) -> str | None:
        return await self._unknown(arns) if self._unknown is not None else None


# What is said where a principal is named whom there is not.
_NOBODY = {
    "lambda": (
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
    ),
    "kms": ("InvalidArnException", "The grantee principal is not valid."),
}
_NOBODY_IN = {"kms": "Policy contains a statement with one or more invalid principals."}


def _checked(context: CallContext, service: str, given: Given, document: str, params: Params) -> Policy:
    try:
        policy = compile_policy(document, "resource")
        if service == "s3":
            _check_bucket(document, str(params.get("Bucket", "")))
    except PolicyInvalid as invalid:
        raise RemoteError(given.code, given.words.format(_S3_WORDS.get(str(invalid), invalid) if service == "s3"
                                                         else invalid)) from None  # fmt: skip
    if service == "kms" and not params.get("BypassPolicyLockoutSafetyCheck"):
        asked = Request("kms:PutKeyPolicy", "*", context_of({}), context.principal)
        if not policy.evaluate(asked).allowed:
            raise RemoteError("MalformedPolicyDocumentException", _LOCKED_OUT)
    return policy


_S3_WORDS = {
    "This policy contains invalid Json": "Policies must be valid JSON and the first byte must be '{'",
    "Syntax errors in policy.": "Invalid policy syntax.",
    "Policy statement must contain actions.": "Missing required field Action",
    "Policy statement must contain resources.": "Missing required field Resource",
}


def _check_bucket(document: str, bucket: str) -> None:
    """A bucket's policy is about that bucket."""
    statements = msgspec.json.decode(document)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        named = statement.get("Resource", statement.get("NotResource"))
        for resource in [named] if isinstance(named, str) else named:
            about = resource.partition(":::")[2].partition("/")[0]
            if not resource.startswith("arn:aws:s3:::") or not _covers(about, bucket):
                raise PolicyInvalid("Policy has invalid resource")


def _covers(pattern: str, bucket: str) -> bool:
    head = pattern.partition("*")[0].partition("?")[0].partition("${")[0]
    return pattern == bucket or (head != pattern and bucket.startswith(head))
