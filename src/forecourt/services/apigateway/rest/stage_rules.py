"""What AWS demands of a stage when it is configured."""

from __future__ import annotations

import re
from collections.abc import Mapping

from forecourt.base.arn import Arn
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import (
    Account,
    ClientCertificate,
    Deployment,
    DocumentationVersion,
    MethodSetting,
    Stage,
)
from forecourt.services.apigateway.rest.quotas import Quotas, need_size
from forecourt.services.apigateway.rest.store import Found

CACHE_SIZES = ("0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237")
_STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[a-zA-Z0-9_]{1,64}")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=, ]{0,512}")


def need_stage(found: Found, stage: Stage, quotas: Quotas) -> None:
    """Raises where the stage breaks a rule or names what is not there; completes what follows from what was set."""
    if not _STAGE_NAME.fullmatch(stage.stage_name):
        raise BadRequestException("Stage name only allows a-zA-Z0-9_-")
    need_variables(stage.variables, quotas)
    _need_named(found, stage)
    _need_canary(found, stage, quotas)
    _need_cache(stage)
    _need_logs(found, stage, quotas)
    for setting in stage.method_settings.values():
        _need_setting(setting, quotas)


def need_variables(variables: Mapping[str, str] | None, quotas: Quotas) -> None:
    for name, value in (variables or {}).items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise BadRequestException(f"Invalid stage variable name: {name}. Stage variable names allow a-zA-Z0-9_")
        if value is None or not _VARIABLE_VALUE.fullmatch(value):
            raise BadRequestException(
                f"Invalid stage variable value: {value}. Please use values with alphanumeric characters and the "
                "symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','."
            )
    if len(variables or {}) > quotas.stage_variables:
        raise BadRequestException(f"A stage cannot have more than {quotas.stage_variables} stage variables")


def _need_named(found: Found, stage: Stage) -> None:
    found.get(Deployment, stage.rest_api_id, stage.deployment_id)
    if stage.documentation_version:
        found.get(DocumentationVersion, stage.rest_api_id, stage.documentation_version)
    if stage.client_certificate_id:
        found.get(ClientCertificate, stage.client_certificate_id)


def _need_canary(found: Found, stage: Stage, quotas: Quotas) -> None:
    canary = stage.canary_settings
    if canary is None:
        return
    if not 0.0 <= canary.percent_traffic <= 100.0:
        raise BadRequestException("Invalid percent traffic specified. Must be between 0.0 and 100.0")
    need_variables(canary.stage_variable_overrides, quotas)
    canary.deployment_id = canary.deployment_id or stage.deployment_id
    found.get(Deployment, stage.rest_api_id, canary.deployment_id)


def need_no_canary(stage: Stage, deployment_id: str) -> None:
    """While a stage has a canary it keeps its deployment, or takes the canary's: that is what it is tried for."""
    canary = stage.canary_settings
    if canary is not None and deployment_id not in (stage.deployment_id, canary.deployment_id):
        raise BadRequestException(
            f"Stage {stage.stage_name} has canary settings. They must be removed before it can be associated with "
            "another deployment"
        )


def _need_cache(stage: Stage) -> None:
    if stage.cache_cluster_size is not None and stage.cache_cluster_size not in CACHE_SIZES:
        raise BadRequestException(f"Invalid cache cluster size specified. Valid options are {','.join(CACHE_SIZES)}")
    if stage.cache_cluster_enabled:
        stage.cache_cluster_size = stage.cache_cluster_size or CACHE_SIZES[0]
    # AWS takes minutes to make a cache available; here it is there at once.
    stage.cache_cluster_status = "AVAILABLE" if stage.cache_cluster_enabled else "NOT_AVAILABLE"


def _need_logs(found: Found, stage: Stage, quotas: Quotas) -> None:
    access = stage.access_log_settings
    if access is not None:
        need_size(access.format, quotas.access_log_format_bytes, "Access log format")
        _need_destination(access.destination_arn)
        if access.format and "$context.requestId" not in access.format.replace("extendedRequestId", "requestId"):
            raise BadRequestException("AccessLog format must contain $context.requestId or $context.extendedRequestId")
    logs = any(setting.logging_level in ("ERROR", "INFO") for setting in stage.method_settings.values())
    account = found.maybe(Account)
    if logs and not (account and account.cloudwatch_role_arn):
        raise BadRequestException("CloudWatch Logs role ARN must be set in account settings to enable logging")


def _need_destination(arn: str | None) -> None:
    """A log group, or a Firehose stream."""
    try:
        known = not arn or Arn.parse(arn).service in ("logs", "firehose")
    except ValueError:
        known = False
    if not known:
        raise BadRequestException("Invalid ARN specified in the request")


def _need_setting(setting: MethodSetting, quotas: Quotas) -> None:
    if not 0 <= setting.cache_ttl_in_seconds <= quotas.cache_ttl_max_seconds:
        raise BadRequestException(f"Cache TTL must be between 0 and {quotas.cache_ttl_max_seconds} seconds")
    if setting.throttling_burst_limit < -1 or setting.throttling_rate_limit < -1:
        raise BadRequestException("Throttling limits must not be negative")
