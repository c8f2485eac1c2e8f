"""Entities as AWS shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from forecourt.services.functions.model import Alias, Configuration, EventInvokeConfig, LayerVersion, UrlConfig
from forecourt.services.functions.names import function_arn

_RUNTIME_VERSION = "arn:aws:lambda:{region}::runtime:" + "0" * 64


def timestamp(now: datetime) -> str:
    """`2024-05-01T12:00:00.000+0000`"""
    return f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "+0000"


def configuration_view(
    account: str,
    region: str,
    name: str,
    version: str,
    configuration: Configuration,
    variables: Mapping[str, str] | None,
    qualifier: str | None = None,
) -> dict[str, Any]:
    """FunctionConfiguration. `qualifier` is how it was asked for; without one the ARN has none."""
    c = configuration
    view: dict[str, Any] = {
        "FunctionName": name,
        "FunctionArn": function_arn(account, region, name, qualifier),
        "Runtime": c.runtime,
        "Role": c.role,
        "Handler": c.handler,
        "CodeSize": c.code_size,
        "Description": c.description,
        "Timeout": c.timeout,
        "MemorySize": c.memory_size,
        "LastModified": c.last_modified,
        "CodeSha256": c.code_sha256,
        "Version": version,
        "TracingConfig": {"Mode": c.tracing_mode},
        "RevisionId": c.revision_id,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": c.architectures,
        "EphemeralStorage": {"Size": c.ephemeral_storage},
        "SnapStart": {"ApplyOn": c.snap_start, "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": _RUNTIME_VERSION.format(region=region)},
        "LoggingConfig": logging_view(name, c),
    }
    if variables is not None:
        view["Environment"] = {"Variables": dict(variables)}
    if c.layers:
        view["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code_size} for layer in c.layers]
    if c.dead_letter_arn:
        view["DeadLetterConfig"] = {"TargetArn": c.dead_letter_arn}
    if c.kms_key_arn:
        view["KMSKeyArn"] = c.kms_key_arn
    if c.subnet_ids or c.security_group_ids:
        view["VpcConfig"] = {"SubnetIds": c.subnet_ids, "SecurityGroupIds": c.security_group_ids, "VpcId": ""}
    if c.file_systems:
        view["FileSystemConfigs"] = c.file_systems
    return view


def log_group(name: str, configuration: Configuration) -> str:
    return configuration.log_group or f"/aws/lambda/{name}"


def logging_view(name: str, configuration: Configuration) -> dict[str, str]:
    view = {"LogFormat": configuration.log_format, "LogGroup": log_group(name, configuration)}
    if configuration.log_format == "JSON":
        view["ApplicationLogLevel"] = configuration.application_log_level or "INFO"
        view["SystemLogLevel"] = configuration.system_log_level or "INFO"
    return view


def alias_view(alias: Alias) -> dict[str, Any]:
    view: dict[str, Any] = {
        "AliasArn": alias.arn,
        "Name": alias.alias,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        view["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return view


def layer_item(layer: LayerVersion) -> dict[str, Any]:
    """LayerVersionsListItem."""
    view: dict[str, Any] = {
        "LayerVersionArn": f"{layer.arn}:{layer.version}",
        "Version": layer.version,
        "Description": layer.description,
        "CreatedDate": layer.created_at,
    }
    optional = {
        "CompatibleRuntimes": layer.runtimes,
        "CompatibleArchitectures": layer.architectures,
        "LicenseInfo": layer.license_info or None,
    }
    return {**view, **{name: value for name, value in optional.items() if value is not None}}


def layer_view(layer: LayerVersion, location: str) -> dict[str, Any]:
    return {
        **layer_item(layer),
        "LayerArn": layer.arn,
        "Content": {"CodeSha256": layer.code_sha256, "CodeSize": layer.code_size, "Location": location},
    }


def event_invoke_view(config: EventInvokeConfig) -> dict[str, Any]:
    destinations: dict[str, Any] = {}
    if config.on_success:
        destinations["OnSuccess"] = {"Destination": config.on_success}
    if config.on_failure:
        destinations["OnFailure"] = {"Destination": config.on_failure}
    view: dict[str, Any] = {
        "LastModified": config.last_modified,
        "FunctionArn": function_arn(config.account, config.region, config.name, config.qualifier),
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}, **destinations},
    }
    if config.maximum_retry_attempts is not None:
        view["MaximumRetryAttempts"] = config.maximum_retry_attempts
    if config.maximum_event_age is not None:
        view["MaximumEventAgeInSeconds"] = config.maximum_event_age
    return view


def url_view(config: UrlConfig, public_url: str) -> dict[str, Any]:
    """The URL is a path below our own, so that no name has to be resolved; the host form is answered too."""
    qualifier = config.qualifier or None
    view: dict[str, Any] = {
        "FunctionUrl": f"{public_url or 'http://localhost:4566'}/_aws/lambda-url/{config.id}/",
        "FunctionArn": function_arn(config.account, config.region, config.name, qualifier),
        "AuthType": config.auth_type,
        "CreationTime": config.created_at,
        "InvokeMode": config.invoke_mode,
    }
    return view if config.cors is None else {**view, "Cors": config.cors}
