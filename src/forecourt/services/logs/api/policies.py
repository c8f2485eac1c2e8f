"""Resource policies of CloudWatch Logs, and the key that a group is encrypted with: kept and shown.

Forecourt's own services write their logs whatever a resource policy says; on AWS a policy lets other services in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.services.logs import requests
from forecourt.services.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from forecourt.services.logs.model import ResourcePolicy
from forecourt.services.logs.store import LogsStore
from forecourt.store import Tx, position
from forecourt.telemetry.log_store import GroupKey

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

_MOST_POLICIES = 10
_PAGE = 50


class PoliciesApi:
    def __init__(self, logs: LogsStore, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock

    @operation("PutResourcePolicy")
    async def put_resource_policy(
        self, context: CallContext, request: aws.PutResourcePolicyRequestTypeDef
    ) -> dict[str, Any]:
        policy = ResourcePolicy(
            account=context.account,
            region=context.region,
            name=request.get("policyName", ""),
            document=_document(request.get("policyDocument", "")),
            updated_ms=self._clock.now_ms(),
        )
        if not policy.name:
            raise InvalidParameterException("policyName is required.")

        def run(tx: Tx) -> None:
            others = [one for one in tx.list(ResourcePolicy, *policy.scope) if one.name != policy.name]
            if len(others) >= _MOST_POLICIES:
                raise LimitExceededException("Resource limit exceeded.")
            tx.put(policy)

        await self._logs.store.write(run)
        return {"resourcePolicy": _view(policy)}

    @operation("DescribeResourcePolicies")
    async def describe_resource_policies(
        self, context: CallContext, request: aws.DescribeResourcePoliciesRequestTypeDef
    ) -> dict[str, Any]:
        after, limit = requests.page_after(request.get("nextToken")), request.get("limit", _PAGE)
        found = await self._logs.store.list(
            ResourcePolicy, context.account, context.region, after=after, limit=limit + 1
        )
        page: dict[str, Any] = {"resourcePolicies": [_view(policy) for policy in found[:limit]]}
        return page | ({"nextToken": requests.page_token(position(found[limit - 1]))} if len(found) > limit else {})

    @operation("DeleteResourcePolicy")
    async def delete_resource_policy(
        self, context: CallContext, request: aws.DeleteResourcePolicyRequestTypeDef
    ) -> None:
        name = request.get("policyName", "")

        def run(tx: Tx) -> None:
            if not tx.delete(ResourcePolicy, context.account, context.region, name):
                raise ResourceNotFoundException(f"Policy with name [{name}] does not exist")

        await self._logs.store.write(run)

    @operation("AssociateKmsKey")
    async def associate_kms_key(self, context: CallContext, request: aws.AssociateKmsKeyRequestTypeDef) -> None:
        key = request["kmsKeyId"]
        await self._logs.change_group(_group(context, request), lambda group: setattr(group, "kms_key_id", key))

    @operation("DisassociateKmsKey")
    async def disassociate_kms_key(self, context: CallContext, request: aws.DisassociateKmsKeyRequestTypeDef) -> None:
        await self._logs.change_group(_group(context, request), lambda group: setattr(group, "kms_key_id", None))


def _group(context: CallContext, request: Any) -> GroupKey:
    """`resourceIdentifier` is a group's ARN here; on AWS it may be that of query results, too."""
    identifier = request.get("resourceIdentifier")
    return requests.key_of_arn(identifier) if identifier else requests.group_key(context, request)


def _document(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        raise InvalidParameterException("Invalid JSON policy document") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise InvalidParameterException("Invalid policy document: it has no Statement")
    return text


def _view(policy: ResourcePolicy) -> dict[str, Any]:
    return {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.updated_ms,
        "policyScope": "ACCOUNT",
    }
