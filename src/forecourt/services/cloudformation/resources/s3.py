"""AWS::S3::*: buckets, each of whose settings is a call of its own, and their policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from forecourt.services.cloudformation.errors import ResourceFailed
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, changed
from forecourt.services.cloudformation.resources.tags import as_list, as_map
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump

_S = "s3"


class Setting(NamedTuple):
    """`put` is the call that sets it, `member` the parameter that has it, `spell` what the call wants of the property;
    `clear` is the call that takes it away, or what is put then."""

    put: str
    member: str
    spell: Callable[[Any], Any]
    clear: str | dict[str, Any]


def _as_is(given: Any) -> Any:
    return given


def _cors(given: Any) -> Any:
    names = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds", "Id": "ID"}
    return {"CORSRules": [_renamed(rule, names) for rule in given["CorsRules"]]}


def _encryption(given: Any) -> Any:
    rules = []
    for rule in given["ServerSideEncryptionConfiguration"]:
        spelt = _renamed(rule, {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"})
        rules.append(spelt)
    return {"Rules": rules}


def _lifecycle(given: Any) -> Any:
    return {"Rules": [_lifecycle_rule(rule) for rule in given["Rules"]]}


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A template has the older, flatter form."""
    found: dict[str, Any] = {"Status": rule["Status"], "ID": rule.get("Id")}
    expiration = {
        "Days": rule.get("ExpirationInDays"),
        "Date": rule.get("ExpirationDate"),
        "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
    }
    found["Expiration"] = _present(expiration)
    old = rule.get("NoncurrentVersionExpiration") or _present(
        {"NoncurrentDays": rule.get("NoncurrentVersionExpirationInDays")}
    )
    found["NoncurrentVersionExpiration"] = old
    moves = rule.get("Transitions") or ([rule["Transition"]] if "Transition" in rule else [])
    names = {"TransitionInDays": "Days", "TransitionDate": "Date"}
    found["Transitions"] = [_renamed(move, names) for move in moves]
    old_moves = rule.get("NoncurrentVersionTransitions") or (
        [rule["NoncurrentVersionTransition"]] if "NoncurrentVersionTransition" in rule else []
    )
    found["NoncurrentVersionTransitions"] = [
        _renamed(move, {"TransitionInDays": "NoncurrentDays"}) for move in old_moves
    ]
    found["AbortIncompleteMultipartUpload"] = rule.get("AbortIncompleteMultipartUpload")
    found = {name: value for name, value in found.items() if value}
    found["Filter"] = _filter(rule)
    return found


def _filter(rule: dict[str, Any]) -> dict[str, Any]:
    parts = _present(
        {
            "Prefix": rule.get("Prefix"),
            "ObjectSizeGreaterThan": rule.get("ObjectSizeGreaterThan"),
            "ObjectSizeLessThan": rule.get("ObjectSizeLessThan"),
        }
    )
    tags = rule.get("TagFilters") or []
    if len(parts) + len(tags) <= 1:
        return {"Tag": tags[0]} if tags else parts or {"Prefix": ""}
    return {"And": parts | ({"Tags": tags} if tags else {})}


def _notifications(given: Any) -> Any:
    found: dict[str, Any] = {}
    for name, (target, spelt) in _TARGETS.items():
        rows = [_notification(row, target, spelt) for row in given.get(name) or ()]
        if rows:
            found[f"{name.removesuffix('Configurations')}Configurations"] = rows
    if "LambdaConfigurations" in found:
        found["LambdaFunctionConfigurations"] = found.pop("LambdaConfigurations")
    bridge = given.get("EventBridgeConfiguration")
    if bridge is not None and str(bridge.get("EventBridgeEnabled", True)).lower() == "true":
        found["EventBridgeConfiguration"] = {}
    return found


_TARGETS = {
    "LambdaConfigurations": ("Function", "LambdaFunctionArn"),
    "QueueConfigurations": ("Queue", "QueueArn"),
    "TopicConfigurations": ("Topic", "TopicArn"),
}


def _notification(row: dict[str, Any], target: str, spelt: str) -> dict[str, Any]:
    found: dict[str, Any] = {spelt: row[target], "Events": [row["Event"]]}
    if "Filter" in row:
        rules = [{"Name": rule["Name"], "Value": rule["Value"]} for rule in row["Filter"]["S3Key"]["Rules"]]
        found["Filter"] = {"Key": {"FilterRules": rules}}
    return found


def _website(given: Any) -> Any:
    found: dict[str, Any] = {}
    if "IndexDocument" in given:
        found["IndexDocument"] = {"Suffix": given["IndexDocument"]}
    if "ErrorDocument" in given:
        found["ErrorDocument"] = {"Key": given["ErrorDocument"]}
    if "RedirectAllRequestsTo" in given:
        found["RedirectAllRequestsTo"] = given["RedirectAllRequestsTo"]
    if "RoutingRules" in given:
        names = {"RoutingRuleCondition": "Condition", "RedirectRule": "Redirect"}
        found["RoutingRules"] = [_renamed(rule, names) for rule in given["RoutingRules"]]
    return found


def _logging(given: Any) -> Any:
    enabled = {"TargetBucket": given.get("DestinationBucketName"), "TargetPrefix": given.get("LogFilePrefix", "")}
    return {"LoggingEnabled": enabled}


def _renamed(given: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in given.items()}


def _present(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


# In the order in which they are set
_SETTINGS = {
    "OwnershipControls": Setting(
        "PutBucketOwnershipControls", "OwnershipControls", _as_is, "DeleteBucketOwnershipControls"
    ),
    "PublicAccessBlockConfiguration": Setting(
        "PutPublicAccessBlock", "PublicAccessBlockConfiguration", _as_is, "DeletePublicAccessBlock"
    ),
    "VersioningConfiguration": Setting(
        "PutBucketVersioning", "VersioningConfiguration", _as_is, {"Status": "Suspended"}
    ),
    "BucketEncryption": Setting(
        "PutBucketEncryption", "ServerSideEncryptionConfiguration", _encryption, "DeleteBucketEncryption"
    ),
    "CorsConfiguration": Setting("PutBucketCors", "CORSConfiguration", _cors, "DeleteBucketCors"),
    "LifecycleConfiguration": Setting(
        "PutBucketLifecycleConfiguration", "LifecycleConfiguration", _lifecycle, "DeleteBucketLifecycle"
    ),
    "WebsiteConfiguration": Setting("PutBucketWebsite", "WebsiteConfiguration", _website, "DeleteBucketWebsite"),
    "NotificationConfiguration": Setting(
        "PutBucketNotificationConfiguration", "NotificationConfiguration", _notifications, {}
    ),
    "LoggingConfiguration": Setting("PutBucketLogging", "BucketLoggingStatus", _logging, {}),
    "AccelerateConfiguration": Setting(
        "PutBucketAccelerateConfiguration",
        "AccelerateConfiguration",
        lambda given: {"Status": given["AccelerationStatus"]},
        {"Status": "Suspended"},
    ),
    "ObjectLockConfiguration": Setting("PutObjectLockConfiguration", "ObjectLockConfiguration", _as_is, {}),
}
_APART = {"BucketName", "Tags", "AccessControl", "ObjectLockEnabled", *_SETTINGS}


class Bucket:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("BucketName", 63, lower=True).settle(work, properties)
        name = given["BucketName"]
        strange = set(given) - _APART
        if strange:
            raise ResourceFailed(f"Forecourt does not support {', '.join(sorted(strange))} of {work.type}")
        where = None if work.region == "us-east-1" else {"LocationConstraint": work.region}
        await work.make(
            _S,
            "CreateBucket",
            Bucket=name,
            CreateBucketConfiguration=where,
            ACL=_acl(given),
            ObjectLockEnabledForBucket=_flag(given.get("ObjectLockEnabled")),
        )
        async with work.undone(self, name, given):
            await self._settle(work, name, {}, given)
        return self._made(work, name)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        await self._settle(work, physical_id, old, new)
        return self._made(work, physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "DeleteBucket", Bucket=physical_id)

    async def _settle(self, work: Work, name: str, old: Properties, new: Properties) -> None:
        different = changed(old, new)
        for key, setting in _SETTINGS.items():
            if key not in different:
                continue
            if key in new:
                params = shaped.parameters(_S, setting.put, {setting.member: setting.spell(new[key])})
                await work.call(_S, setting.put, Bucket=name, **params)
            elif isinstance(setting.clear, str):
                await work.gone(_S, setting.clear, Bucket=name)
            else:
                await work.call(_S, setting.put, Bucket=name, **{setting.member: setting.clear})
        if "AccessControl" in different and old:
            await work.call(_S, "PutBucketAcl", Bucket=name, ACL=_acl(new) or "private")
        if "Tags" in different:
            tags = as_list(as_map(new.get("Tags")))
            if tags:
                await work.call(_S, "PutBucketTagging", Bucket=name, Tagging={"TagSet": tags})
            else:
                await work.gone(_S, "DeleteBucketTagging", Bucket=name)

    def _made(self, work: Work, name: str) -> Made:
        return Made(
            name,
            {
                "Arn": f"arn:aws:s3:::{name}",
                "DomainName": f"{name}.s3.amazonaws.com",
                "DualStackDomainName": f"{name}.s3.dualstack.{work.region}.amazonaws.com",
                "RegionalDomainName": f"{name}.s3.{work.region}.amazonaws.com",
                "WebsiteURL": f"http://{name}.s3-website-{work.region}.amazonaws.com",
            },
        )


def _acl(properties: Properties) -> str | None:
    """`PublicRead` -> `public-read`."""
    given = properties.get("AccessControl")
    if given is None:
        return None
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in given).lstrip("-")


def _flag(given: Any) -> bool | None:
    return None if given is None else str(given).lower() == "true"


class BucketPolicy:
    async def create(self, work: Work, properties: Properties) -> Made:
        document = properties["PolicyDocument"]
        policy = document if isinstance(document, str) else dump(document)
        await work.call(_S, "PutBucketPolicy", Bucket=properties["Bucket"], Policy=policy)
        return Made(properties["Bucket"], {})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return await self.create(work, new)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone(_S, "DeleteBucketPolicy", Bucket=properties["Bucket"])


TYPES: dict[str, Handler] = {"AWS::S3::Bucket": Bucket(), "AWS::S3::BucketPolicy": BucketPolicy()}
