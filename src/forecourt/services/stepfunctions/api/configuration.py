"""Logging, tracing, encryption and tags, as several operations take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from forecourt.services.stepfunctions.errors import (
    InvalidEncryptionConfiguration,
    InvalidLoggingConfiguration,
    TooManyTags,
)

_MOST_TAGS = 50
NO_LOGGING: dict[str, Any] = {"level": "OFF", "includeExecutionData": False}


def logging_of(given: dict[str, Any] | None) -> dict[str, Any]:
    if not given:
        return NO_LOGGING
    level = given.get("level", "OFF")
    destinations = given.get("destinations") or []
    if level != "OFF" and len(destinations) != 1:
        raise InvalidLoggingConfiguration("Invalid Logging Configuration: Must specify exactly one Log Destination.")
    for destination in destinations:
        arn = destination.get("cloudWatchLogsLogGroup", {}).get("logGroupArn", "")
        if not arn.startswith("arn:") or ":log-group:" not in arn or not arn.endswith(":*"):
            raise InvalidLoggingConfiguration("Invalid Logging Configuration: Log Group Destination is not valid.")
    shown = {"level": level, "includeExecutionData": bool(given.get("includeExecutionData", False))}
    return {**shown, "destinations": destinations} if destinations else shown


def tracing_of(given: dict[str, Any] | None) -> dict[str, Any]:
    return {"enabled": bool((given or {}).get("enabled", False))}


def encryption_of(given: dict[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    if given["type"] == "CUSTOMER_MANAGED_KMS_KEY" and not given.get("kmsKeyId"):
        raise InvalidEncryptionConfiguration(
            "Invalid Encryption Configuration: kmsKeyId is required for CUSTOMER_MANAGED_KMS_KEY"
        )
    if given["type"] == "AWS_OWNED_KEY" and (given.get("kmsKeyId") or given.get("kmsDataKeyReusePeriodSeconds")):
        raise InvalidEncryptionConfiguration(
            "Invalid Encryption Configuration: kmsKeyId and kmsDataKeyReusePeriodSeconds are not allowed for "
            "AWS_OWNED_KEY"
        )
    if given["type"] == "CUSTOMER_MANAGED_KMS_KEY":
        return {"kmsDataKeyReusePeriodSeconds": 300, **given}
    return dict(given)


def tags_of(given: Iterable[dict[str, str]] | None, existing: dict[str, str] | None = None) -> dict[str, str]:
    tags = {**(existing or {}), **{tag.get("key", ""): tag.get("value", "") for tag in given or ()}}
    if len(tags) > _MOST_TAGS:
        raise TooManyTags(f"Too many tags: {len(tags)} exceeds the limit of {_MOST_TAGS}")
    return tags
