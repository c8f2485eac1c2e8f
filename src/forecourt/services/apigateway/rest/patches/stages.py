"""Deployments and stages, with the settings of a stage's methods and its canary."""

from __future__ import annotations

import msgspec

from forecourt.services.apigateway.rest import patch
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import MethodSetting, method_setting_key
from forecourt.services.apigateway.rest.patch import (
    Data,
    Edit,
    Operation,
    Parse,
    Rule,
    Table,
    choice,
    entry,
    flag,
    integer,
    member,
    number,
    text_map,
    without,
)
from forecourt.services.apigateway.rest.patches.rows import ANY, REPLACE, members, table

DEPLOYMENT = table(patch.listed, *members("description"))

# The setting's part of the path -> the member of MethodSetting and how its value reads
_METHOD_SETTINGS: dict[str, tuple[str, Parse]] = {
    "metrics/enabled": ("metricsEnabled", flag),
    "logging/dataTrace": ("dataTraceEnabled", flag),
    "logging/loglevel": (
        "loggingLevel",
        choice(("OFF", "ERROR", "INFO"), "Invalid logging level specified. Valid options are OFF,ERROR,INFO"),
    ),
    "throttling/burstLimit": ("throttlingBurstLimit", integer("Invalid burst limit specified")),
    "throttling/rateLimit": ("throttlingRateLimit", number("Invalid rate limit specified")),
    "caching/ttlInSeconds": ("cacheTtlInSeconds", integer("Invalid cache TTL specified")),
    "caching/enabled": ("cachingEnabled", flag),
    "caching/dataEncrypted": ("cacheDataEncrypted", flag),
    "caching/requireAuthorizationForCacheControl": ("requireAuthorizationForCacheControl", flag),
    "caching/unauthorizedCacheControlHeaderStrategy": (
        "unauthorizedCacheControlHeaderStrategy",
        choice(
            ("FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"),
            "Invalid unauthorized cache control header strategy specified",
        ),
    ),
}


def _method_setting(name: str, parse: Parse) -> Edit:
    """A method's first setting makes all of its settings, the others at AWS's defaults."""

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        settings = data["methodSettings"]
        key = _setting_key(settings, keys[0])
        settings.setdefault(key, msgspec.to_builtins(MethodSetting()))[name] = parse(operation.value)

    return edit


def _setting_key(settings: Data, given: str) -> str:
    """The key that is there for this method, else the given one as AWS shows it: `~1pets/GET`, `*/*`."""
    path, _, http_method = given.rpartition("/")
    written = f"{path.replace('/', '~1')}/{http_method}"
    return next((key for key in settings if method_setting_key(key) == method_setting_key(written)), written)


def _remove_method_setting(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    settings = data["methodSettings"]
    if settings.pop(_setting_key(settings, keys[0]), None) is None:
        raise _nothing_to_remove(operation)


def _nothing_to_remove(operation: Operation) -> BadRequestException:
    setting = (operation.path or "").removeprefix("/")
    return BadRequestException(
        f"Cannot remove method setting {setting} because there is no method setting for this method "
    )


# AWS's own sentence, its missing commas included
_STAGE_PATHS = (
    "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled"
)


def _refuse_stage(table: Table, operation: Operation) -> BadRequestException:
    if operation.op == "remove":
        return _nothing_to_remove(operation)
    return BadRequestException(f"Invalid method setting path: {operation.path}. Must be one of: [{_STAGE_PATHS}]")


def _promote(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """Promotes a canary's deployment: `op=copy from=/canarySettings/deploymentId path=/deploymentId`."""
    _need_source(operation, "/canarySettings/deploymentId")
    data["deploymentId"] = (data.get("canarySettings") or {}).get("deploymentId") or data["deploymentId"]


def _promote_variables(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    _need_source(operation, "/canarySettings/stageVariableOverrides")
    overrides = (data.get("canarySettings") or {}).get("stageVariableOverrides")
    data["variables"] = {**(data.get("variables") or {}), **(overrides or {})} or None


def _need_source(operation: Operation, source: str) -> None:
    if operation.source != source:
        raise BadRequestException(
            f"Invalid copy source '{operation.source}' specified for path '{operation.path}'. Must be: [{source}]"
        )


STAGE = table(
    _refuse_stage,
    Rule("/deploymentId", REPLACE, member("deploymentId")),
    Rule("/deploymentId", ("copy",), _promote),
    *members("description", "cacheClusterSize"),
    Rule("/documentationVersion", REPLACE, member("documentationVersion", lambda value: value or None)),
    Rule("/cacheClusterEnabled", REPLACE, member("cacheClusterEnabled", flag)),
    Rule("/clientCertificateId", ("replace", "remove"), member("clientCertificateId", lambda value: value or None)),
    Rule("/accessLogSettings", ("remove",), without("accessLogSettings")),
    Rule("/accessLogSettings/destinationArn", ANY, member("accessLogSettings/destinationArn")),
    Rule("/accessLogSettings/format", ANY, member("accessLogSettings/format")),
    Rule("/tracingEnabled", REPLACE, member("tracingEnabled", flag)),
    Rule("/variables", ("copy",), _promote_variables),
    Rule("/variables", ("replace", "remove"), member("variables", text_map)),
    Rule("/variables/{variable_name}", ANY, entry("variables", missing="")),
    Rule("/canarySettings", ("remove",), without("canarySettings")),
    Rule(
        "/canarySettings/percentTraffic",
        REPLACE,
        member("canarySettings/percentTraffic", number("Invalid percent traffic specified")),
    ),
    Rule("/canarySettings/deploymentId", REPLACE, member("canarySettings/deploymentId")),
    Rule("/canarySettings/useStageCache", REPLACE, member("canarySettings/useStageCache", flag)),
    Rule("/canarySettings/stageVariableOverrides", REPLACE, member("canarySettings/stageVariableOverrides", text_map)),
    Rule(
        "/canarySettings/stageVariableOverrides/{variable_name}",
        ANY,
        entry("canarySettings/stageVariableOverrides", missing=""),
    ),
    *(
        Rule(f"/{{resourcePathAndHttpMethod+}}/{path}", REPLACE, _method_setting(name, parse))
        for path, (name, parse) in _METHOD_SETTINGS.items()
    ),
    Rule("/{resourcePathAndHttpMethod+}", ("remove",), _remove_method_setting),
)
