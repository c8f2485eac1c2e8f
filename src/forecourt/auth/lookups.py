"""What of a demand only the owning service can tell: a table's partition key, a secret's whole ARN, resource policies.

Asked through the `Caller` port as the account's root, and only when a policy can make a difference.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from forecourt.auth.actions.dynamodb import ACCESS, UNKNOWN_KEY, leading_keys
from forecourt.auth.authorize import PolicyAuthorizer, Unfinished
from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.base.principal import root

_FUNCTION_POLICY_SECONDS = 1.0
_REMEMBERED = 10_000


class Lookups:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._functions: dict[str, tuple[float, str | None]] = {}

    def register(self, authorizer: PolicyAuthorizer) -> None:
        authorizer.register_finish("dynamodb", self.leading_keys)
        authorizer.register_finish("secretsmanager", self.secret_arn)
        authorizer.register_resource_policy("lambda", self.function_policy)
        authorizer.register_resource_policy("sqs", self.queue_policy)
        authorizer.register_resource_policy("sns", self.topic_policy)
        authorizer.register_resource_policy("s3", self.bucket_policy)
        authorizer.register_resource_policy("secretsmanager", self.secret_policy)

    # --- Demands ---

    async def leading_keys(self, demand: Unfinished) -> tuple[str, Mapping[str, Any]]:
        access = demand.conditions.get(ACCESS)
        if access is None:
            return demand.resource, {}
        table, _, index = demand.resource.partition("/index/")
        found = await self._ask(Arn.parse(table), "dynamodb", "DescribeTable", TableName=table.partition(":table/")[2])
        key = _partition_key(found.get("Table") or {}, index)
        return demand.resource, {"dynamodb:LeadingKeys": leading_keys(access, key) if key else (UNKNOWN_KEY,)}

    async def secret_arn(self, demand: Unfinished) -> tuple[str, Mapping[str, Any]]:
        """A secret may be called by its name; its ARN ends in six random letters that policies stand in for."""
        name = demand.resource.partition(":secret:")[2]
        if not name:
            return demand.resource, {}
        found = await self._ask(Arn.parse(demand.resource), "secretsmanager", "DescribeSecret", SecretId=name)
        tags = {
            f"{prefix}:ResourceTag/{tag['Key']}": tag["Value"]
            for tag in found.get("Tags") or ()
            for prefix in ("aws", "secretsmanager")
        }
        return found.get("ARN") or demand.resource, tags

    # --- Policies of resources ---

    async def queue_policy(self, arn: str, account: str) -> str | None:
        queue = Arn.parse(arn)
        url = await self._ask(queue, "sqs", "GetQueueUrl", QueueName=queue.resource)
        if "QueueUrl" not in url:
            return None
        found = await self._ask(queue, "sqs", "GetQueueAttributes", QueueUrl=url["QueueUrl"], AttributeNames=["Policy"])
        return (found.get("Attributes") or {}).get("Policy")

    async def topic_policy(self, arn: str, account: str) -> str | None:
        topic = Arn.parse(arn)
        if topic.resource.startswith("app/"):
            return None
        found = await self._ask(topic, "sns", "GetTopicAttributes", TopicArn=arn)
        return (found.get("Attributes") or {}).get("Policy")

    async def bucket_policy(self, arn: str, account: str) -> str | None:
        bucket = Arn.parse(arn)._replace(account=account)
        found = await self._ask(bucket, "s3", "GetBucketPolicy", Bucket=bucket.resource.partition("/")[0])
        policy = found.get("Policy")
        return policy.decode() if isinstance(policy, bytes) else policy

    async def secret_policy(self, arn: str, account: str) -> str | None:
        found = await self._ask(Arn.parse(arn), "secretsmanager", "GetResourcePolicy", SecretId=arn)
        return found.get("ResourcePolicy")

    async def function_policy(self, arn: str, account: str) -> str | None:
        """Every invocation that a service makes asks for it, so it may be a second old."""
        now = time.monotonic()
        known = self._functions.get(arn)
        if known is not None and known[0] > now:
            return known[1]
        function = Arn.parse(arn)
        if not function.resource.startswith("function:"):
            return None
        name, _, qualifier = function.resource.removeprefix("function:").partition(":")
        params = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
        found = (await self._ask(function, "lambda", "GetPolicy", **params)).get("Policy")
        if len(self._functions) >= _REMEMBERED:
            self._functions.clear()
        self._functions[arn] = (now + _FUNCTION_POLICY_SECONDS, found)
        return found

    async def _ask(self, about: Arn, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Empty where there is no such resource: the call itself will say so."""
        principal = root(about.account) if about.account else root()
        context = CallContext(principal=principal, region=about.region or "us-east-1", request_id="")
        try:
            return await self._caller.call(context, service, operation, params)
        except ServiceError:
            return {}


def _partition_key(table: Mapping[str, Any], index: str) -> str:
    indexes = [*(table.get("GlobalSecondaryIndexes") or ()), *(table.get("LocalSecondaryIndexes") or ())]
    holder = next((found for found in indexes if found.get("IndexName") == index), {}) if index else table
    keys = holder.get("KeySchema") or ()
    return next((str(key["AttributeName"]) for key in keys if key.get("KeyType") == "HASH"), "")
