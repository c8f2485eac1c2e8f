"""Kinesis streams, secrets, parameters of SSM's store, KMS keys."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from forecourt.services.cloudformation.errors import NotTried, ResourceFailed
from forecourt.services.cloudformation.resources import shaped
from forecourt.services.cloudformation.resources.simple import Name, Simple, changed, refuse_unknown
from forecourt.services.cloudformation.resources.tags import as_list, as_map, retag
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work
from forecourt.services.cloudformation.template.document import dump

_POLL_SECONDS = 0.05


class Stream:
    _APART = frozenset(("Name", "RetentionPeriodHours", "StreamEncryption", "Tags"))

    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("Name", 128).settle(work, properties)
        refuse_unknown(work, "kinesis", "CreateStream", given, self._APART)
        name = given["Name"]
        own = {key: value for key, value in given.items() if key not in self._APART}
        if "ShardCount" not in own and "StreamModeDetails" not in own:
            own["StreamModeDetails"] = {"StreamMode": "ON_DEMAND"}
        params = shaped.parameters("kinesis", "CreateStream", own)
        await work.make("kinesis", "CreateStream", StreamName=name, **params)
        async with work.undone(self, name, given):
            return await self.update(work, name, {"ShardCount": own.get("ShardCount")}, given)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        arn = await self._active(work, physical_id)
        hours, had = int(new.get("RetentionPeriodHours", 24)), int(old.get("RetentionPeriodHours", 24))
        if hours != had:
            verb = "IncreaseStreamRetentionPeriod" if hours > had else "DecreaseStreamRetentionPeriod"
            await work.call("kinesis", verb, StreamName=physical_id, RetentionPeriodHours=hours)
        if "ShardCount" in changed(old, new) and "ShardCount" in new and old.get("ShardCount") is not None:
            count = int(new["ShardCount"])
            await work.call(
                "kinesis", "UpdateShardCount", StreamName=physical_id, TargetShardCount=count,
                ScalingType="UNIFORM_SCALING",
            )  # fmt: skip
        if "StreamModeDetails" in changed(old, new) and "StreamModeDetails" in old:
            mode = new.get("StreamModeDetails") or {"StreamMode": "PROVISIONED"}
            await work.call("kinesis", "UpdateStreamMode", StreamARN=arn, StreamModeDetails=mode)
        await self._encrypt(work, physical_id, old.get("StreamEncryption"), new.get("StreamEncryption"))
        await retag(work, "kinesis", arn, old.get("Tags"), new.get("Tags"))
        return Made(physical_id, {"Arn": arn})

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("kinesis", "DeleteStream", StreamName=physical_id, EnforceConsumerDeletion=True)

    async def _encrypt(self, work: Work, name: str, old: Any, new: Any) -> None:
        if old == new:
            return
        verb, wanted = ("StartStreamEncryption", new) if new else ("StopStreamEncryption", old)
        await work.call("kinesis", verb, StreamName=name, **wanted)

    async def _active(self, work: Work, name: str) -> str:
        while True:
            found = await work.call("kinesis", "DescribeStreamSummary", StreamName=name)
            summary = found["StreamDescriptionSummary"]
            if summary["StreamStatus"] == "ACTIVE":
                return str(summary["StreamARN"])
            await asyncio.sleep(_POLL_SECONDS)


class Secret:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("Name", 512).settle(work, properties)
        own = {name: value for name, value in given.items() if name not in ("GenerateSecretString", "ReplicaRegions")}
        if given.get("ReplicaRegions"):
            raise ResourceFailed(f"Forecourt does not support ReplicaRegions of {work.type}")
        refuse_unknown(work, "secretsmanager", "CreateSecret", own)
        params = shaped.parameters("secretsmanager", "CreateSecret", own)
        if "GenerateSecretString" in given:
            params["SecretString"] = await self._generated(work, given["GenerateSecretString"])
        elif "SecretString" not in params:
            params["SecretString"] = await self._generated(work, {})
        found = await work.make("secretsmanager", "CreateSecret", **params)
        if not found:
            found = await work.call("secretsmanager", "DescribeSecret", SecretId=given["Name"])
        return Made(found["ARN"], {"Id": found["ARN"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        wanted = shaped.parameters(
            "secretsmanager", "UpdateSecret", {key: new[key] for key in ("Description", "KmsKeyId") if key in new}
        )
        if new.get("SecretString") != old.get("SecretString") and "SecretString" in new:
            wanted["SecretString"] = new["SecretString"]
        elif new.get("GenerateSecretString") != old.get("GenerateSecretString") and new.get("GenerateSecretString"):
            wanted["SecretString"] = await self._generated(work, new["GenerateSecretString"])
        if wanted:
            # Each version has an id of its own, which a client makes up.
            version = work.ports.ids.uuid()
            await work.call(
                "secretsmanager", "UpdateSecret", SecretId=physical_id, ClientRequestToken=version, **wanted
            )
        await retag(work, "secretsmanager", physical_id, old.get("Tags"), new.get("Tags"))
        return Made(physical_id, {"Id": physical_id})

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("secretsmanager", "DeleteSecret", SecretId=physical_id, ForceDeleteWithoutRecovery=True)

    async def _generated(self, work: Work, how: Properties) -> str:
        own = {name: value for name, value in how.items() if name not in ("SecretStringTemplate", "GenerateStringKey")}
        params = shaped.parameters("secretsmanager", "GetRandomPassword", own)
        password = (await work.call("secretsmanager", "GetRandomPassword", **params))["RandomPassword"]
        if "GenerateStringKey" not in how:
            return str(password)
        try:
            template = json.loads(how.get("SecretStringTemplate") or "{}")
        except ValueError:
            raise ResourceFailed("SecretStringTemplate is not JSON") from None
        return dump({**template, how["GenerateStringKey"]: password})


class Parameter:
    async def create(self, work: Work, properties: Properties) -> Made:
        given = Name("Name", 1011).settle(work, properties)
        refuse_unknown(work, "ssm", "PutParameter", given)
        params = shaped.parameters("ssm", "PutParameter", given)
        await work.make("ssm", "PutParameter", **params)
        return self._made(work, given)

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        given = {**new, "Name": physical_id}
        own = {name: value for name, value in given.items() if name != "Tags"}
        if changed(old, new) - {"Tags"}:
            await work.call("ssm", "PutParameter", **shaped.parameters("ssm", "PutParameter", own), Overwrite=True)
        where = {"ResourceType": "Parameter", "ResourceId": physical_id}
        before, after = as_map(old.get("Tags")), as_map(new.get("Tags"))
        gone = sorted(set(before) - set(after))
        if gone:
            await work.call("ssm", "RemoveTagsFromResource", **where, TagKeys=gone)
        if after and after != before:
            await work.call("ssm", "AddTagsToResource", **where, Tags=as_list(after))
        return self._made(work, given)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("ssm", "DeleteParameter", Name=physical_id)

    def _made(self, work: Work, given: Properties) -> Made:
        arn = work.arn("ssm", f"parameter/{given['Name'].lstrip('/')}")
        return Made(given["Name"], {"Arn": arn, "Type": given["Type"], "Value": given["Value"]})


class Key:
    _APART = frozenset(
        ("KeyPolicy", "Enabled", "EnableKeyRotation", "RotationPeriodInDays", "PendingWindowInDays", "Tags")
    )

    async def create(self, work: Work, properties: Properties) -> Made:
        refuse_unknown(work, "kms", "CreateKey", properties, self._APART)
        own = {name: value for name, value in properties.items() if name not in self._APART}
        tags = [{"TagKey": key, "TagValue": value} for key, value in as_map(properties.get("Tags")).items()]
        params = shaped.parameters("kms", "CreateKey", {**own, "Policy": properties.get("KeyPolicy"), "Tags": tags})
        key = (await work.call("kms", "CreateKey", **params))["KeyMetadata"]
        async with work.undone(self, key["KeyId"], properties):
            await self._settle(work, key["KeyId"], {}, properties)
        return Made(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        fixed = changed(old, new) - self._APART - {"Description"}
        if fixed:
            raise NotTried(f"Forecourt cannot change {', '.join(sorted(fixed))} of an existing {work.type}")
        if old.get("KeyPolicy") != new.get("KeyPolicy") and new.get("KeyPolicy"):
            policy = dump(new["KeyPolicy"])
            await work.call("kms", "PutKeyPolicy", KeyId=physical_id, PolicyName="default", Policy=policy)
        if old.get("Description") != new.get("Description"):
            description = new.get("Description", "")
            await work.call("kms", "UpdateKeyDescription", KeyId=physical_id, Description=description)
        await self._settle(work, physical_id, old, new)
        before, after = as_map(old.get("Tags")), as_map(new.get("Tags"))
        if set(before) - set(after):
            await work.call("kms", "UntagResource", KeyId=physical_id, TagKeys=sorted(set(before) - set(after)))
        if after and after != before:
            tags = [{"TagKey": key, "TagValue": value} for key, value in after.items()]
            await work.call("kms", "TagResource", KeyId=physical_id, Tags=tags)
        return Made(physical_id)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        days = int(properties.get("PendingWindowInDays", 30))
        await work.gone("kms", "ScheduleKeyDeletion", KeyId=physical_id, PendingWindowInDays=days)

    async def _settle(self, work: Work, key: str, old: Properties, new: Properties) -> None:
        for name, on, off, usual in (
            ("EnableKeyRotation", "EnableKeyRotation", "DisableKeyRotation", "false"),
            ("Enabled", "EnableKey", "DisableKey", "true"),
        ):
            had, wanted = str(old.get(name, usual)).lower(), str(new.get(name, usual)).lower()
            if had != wanted:
                await work.call("kms", on if wanted == "true" else off, KeyId=key)


class SecretPolicy:
    async def create(self, work: Work, properties: Properties) -> Made:
        params = shaped.parameters("secretsmanager", "PutResourcePolicy", properties)
        await work.call("secretsmanager", "PutResourcePolicy", **params)
        return Made(properties["SecretId"], {"Id": properties["SecretId"]})

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        return await self.create(work, new)

    async def delete(self, work: Work, physical_id: str, properties: Properties) -> None:
        await work.gone("secretsmanager", "DeleteResourcePolicy", SecretId=physical_id)


TYPES: dict[str, Handler] = {
    "AWS::Kinesis::Stream": Stream(),
    "AWS::Kinesis::StreamConsumer": Simple(
        service="kinesis",
        makes="RegisterStreamConsumer",
        id="Consumer.ConsumerARN",
        deletes="DeregisterStreamConsumer",
        keys={"ConsumerARN": "@"},
        attributes={"ConsumerARN": "@", "ConsumerStatus": "Consumer.ConsumerStatus"},
    ),
    "AWS::SecretsManager::Secret": Secret(),
    "AWS::SecretsManager::ResourcePolicy": SecretPolicy(),
    "AWS::SSM::Parameter": Parameter(),
    "AWS::KMS::Key": Key(),
    "AWS::KMS::Alias": Simple(
        service="kms",
        makes="CreateAlias",
        id=":AliasName",
        changes="UpdateAlias",
        deletes="DeleteAlias",
        keys={"AliasName": "@"},
    ),
}
