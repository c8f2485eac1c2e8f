"""S3: buckets and keys, with the condition keys that policies use to fence a prefix.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from forecourt.auth.actions.table import Params, role_demands, roles_in
from forecourt.base.call import CallContext, Demand

# Operations whose action has another name.
_ACTIONS = {
    "HeadObject": "GetObject",
    "SelectObjectContent": "GetObject",
    "GetObjectTorrent": "GetObject",
    "UploadPart": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "UploadPartCopy": "PutObject",
    "RenameObject": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListBuckets": "ListAllMyBuckets",
    "ListDirectoryBuckets": "ListAllMyDirectoryBuckets",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
}
# `GetBucketMetricsConfiguration` and its kin: Get/List -> Get{noun}, Put/Delete -> Put{noun}
_CONFIGURATIONS = {
    "Analytics": "AnalyticsConfiguration",
    "IntelligentTiering": "IntelligentTieringConfiguration",
    "Inventory": "InventoryConfiguration",
    "Metrics": "MetricsConfiguration",
}
_VERSIONED = {"GetObject", "GetObjectAcl", "GetObjectTagging", "DeleteObject", "DeleteObjectTagging", "PutObjectAcl",
              "PutObjectTagging", "GetObjectAttributes"}  # fmt: skip
_KEYS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "VersionId": "s3:VersionId",
    "ACL": "s3:x-amz-acl",
    "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "StorageClass": "s3:x-amz-storage-class",
    "GrantRead": "s3:x-amz-grant-read",
    "GrantWrite": "s3:x-amz-grant-write",
    "GrantFullControl": "s3:x-amz-grant-full-control",
}


class S3:
    prefix = "s3"

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        bucket, key = str(params.get("Bucket", "")), params.get("Key")
        conditions = _conditions(operation, params)
        if operation == "DeleteObjects":
            yield from _deletions(bucket, params)
            return
        action = f"s3:{_action(operation, params)}"
        yield from role_demands(sorted(roles_in(params)), "s3.amazonaws.com", context)
        if not bucket:
            yield Demand(action, "*", conditions)
            return
        yield Demand(action, object_arn(bucket, key), conditions)
        if source := params.get("CopySource"):
            yield _source(source)


def object_arn(bucket: str, key: Any = None) -> str:
    name = bucket.rpartition(":::")[2] if bucket.startswith("arn:") else bucket
    return f"arn:aws:s3:::{name}" + (f"/{key}" if key is not None else "")


def _action(operation: str, params: Params) -> str:
    if operation in _ACTIONS:
        return _ACTIONS[operation]
    for word, noun in _CONFIGURATIONS.items():
        if f"Bucket{word}Configuration" in operation:
            return f"Get{noun}" if operation.startswith(("Get", "List")) else f"Put{noun}"
    if operation in _VERSIONED and params.get("VersionId"):
        return operation.replace("Object", "ObjectVersion", 1)
    return operation


def _conditions(operation: str, params: Params) -> dict[str, Any]:
    found = {key: str(params[name]) for name, key in _KEYS.items() if params.get(name) is not None}
    if operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        # A listing without a prefix is one with the empty prefix.
        found.setdefault("s3:prefix", "")
    for pair in filter(None, str(params.get("Tagging") if isinstance(params.get("Tagging"), str) else "").split("&")):
        name, _, value = pair.partition("=")
        found[f"s3:RequestObjectTag/{unquote(name)}"] = unquote(value)
    return found


def _deletions(bucket: str, params: Params) -> Iterator[Demand]:
    for entry in (params.get("Delete") or {}).get("Objects") or ():
        version = entry.get("VersionId")
        action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
        yield Demand(action, object_arn(bucket, entry.get("Key")), {"s3:VersionId": version} if version else {})


def _source(source: Any) -> Demand:
    """`CopySource` is `bucket/key?versionId=…`, or the same as members."""
    if isinstance(source, dict):
        return Demand("s3:GetObject", object_arn(source["Bucket"], source["Key"]), {})
    path, _, version = str(source).partition("?versionId=")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return Demand("s3:GetObjectVersion" if version else "s3:GetObject", object_arn(bucket, key), {})
