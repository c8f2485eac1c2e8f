"""API keys, usage plans and what of a quota is left."""

from __future__ import annotations

import msgspec

from forecourt.services.apigateway.rest import patch
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.model import ThrottleSettings
from forecourt.services.apigateway.rest.patch import (
    Data,
    Edit,
    Operation,
    Parse,
    Rule,
    elements,
    flag,
    inside,
    integer,
    member,
    number,
    without,
)
from forecourt.services.apigateway.rest.patches.rows import ADD_REMOVE, ANY, REPLACE, SET, members, table


def _unseen(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """What AWS takes and shows nowhere."""


API_KEY = table(
    patch.listed,
    *members("name", "description"),
    Rule("/enabled", REPLACE, member("enabled", flag)),
    *members("customerId"),
    Rule("/stages", ADD_REMOVE, elements("stageKeys")),
    Rule("/labels", ADD_REMOVE, _unseen),
)


def _api_stage(given: str | None) -> Data:
    api_id, _, stage = (given or "").partition(":")
    if not api_id or not stage:
        raise BadRequestException("Invalid API Stage specified")
    return {"apiId": api_id, "stage": stage.partition(":")[0]}


def _api_stages(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """`op=add path=/apiStages value=a1b2c3d4e5:prod`."""
    given = _api_stage(operation.value)
    stages: list[Data] = data["apiStages"]
    others = [stage for stage in stages if not _same(stage, given)]
    if operation.op == "remove":
        if len(others) == len(stages):
            described = f"{{api: {given['apiId']}, stage: {given['stage']}}}"
            raise NotFoundException(f"Invalid API Stage {described} specified for usageplan {data['id']}")
        data["apiStages"] = others
    elif len(others) == len(stages):
        stages.append(given)


def _same(stage: Data, other: Data) -> bool:
    return (stage["apiId"], stage["stage"]) == (other["apiId"], other["stage"])


def _stage_of_plan(data: Data, key: str) -> Data:
    given = _api_stage(key)
    stages: list[Data] = data["apiStages"]
    for stage in stages:
        if _same(stage, given):
            return stage
    raise BadRequestException(f"Usage plan does not contain the API stage {key}")


def _stage_throttle(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    _stage_of_plan(data, keys[0])["throttle"] = None


def _stage_throttles(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    """All methods at once: `{"/pets/GET": {"rateLimit": 10, "burstLimit": 5}}`."""
    try:
        limits = msgspec.convert(patch.json_object(operation.value), dict[str, ThrottleSettings])
    except msgspec.ValidationError:
        raise BadRequestException("Invalid patch value specified. Must be the throttle settings of methods") from None
    throttles = {_throttle_key(method): msgspec.to_builtins(limit) for method, limit in limits.items()}
    _stage_of_plan(data, keys[0])["throttle"] = throttles


def _method_throttle(name: str, parse: Parse) -> Edit:
    """`op=replace path=/apiStages/a1b2c3d4e5:prod/throttle/~1pets/GET/rateLimit value=10`."""

    def edit(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
        throttle = inside(_stage_of_plan(data, keys[0]), ["throttle", _throttle_key(keys[1])])
        throttle[name] = parse(operation.value)

    return edit


def _remove_method_throttle(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    stage = _stage_of_plan(data, keys[0])
    throttles = stage.get("throttle") or {}
    throttles.pop(_throttle_key(keys[1]), None)
    stage["throttle"] = throttles or None


def _throttle_key(given: str) -> str:
    return f"/{given.lstrip('/')}"


_RATE = number("Usage Plan throttle rate limit must be a number")
_BURST = integer("Usage Plan throttle burst limit must be an integer")
_QUOTA = integer("Usage Plan quota limit must be an integer")
_OFFSET = integer("Usage Plan quota offset must be an integer")

# AWS's own spelling
_LISTED_STAGE = "/apiStages/<apidId:stageName>/throttle"
_LISTED_METHOD = f"{_LISTED_STAGE}/<resourcePath>/<httpMethod>"


def _method_limit(name: str, parse: Parse) -> Rule:
    path = f"/apiStages/{{apiStage}}/throttle/{{method+}}/{name}"
    return Rule(path, SET, _method_throttle(name, parse), f"{_LISTED_METHOD}/{name}")


USAGE_PLAN = table(
    patch.listed,
    *members("name", "description"),
    Rule("/apiStages", ADD_REMOVE, _api_stages),
    Rule("/quota", ("remove",), without("quota")),
    Rule("/quota/limit", SET, member("quota/limit", _QUOTA)),
    Rule("/quota/offset", SET, member("quota/offset", _OFFSET)),
    Rule("/quota/period", SET, member("quota/period")),
    Rule("/throttle", ("remove",), without("throttle")),
    Rule("/throttle/rateLimit", SET, member("throttle/rateLimit", _RATE)),
    Rule("/throttle/burstLimit", SET, member("throttle/burstLimit", _BURST)),
    *members("productCode", ops=ANY),
    _method_limit("rateLimit", _RATE),
    _method_limit("burstLimit", _BURST),
    Rule("/apiStages/{apiStage}/throttle/{method+}", ("remove",), _remove_method_throttle, _LISTED_METHOD),
    Rule("/apiStages/{apiStage}/throttle", ("remove",), _stage_throttle, _LISTED_STAGE),
    Rule("/apiStages/{apiStage}/throttle", SET, _stage_throttles, _LISTED_STAGE),
)

USAGE = table(
    patch.listed,
    Rule("/remaining", REPLACE, member("remaining", integer("Invalid remaining quota specified"))),
)
