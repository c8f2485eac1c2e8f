"""What is kept under a customer's KMS key takes that key's permission, too: S3's objects (SSE-KMS), messages of queues
and topics, secrets, secure parameters.

Asked of the caller after the service's own permission, by the key that the request names or the resource has. Keys that
AWS manages (`alias/aws/s3`) let everybody of the account use them through their service, and are not asked. Where the
account has no key of its own nothing is looked up.

https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.auth.resource_tags import Ask
from forecourt.auth.resources import is_arn
from forecourt.base.arn import Arn
from forecourt.base.call import Authorizer, CallContext, Demand

Params = Mapping[str, Any]

_WRITE, _READ = ("kms:GenerateDataKey",), ("kms:Decrypt",)
_BOTH = (*_WRITE, *_READ)


class _Use(NamedTuple):
    """A key, what is done with it, and what the ciphertext is bound to."""

    key: str
    actions: Sequence[str]
    bound_to: Mapping[str, str] = {}


class Encryption:
    """An inspection of the dispatcher's."""

    operations = (
        ("s3", "PutObject"),
        ("s3", "CreateMultipartUpload"),
        ("s3", "CopyObject"),
        ("s3", "UploadPartCopy"),
        ("s3", "GetObject"),
        ("s3", "SelectObjectContent"),
        ("sqs", "SendMessage"),
        ("sqs", "SendMessageBatch"),
        ("sqs", "ReceiveMessage"),
        ("sns", "Publish"),
        ("sns", "PublishBatch"),
        ("secretsmanager", "CreateSecret"),
        ("secretsmanager", "PutSecretValue"),
        ("secretsmanager", "UpdateSecret"),
        ("secretsmanager", "GetSecretValue"),
        ("secretsmanager", "BatchGetSecretValue"),
        ("ssm", "PutParameter"),
        ("ssm", "GetParameter"),
        ("ssm", "GetParameters"),
        ("ssm", "GetParametersByPath"),
        ("ssm", "GetParameterHistory"),
    )

    def __init__(self, ask: Ask, authorizer: Authorizer) -> None:
        self._ask = ask
        self._authorizer = authorizer
        # By the permission that the call needed of the service: the resource that was asked for has the key.
        self._finders: dict[str, Callable[[Arn, str, Params], Awaitable[list[_Use]]]] = {
            "s3:PutObject": self._new_object,
            "s3:GetObject": self._object,
            "s3:GetObjectVersion": self._object,
            "sqs:SendMessage": self._queue,
            "sqs:ReceiveMessage": self._queue,
            "sns:Publish": self._topic,
            "secretsmanager:CreateSecret": self._new_secret,
            "secretsmanager:PutSecretValue": self._secret,
            "secretsmanager:UpdateSecret": self._secret,
            "secretsmanager:GetSecretValue": self._secret,
            "ssm:PutParameter": self._new_parameter,
            "ssm:GetParameter": self._parameters,
            "ssm:GetParameters": self._parameters,
            "ssm:GetParametersByPath": self._parameters,
            "ssm:GetParameterHistory": self._parameters,
        }

    async def inspect(
        self, context: CallContext, service: str, operation: str, params: Params, demands: Sequence[Demand]
    ) -> None:
        """Raises `AccessDenied`."""
        home = Arn("kms", context.region, context.account, "*")
        if not demands or not (await self._ask(home, "kms", "ListKeys")).get("Keys"):
            return
        for demand in demands:
            finder = self._finders.get(demand.action)
            if finder is not None and is_arn(demand.resource):
                about = Arn.parse(demand.resource)
                about = about._replace(account=about.account or context.account, region=about.region or context.region)
                for use in await finder(about, operation, params):
                    await self._check(context, service, about, use, demand.conditions)

    async def _check(
        self, context: CallContext, service: str, about: Arn, use: _Use, circumstances: Mapping[str, Any]
    ) -> None:
        key = _key_arn(use.key, about)
        if key is None:
            return
        conditions: dict[str, Any] = {
            **circumstances,
            "kms:ViaService": f"{service}.{context.region}.amazonaws.com",
            "kms:CallerAccount": context.account,
            **{f"kms:EncryptionContext:{name}": value for name, value in use.bound_to.items()},
        }
        for action in use.actions:
            await self._authorizer.authorize(context.principal, action, key, conditions)

    # --- By whom the key is known ---

    async def _new_object(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        """As the request says, or the bucket's default."""
        actions = _WRITE if operation == "PutObject" else _BOTH
        if params.get("ServerSideEncryption"):
            wanted = str(params["ServerSideEncryption"]).startswith("aws:kms")
            key = str(params.get("SSEKMSKeyId") or "") if wanted else ""
        else:
            bucket = about.resource.partition("/")[0]
            key = next(_default_keys(await self._ask(about, "s3", "GetBucketEncryption", Bucket=bucket)), "")
        return [_Use(key, actions, {"aws:s3:arn": f"arn:aws:s3:::{about.resource}"})]

    async def _object(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        bucket, _, key = about.resource.partition("/")
        version = {"VersionId": found} if (found := _version(params)) else {}
        kept = await self._ask(about, "s3", "HeadObject", Bucket=bucket, Key=key, **version)
        bound_to = {"aws:s3:arn": f"arn:aws:s3:::{about.resource}"}
        return [_Use(str(kept.get("SSEKMSKeyId") or ""), _READ, bound_to)]

    async def _queue(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        url = f"http://localhost/{about.account}/{about.resource}"
        found = await self._ask(about, "sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["KmsMasterKeyId"])
        key = (found.get("Attributes") or {}).get("KmsMasterKeyId") or ""
        return [_Use(key, _READ if operation == "ReceiveMessage" else _BOTH, {"aws:sqs:arn": str(about)})]

    async def _topic(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        found = await self._ask(about, "sns", "GetTopicAttributes", TopicArn=str(about))
        key = (found.get("Attributes") or {}).get("KmsMasterKeyId") or ""
        return [_Use(key, _BOTH, {"aws:sns:topicArn": str(about)})]

    async def _new_secret(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        return [_Use(str(params.get("KmsKeyId") or ""), _BOTH)]

    async def _secret(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        """One; or all, where the call chooses them by what they are like."""
        actions = _READ if "GetSecretValue" in operation else _BOTH
        name = about.resource.removeprefix("secret:")
        if params.get("KmsKeyId"):
            return [_Use(str(params["KmsKeyId"]), actions)]
        if name == "*":
            found = (await self._ask(about, "secretsmanager", "ListSecrets")).get("SecretList") or ()
            return [_Use(str(secret.get("KmsKeyId") or ""), actions) for secret in found]
        secret = await self._ask(
            about, "secretsmanager", "DescribeSecret", SecretId=str(params.get("SecretId") or name)
        )
        return [_Use(str(secret.get("KmsKeyId") or ""), actions)]

    async def _new_parameter(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        key = params.get("KeyId") if params.get("Type") == "SecureString" else ""
        return [_Use(str(key or ""), ("kms:Encrypt",), {"PARAMETER_ARN": str(about)})]

    async def _parameters(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        if not params.get("WithDecryption"):
            return []
        path = about.resource.removeprefix("parameter")
        # `parameter/a` may be called `a` or `/a`.
        wanted: dict[str, Any] = {"Key": "Name", "Values": [path, path.removeprefix("/")]}
        if operation == "GetParametersByPath":
            wanted = {"Key": "Path", "Option": "Recursive", "Values": [path]}
        found = await self._ask(about, "ssm", "DescribeParameters", ParameterFilters=[wanted])
        return [
            _Use(str(entry.get("KeyId") or ""), _READ, {"PARAMETER_ARN": str(entry.get("ARN") or about)})
            for entry in found.get("Parameters") or ()
            if entry.get("Type") == "SecureString"
        ]


def _version(params: Params) -> str:
    """Of the object that is read: the one named, or what is copied (`bucket/key?versionId=…`)."""
    source = params.get("CopySource")
    if isinstance(source, Mapping):
        return str(source.get("VersionId") or "")
    return str(source).partition("?versionId=")[2] if source else str(params.get("VersionId") or "")


def _default_keys(encryption: Params) -> Iterator[str]:
    for rule in (encryption.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or ():
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        if str(default.get("SSEAlgorithm", "")).startswith("aws:kms"):
            yield str(default.get("KMSMasterKeyID") or "")


def _key_arn(given: str, about: Arn) -> str | None:
    """Of an id, an alias or an ARN; None of none, and of AWS's own."""
    name = given.rpartition(":")[2] if given.startswith("arn:") else given
    if not name or name.startswith("alias/aws/") or ("/" not in name and name.startswith("aws")):
        return None
    if given.startswith("arn:"):
        return given
    resource = name if name.startswith("alias/") else f"key/{name}"
    return f"arn:aws:kms:{about.region}:{about.account}:{resource}"
