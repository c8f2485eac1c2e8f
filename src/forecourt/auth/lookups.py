"""What of a demand only the owning service can tell: a table's partition key, a secret's whole ARN, a resource's policy
and account.

Asked through the `Caller` port as the account's root, and only when a policy can make a difference. Answers are
remembered until the service is called with anything that may change them (`changed`, which the dispatcher tells), and
for a few seconds at most, since a remote endpoint may be changed by others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from forecourt.auth.actions.dynamodb import ACCESS, UNKNOWN_KEY, leading_keys
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.resource_tags import ResourceTags
from forecourt.auth.supplies import Owned, Unfinished
from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.base.principal import root

_SECONDS = 5.0
_REMEMBERED = 10_000
_ALIASES = 100
# The owner of a bucket that the caller's account does not have. Which one it is makes no difference.
_ANOTHER_ACCOUNT = "another"

# What is called often and changes neither policy, owner, key, tag nor name. Reads need not be here.
_HARMLESS = {
    "lambda": ("Invoke",),
    "sqs": ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "PurgeQueue"),
    "sns": ("Publish", "Subscribe", "Unsubscribe", "ConfirmSubscription"),
    "s3": ("PutObject", "DeleteObject", "CopyObject", "UploadPart", "CompleteMultipartUpload", "CreateMultipartUpload"),
    "secretsmanager": ("PutSecretValue", "BatchGetSecretValue"),
    "dynamodb": ("PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "Batch", "Transact", "Execute"),
    "kinesis": ("PutRecord", "SubscribeToShard", "Merge", "Split"),
    "events": ("PutEvents", "PutTargets"),
    "kms": ("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "Sign", "Verify"),
}
# Goes with every upload, and is asked for each time.
_OF_OBJECTS = frozenset({"HeadObject", "GetObjectTagging", "GetObjectAcl"})
_READS = ("Get", "List", "Describe", "Head")


class Lookups:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._answers: dict[str, dict[tuple[Any, ...], tuple[float, dict[str, Any]]]] = {name: {} for name in _HARMLESS}

    def register(self, authorizer: PolicyAuthorizer) -> None:
        authorizer.register_tags(ResourceTags(self.ask).of)
        authorizer.register_finish("dynamodb", self.leading_keys)
        authorizer.register_finish("secretsmanager", self.secret_arn)
        authorizer.register_finish("kms", self.key_arn)
        authorizer.register_resource_policy("lambda", self.function_policy)
        authorizer.register_resource_policy("sqs", self.queue_policy)
        authorizer.register_resource_policy("sns", self.topic_policy)
        authorizer.register_resource_policy("s3", self.bucket_policy)
        authorizer.register_resource_policy("secretsmanager", self.secret_policy)
        authorizer.register_resource_policy("dynamodb", self.table_policy)
        authorizer.register_resource_policy("kinesis", self.stream_policy)
        authorizer.register_resource_policy("events", self.bus_policy)
        authorizer.register_resource_policy("kms", self.key_policy)

    def changed(self, service: str, operation: str) -> None:
        """The operation was carried out, or failed half-way."""
        if service in _HARMLESS and not operation.startswith((*_READS, *_HARMLESS[service])):
            # Not emptied: what is asked for at this moment must not be remembered either.
            self._answers[service] = {}

    def forget(self) -> None:
        self._answers = {name: {} for name in _HARMLESS}

    # --- Demands ---

    async def leading_keys(self, demand: Unfinished) -> tuple[str, Mapping[str, Any]]:
        access = demand.conditions.get(ACCESS)
        if access is None:
            return demand.resource, {}
        table, _, index = demand.resource.partition("/index/")
        found = await self.ask(Arn.parse(table), "dynamodb", "DescribeTable", TableName=table.partition(":table/")[2])
        key = _partition_key(found.get("Table") or {}, index)
        keys = leading_keys(access, key) if key else (UNKNOWN_KEY,)
        scan = {"dynamodb:FullTableScan": str(keys == (UNKNOWN_KEY,)).lower()} if "PartiQL" in access else {}
        return demand.resource, {"dynamodb:LeadingKeys": keys, **scan}

    async def secret_arn(self, demand: Unfinished) -> tuple[str, Mapping[str, Any]]:
        """A secret may be called by its name; its ARN ends in six random letters that policies stand in for."""
        name = demand.resource.partition(":secret:")[2]
        if not name:
            return demand.resource, {}
        found = await self.ask(Arn.parse(demand.resource), "secretsmanager", "DescribeSecret", SecretId=name)
        return found.get("ARN") or demand.resource, {}

    async def key_arn(self, demand: Unfinished) -> tuple[str, Mapping[str, Any]]:
        """A key may be called by an alias; policies name the key."""
        alias = demand.resource.rpartition(":")[2]
        if not alias.startswith("alias/") or demand.action.endswith("Alias"):
            return demand.resource, {}
        arn = Arn.parse(demand.resource)
        # Not DescribeKey, which moto refuses as soon as the key's policy denies anybody kms:*
        found = await self.ask(arn, "kms", "ListAliases", Limit=_ALIASES)
        named = (entry.get("TargetKeyId") for entry in found.get("Aliases") or () if entry["AliasName"] == alias)
        key = next(named, None)
        return (str(arn._replace(resource=f"key/{key}")) if key else demand.resource), {}

    # --- Policies of resources ---

    async def queue_policy(self, demand: Unfinished) -> Owned:
        queue = Arn.parse(demand.resource)
        url = await self.ask(queue, "sqs", "GetQueueUrl", QueueName=queue.resource)
        if "QueueUrl" not in url:
            return Owned()
        found = await self.ask(queue, "sqs", "GetQueueAttributes", QueueUrl=url["QueueUrl"], AttributeNames=["Policy"])
        return Owned((found.get("Attributes") or {}).get("Policy"))

    async def topic_policy(self, demand: Unfinished) -> Owned:
        topic = Arn.parse(demand.resource)
        if topic.resource.startswith("app/"):
            return Owned()
        found = await self.ask(topic, "sns", "GetTopicAttributes", TopicArn=demand.resource)
        return Owned((found.get("Attributes") or {}).get("Policy"))

    async def bucket_policy(self, demand: Unfinished) -> Owned:
        """A bucket's ARN names no account: it is the caller's, or of another, or there is none yet."""
        if demand.action == "s3:CreateBucket":
            return Owned()
        bucket = Arn.parse(demand.resource)._replace(account=demand.principal.account)
        name = bucket.resource.partition("/")[0]
        found = await self.ask(bucket, "s3", "GetBucketPolicy", Bucket=name)
        policy = found.get("Policy")
        text = given = policy.decode() if isinstance(policy, bytes) else policy
        account = await self._bucket_account(bucket, name)
        if demand.principal.kind == "anonymous" or account:
            text = with_statements(given, await self._public_grants(bucket, demand))
        return Owned(text, account, given=given)

    async def _public_grants(self, bucket: Arn, demand: Unfinished) -> list[dict[str, Any]]:
        """What the bucket's or the object's access control list gives to everybody.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
        """
        name, _, key = bucket.resource.partition("/")
        block = await self.ask(bucket, "s3", "GetPublicAccessBlock", Bucket=name)
        if (block.get("PublicAccessBlockConfiguration") or {}).get("IgnorePublicAcls"):
            return []
        by_object = await self.ask(bucket, "s3", "GetObjectAcl", Bucket=name, Key=key) if key else {}
        by_bucket = await self.ask(bucket, "s3", "GetBucketAcl", Bucket=name)
        actions = [*_public(by_object, _OBJECT_ACL), *_public(by_bucket, _BUCKET_ACL)]
        resource = demand.resource
        return [{"Effect": "Allow", "Principal": "*", "Action": actions, "Resource": resource}] if actions else []

    async def _bucket_account(self, bucket: Arn, name: str) -> str:
        own = await self.ask(bucket, "s3", "ListBuckets")
        if any(found["Name"] == name for found in own.get("Buckets") or ()):
            return ""
        return _ANOTHER_ACCOUNT if await self.ask(bucket, "s3", "GetBucketAcl", Bucket=name) else ""

    async def secret_policy(self, demand: Unfinished) -> Owned:
        found = await self.ask(
            Arn.parse(demand.resource), "secretsmanager", "GetResourcePolicy", SecretId=demand.resource
        )
        return Owned(found.get("ResourcePolicy"))

    async def table_policy(self, demand: Unfinished) -> Owned:
        """Of a table, which speaks for its indexes too, or of its stream."""
        table = demand.resource.partition("/index/")[0]
        if ":table/" not in table:
            return Owned()
        found = await self.ask(Arn.parse(table), "dynamodb", "GetResourcePolicy", ResourceArn=table)
        return Owned(found.get("Policy"))

    async def stream_policy(self, demand: Unfinished) -> Owned:
        arn = Arn.parse(demand.resource)
        if not arn.resource.startswith("stream/"):
            return Owned()
        found = await self.ask(arn, "kinesis", "GetResourcePolicy", ResourceARN=demand.resource)
        policy = found.get("Policy")
        # moto has an empty object for none.
        return Owned(policy if policy and policy.strip() != "{}" else None)

    async def bus_policy(self, demand: Unfinished) -> Owned:
        arn = Arn.parse(demand.resource)
        kind, _, name = arn.resource.partition("/")
        if kind != "event-bus":
            return Owned()
        found = await self.ask(arn, "events", "DescribeEventBus", Name=name)
        return Owned(found.get("Policy"))

    async def key_policy(self, demand: Unfinished) -> Owned:
        """A key's policy and its grants: together they are all that opens it."""
        arn = Arn.parse(demand.resource)
        kind, _, id = arn.resource.partition("/")
        if kind != "key":
            return Owned()
        found = await self.ask(arn, "kms", "GetKeyPolicy", KeyId=id, PolicyName="default")
        if "Policy" not in found:
            return Owned()
        granted = await self.ask(arn, "kms", "ListGrants", KeyId=id)
        statements = [_granted(grant) for grant in granted.get("Grants") or ()]
        return Owned(with_statements(found["Policy"], statements), required=True, given=found["Policy"])

    async def function_policy(self, demand: Unfinished) -> Owned:
        arn = Arn.parse(demand.resource)
        kind, _, rest = arn.resource.partition(":")
        name, _, qualifier = rest.partition(":")
        if kind == "function":
            params = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
            found = await self.ask(arn, "lambda", "GetPolicy", **params)
        elif kind == "layer" and qualifier.isdigit():
            found = await self.ask(arn, "lambda", "GetLayerVersionPolicy", LayerName=name, VersionNumber=int(qualifier))
        else:
            return Owned()
        return Owned(found.get("Policy"))

    async def ask(self, about: Arn, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Empty where there is no such resource: the call itself will say so."""
        if service not in _HARMLESS or operation in _OF_OBJECTS:
            return await self._call(about, service, operation, **params)
        answers, now = self._answers[service], time.monotonic()
        key = (about.account, about.region, operation, *(str(value) for value in params.values()))
        known = answers.get(key)
        if known is not None and known[0] > now:
            return known[1]
        found = await self._call(about, service, operation, **params)
        if len(answers) >= _REMEMBERED:
            answers.clear()
        answers[key] = (now + _SECONDS, found)
        return found

    async def _call(self, about: Arn, service: str, operation: str, **params: Any) -> dict[str, Any]:
        principal = root(about.account) if about.account else root()
        context = CallContext(principal=principal, region=about.region or "us-east-1", request_id="")
        try:
            return await self._caller.call(context, service, operation, params)
        except ServiceError:
            return {}


def with_statements(policy: str | None, more: Sequence[Mapping[str, Any]]) -> str | None:
    """A policy and what else opens the resource. One that cannot be read stays so."""
    if not more:
        return policy
    try:
        document = msgspec.json.decode(policy) if policy else {"Version": "2012-10-17", "Statement": []}
        own = document["Statement"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return policy
    statements = [*(own if isinstance(own, list) else [own]), *more]
    return msgspec.json.encode({**document, "Statement": statements}).decode()


# What permissions of access control lists stand for.
_OBJECT_ACL = {"READ": ("GetObject", "GetObjectVersion"), "READ_ACP": ("GetObjectAcl", "GetObjectVersionAcl"),
               "WRITE_ACP": ("PutObjectAcl", "PutObjectVersionAcl")}  # fmt: skip
_BUCKET_ACL = {"READ": ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"),
               "WRITE": ("PutObject", "DeleteObject"), "READ_ACP": ("GetBucketAcl",),
               "WRITE_ACP": ("PutBucketAcl",)}  # fmt: skip
_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"


def _public(acl: Mapping[str, Any], means: Mapping[str, Sequence[str]]) -> list[str]:
    given = [grant["Permission"] for grant in acl.get("Grants") or () if grant["Grantee"].get("URI") == _EVERYBODY]
    permissions = means if "FULL_CONTROL" in given else given
    return [f"s3:{action}" for permission in permissions for action in means.get(permission, ())]


def _granted(grant: Mapping[str, Any]) -> dict[str, Any]:
    """A key's grant as a statement: who holds one needs no other permission.

    https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
    """
    constraints = grant.get("Constraints") or {}
    pairs = {**(constraints.get("EncryptionContextSubset") or {}), **(constraints.get("EncryptionContextEquals") or {})}
    wanted: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
    condition: dict[str, Any] = {"StringEquals": wanted} if wanted else {}
    if only := constraints.get("EncryptionContextEquals"):
        condition["ForAllValues:StringEquals"] = {"kms:EncryptionContextKeys": list(only)}
    return {
        "Effect": "Allow",
        "Principal": {"AWS": grant["GranteePrincipal"]},
        "Action": [f"kms:{operation}" for operation in grant["Operations"]],
        "Resource": "*",
        "Condition": condition,
    }


def _partition_key(table: Mapping[str, Any], index: str) -> str:
    indexes = [*(table.get("GlobalSecondaryIndexes") or ()), *(table.get("LocalSecondaryIndexes") or ())]
    holder = next((found for found in indexes if found.get("IndexName") == index), {}) if index else table
    keys = holder.get("KeySchema") or ()
    return next((str(key["AttributeName"]) for key in keys if key.get("KeyType") == "HASH"), "")
