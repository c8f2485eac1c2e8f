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
from urllib.parse import unquote

from forecourt.auth.resource_tags import Ask
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

    def __init__(self, ask: Ask, authorizer: Authorizer) -> None:
        self._ask = ask
        self._authorizer = authorizer
        s3, sqs, sns = self._object, self._queue, self._topic
        self._finders: dict[tuple[str, str], Callable[[Arn, str, Params], Awaitable[list[_Use]]]] = {
            ("s3", "PutObject"): s3,
            ("s3", "CreateMultipartUpload"): s3,
            ("s3", "CopyObject"): self._copy,
            ("s3", "GetObject"): self._stored_object,
            ("sqs", "SendMessage"): sqs,
            ("sqs", "SendMessageBatch"): sqs,
            ("sqs", "ReceiveMessage"): sqs,
            ("sns", "Publish"): sns,
            ("sns", "PublishBatch"): sns,
            ("secretsmanager", "CreateSecret"): self._secret,
            ("secretsmanager", "PutSecretValue"): self._secret,
            ("secretsmanager", "UpdateSecret"): self._secret,
            ("secretsmanager", "GetSecretValue"): self._secret,
            ("ssm", "PutParameter"): self._new_parameter,
            ("ssm", "GetParameter"): self._parameters,
            ("ssm", "GetParameters"): self._parameters,
        }
        self.operations = tuple(self._finders)

    async def inspect(
        self, context: CallContext, service: str, operation: str, params: Params, demands: Sequence[Demand]
    ) -> None:
        """Raises `AccessDenied`."""
        if not demands or not demands[0].resource.startswith("arn:"):
            return
        about = Arn.parse(demands[0].resource)
        about = about._replace(account=about.account or context.account, region=about.region or context.region)
        if not (await self._ask(about, "kms", "ListKeys")).get("Keys"):
            return
        for use in await self._finders[service, operation](about, operation, params):
            key = _key_arn(use.key, about)
            if key is None:
                continue
            conditions: dict[str, Any] = {
                **demands[0].conditions,
                "kms:ViaService": f"{service}.{context.region}.amazonaws.com",
                "kms:CallerAccount": context.account,
                **{f"kms:EncryptionContext:{name}": value for name, value in use.bound_to.items()},
            }
            for action in use.actions:
                await self._authorizer.authorize(context.principal, action, key, conditions)

    # --- By whom the key is known ---

    async def _object(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        """As the request says, or the bucket's default."""
        actions = _WRITE if operation == "PutObject" else _BOTH
        bucket = about.resource.partition("/")[0]
        if params.get("ServerSideEncryption"):
            wanted = str(params["ServerSideEncryption"]).startswith("aws:kms")
            key = str(params.get("SSEKMSKeyId") or "") if wanted else ""
        else:
            found = await self._ask(about, "s3", "GetBucketEncryption", Bucket=bucket)
            key = next(_default_keys(found), "")
        return [_Use(key, actions, {"aws:s3:arn": f"arn:aws:s3:::{about.resource}"})]

    async def _stored_object(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        bucket, _, key = about.resource.partition("/")
        version = {"VersionId": params["VersionId"]} if params.get("VersionId") else {}
        found = await self._ask(about, "s3", "HeadObject", Bucket=bucket, Key=key, **version)
        bound_to = {"aws:s3:arn": f"arn:aws:s3:::{about.resource}"}
        return [_Use(str(found.get("SSEKMSKeyId") or ""), _READ, bound_to)]

    async def _copy(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        path, _, version = str(params["CopySource"]).partition("?versionId=")
        source = about._replace(resource=unquote(path).lstrip("/"))
        read = await self._stored_object(source, operation, {"VersionId": version})
        return [*read, *await self._object(about, operation, params)]

    async def _queue(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        url = f"http://localhost/{about.account}/{about.resource}"
        found = await self._ask(about, "sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["KmsMasterKeyId"])
        key = (found.get("Attributes") or {}).get("KmsMasterKeyId") or ""
        return [_Use(key, _READ if operation == "ReceiveMessage" else _BOTH, {"aws:sqs:arn": str(about)})]

    async def _topic(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        found = await self._ask(about, "sns", "GetTopicAttributes", TopicArn=str(about))
        key = (found.get("Attributes") or {}).get("KmsMasterKeyId") or ""
        return [_Use(key, _BOTH, {"aws:sns:topicArn": str(about)})]

    async def _secret(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        key = params.get("KmsKeyId")
        if not key and operation != "CreateSecret":
            found = await self._ask(about, "secretsmanager", "DescribeSecret", SecretId=params["SecretId"])
            key = found.get("KmsKeyId")
        return [_Use(str(key or ""), _READ if operation == "GetSecretValue" else _BOTH)]

    async def _new_parameter(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        key = params.get("KeyId") if params.get("Type") == "SecureString" else ""
        return [_Use(str(key or ""), ("kms:Encrypt",), {"PARAMETER_ARN": str(about)})]

    async def _parameters(self, about: Arn, operation: str, params: Params) -> list[_Use]:
        if not params.get("WithDecryption"):
            return []
        names = [params["Name"]] if operation == "GetParameter" else params["Names"]
        named = [{"Key": "Name", "Values": list(names)}]
        found = await self._ask(about, "ssm", "DescribeParameters", ParameterFilters=named)
        return [
            _Use(str(entry.get("KeyId") or ""), _READ, {"PARAMETER_ARN": str(entry.get("ARN") or about)})
            for entry in found.get("Parameters") or ()
            if entry.get("Type") == "SecureString"
        ]


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
