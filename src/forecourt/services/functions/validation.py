"""What AWS checks beyond its model: ranges, sizes and combinations, each with its wording. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import msgspec

from forecourt.base.errors import NotImplementedYet, ValidationException
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    RequestEntityTooLargeException,
    RequestTooLargeException,
)
from forecourt.services.functions.runtime.spec import family

MAX_ZIP_BYTES = 52_428_800
MAX_VARIABLES_BYTES = 4096
MAX_LAYERS = 5
MAX_POLICY_BYTES = 20_480
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
RESERVED_VARIABLES = frozenset(
    (
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_SECURITY_TOKEN",
    )
)  # fmt: skip
# Features of the newest models that would change how a function runs
_UNSUPPORTED = ("ImageConfig", "TenancyConfig", "CapacityProviderConfig", "DurableConfig", "AcceleratorConfig")
_SNAP_START = re.compile(r"python3\.(1[2-9]|[2-9]\d)")
_SNAP_START_STORAGE_MB = 512
_MAX_ASYNC_BYTES = 1_048_576
_MAX_SYNC_BYTES = 6_291_456


def check_supported(request: Mapping[str, object]) -> None:
    """Refuses what Forecourt would otherwise have to pretend."""
    if request.get("PackageType") == "Image":
        raise InvalidParameterValueException(
            "Forecourt runs functions without a container engine: PackageType Image is not supported. "
            "Use PackageType Zip."
        )
    for name in _UNSUPPORTED:
        if request.get(name):
            raise NotImplementedYet(f"Forecourt does not implement {name} of Lambda functions.")


# Whose programs the runtimes of today can't run.
_GONE = frozenset(("python2.7", "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10"))


def check_runtime(runtime: str | None, handler: str | None) -> None:
    if not runtime or handler is None:
        raise InvalidParameterValueException("Runtime and Handler are mandatory parameters for functions created with "
                                             "deployment packages.")  # fmt: skip
    if runtime in _GONE:
        raise InvalidParameterValueException(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            f"We recommend you use a supported runtime while creating or updating functions."
        )
    if not family(runtime):
        raise InvalidParameterValueException(
            f"Forecourt does not have the runtime {runtime}. Supported are python3.x, nodejs and provided runtimes; "
            "a custom runtime (provided.al2023) can bring any language."
        )


def check_timeout(seconds: int) -> None:
    _check_at_most("timeout", seconds, 900)


def check_memory(megabytes: int) -> None:
    if megabytes > 10_240:
        raise InvalidParameterValueException(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240"
        )


def check_ephemeral_storage(megabytes: int) -> None:
    _check_at_most("ephemeralStorage.size", megabytes, 10_240)


def _check_at_most(member: str, value: int, most: int) -> None:
    if value > most:
        raise ValidationException(
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
            f"Member must have value less than or equal to {most}"
        )


def check_snap_start(runtime: str, ephemeral_storage: int) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes"""
    if not _SNAP_START.fullmatch(runtime):
        raise InvalidParameterValueException(f"{runtime} is not supported for SnapStart enabled functions.")
    if ephemeral_storage > _SNAP_START_STORAGE_MB:
        raise InvalidParameterValueException(
            f"SnapStart does not support ephemeral storage of more than {_SNAP_START_STORAGE_MB} MB."
        )


def check_variables(variables: Mapping[str, str]) -> None:
    reserved = [name for name in variables if name in RESERVED_VARIABLES]
    if reserved:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    if any("\x00" in value for value in variables.values()):
        raise InvalidParameterValueException("Environment variables must not contain null characters.")
    measured = msgspec.json.encode(variables)
    if len(measured) > MAX_VARIABLES_BYTES:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured.decode()}"
        )


def check_layers(arns: Sequence[str]) -> None:
    if len(arns) > MAX_LAYERS:
        raise InvalidParameterValueException("Cannot reference more than 5 layers.")
    layers = [arn.rsplit(":", 1)[0] for arn in arns]
    if len(set(layers)) != len(layers):
        raise InvalidParameterValueException("Two different versions of the same layer are not allowed to be "
                                             "referenced in the same function.")  # fmt: skip


def check_payload(payload: bytes, *, event: bool) -> None:
    """An event is JSON, and not too large for how it is sent."""
    if event and len(payload) > _MAX_ASYNC_BYTES:
        raise RequestEntityTooLargeException(
            f"{len(payload)} byte payload is too large for the Event invocation type (limit {_MAX_ASYNC_BYTES} bytes)"
        )
    if len(payload) > _MAX_SYNC_BYTES:
        raise RequestTooLargeException(
            f"Request must be smaller than {_MAX_SYNC_BYTES} bytes for the InvokeFunction operation"
        )
    try:
        _check_json(payload)
    except ValueError as error:
        raise InvalidRequestContentException(
            f"Could not parse request body into json: Could not parse payload into json: {error}"
        ) from None


def _check_json(payload: bytes) -> None:
    """Raises `ValueError`. An escaped lone surrogate is valid JSON, though msgspec refuses it."""
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except msgspec.DecodeError:
        json.loads(payload, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
