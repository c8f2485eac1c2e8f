"""Metric filters and subscription filters: put, describe, delete."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.errors import NotImplementedYet
from forecourt.services.logs import requests
from forecourt.services.logs.errors import InvalidParameterException
from forecourt.services.logs.filters import Filters, MakeSubscriber
from forecourt.services.logs.model import MetricFilter, SubscriptionFilter
from forecourt.services.logs.pattern import BadPattern, compile_pattern
from forecourt.services.logs.store import LogsStore
from forecourt.services.logs.subscriber import check_destination
from forecourt.store import position

if TYPE_CHECKING:
    from types_boto3_logs import type_defs as aws

F = TypeVar("F", MetricFilter, SubscriptionFilter)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_MOST_METRIC_FILTERS = 100
_MOST_SUBSCRIPTION_FILTERS = 2
_MOST_DIMENSIONS = 3
_PAGE = 50
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# They choose among fields that events have on AWS once they are transformed, and among accounts.
_NOT_YET = ("fieldSelectionCriteria", "emitSystemFields", "emitSystemFieldDimensions")


class FiltersApi:
    def __init__(self, logs: LogsStore, filters: Filters, make_subscriber: MakeSubscriber, clock: Clock) -> None:
        self._logs = logs
        self._filters = filters
        self._make_subscriber = make_subscriber
        self._clock = clock

    @operation("PutMetricFilter")
    async def put_metric_filter(self, context: CallContext, request: aws.PutMetricFilterRequestTypeDef) -> None:
        _check_pattern(request)
        (transformation,) = request["metricTransformations"]
        _check_transformation(transformation)
        wanted = MetricFilter(
            account=context.account,
            region=context.region,
            group=request["logGroupName"],
            name=request["filterName"],
            pattern=request["filterPattern"],
            transformation=dict(transformation),
            created_ms=self._clock.now_ms(),
        )
        await self._logs.put_filter(wanted, _MOST_METRIC_FILTERS)
        await self._filters.refresh(wanted.group_key)

    @operation("DescribeMetricFilters")
    async def describe_metric_filters(
        self, context: CallContext, request: aws.DescribeMetricFiltersRequestTypeDef
    ) -> dict[str, Any]:
        name, namespace = request.get("metricName"), request.get("metricNamespace")
        if (name is None) != (namespace is None):
            raise InvalidParameterException("metricName and metricNamespace must be given together.")

        def counts(filter: MetricFilter) -> bool:
            wanted = filter.transformation
            return name is None or (wanted["metricName"], wanted["metricNamespace"]) == (name, namespace)

        found = [filter for filter in await self._of_group(MetricFilter, context, request) if counts(filter)]
        return _page("metricFilters", found, request, _metric_view)

    @operation("DeleteMetricFilter")
    async def delete_metric_filter(self, context: CallContext, request: aws.DeleteMetricFilterRequestTypeDef) -> None:
        key = (context.account, context.region, request["logGroupName"])
        await self._logs.delete_filter(
            MetricFilter, key, request["filterName"], "The specified metric filter does not exist."
        )
        await self._filters.refresh(key)

    @operation("PutSubscriptionFilter")
    async def put_subscription_filter(
        self, context: CallContext, request: aws.PutSubscriptionFilterRequestTypeDef
    ) -> None:
        _check_pattern(request)
        destination, role = request["destinationArn"], request.get("roleArn", "")
        check_destination(destination, role)
        wanted = SubscriptionFilter(
            account=context.account,
            region=context.region,
            group=request["logGroupName"],
            name=request["filterName"],
            pattern=request["filterPattern"],
            destination_arn=destination,
            role_arn=role,
            distribution=request.get("distribution", "ByLogStream"),
            created_ms=self._clock.now_ms(),
        )
        await self._logs.group(wanted.group_key)
        await self._make_subscriber(wanted).try_out()
        await self._logs.put_filter(wanted, _MOST_SUBSCRIPTION_FILTERS)
        await self._filters.refresh(wanted.group_key)

    @operation("DescribeSubscriptionFilters")
    async def describe_subscription_filters(
        self, context: CallContext, request: aws.DescribeSubscriptionFiltersRequestTypeDef
    ) -> dict[str, Any]:
        found = await self._of_group(SubscriptionFilter, context, request)
        return _page("subscriptionFilters", found, request, _subscription_view)

    @operation("DeleteSubscriptionFilter")
    async def delete_subscription_filter(
        self, context: CallContext, request: aws.DeleteSubscriptionFilterRequestTypeDef
    ) -> None:
        key = (context.account, context.region, request["logGroupName"])
        await self._logs.delete_filter(
            SubscriptionFilter, key, request["filterName"], "The specified filter does not exist."
        )
        await self._filters.refresh(key)

    async def _of_group(self, kind: type[F], context: CallContext, request: Mapping[str, Any]) -> list[F]:
        """Of one group, or of all of the region's."""
        scope: tuple[str, ...] = (context.account, context.region)
        if "logGroupName" in request:
            scope = (await self._logs.group((*scope[:2], request["logGroupName"]))).key
        found = await self._logs.store.list(kind, *scope)
        return [filter for filter in found if filter.name.startswith(request.get("filterNamePrefix", ""))]


def _page(member: str, found: Sequence[F], request: Mapping[str, Any], view: Callable[[F], Any]) -> dict[str, Any]:
    after, limit = requests.page_after(request.get("nextToken")), request.get("limit", _PAGE)
    rest = [filter for filter in found if after is None or position(filter) > after]
    page: dict[str, Any] = {member: [view(filter) for filter in rest[:limit]]}
    return page | ({"nextToken": requests.page_token(position(rest[limit - 1]))} if len(rest) > limit else {})


def _check_pattern(request: Mapping[str, Any]) -> None:
    for member in _NOT_YET:
        if request.get(member):
            raise NotImplementedYet(f"Forecourt does not support {member} of filters yet.")
    if request.get("applyOnTransformedLogs"):
        raise NotImplementedYet("Forecourt has no log transformers yet.")
    try:
        compile_pattern(request["filterPattern"])
    except BadPattern:
        raise InvalidParameterException("Invalid filter pattern") from None


def _check_transformation(transformation: Mapping[str, Any]) -> None:
    value, dimensions = transformation["metricValue"], transformation.get("dimensions") or {}
    if not (value.startswith("$") or _NUMBER.fullmatch(value)):
        raise InvalidParameterException(
            f"Invalid metric transformation: metricValue {value} is no number and no field."
        )
    if dimensions and "defaultValue" in transformation:
        raise InvalidParameterException(
            "Invalid metric transformation: dimensions and default value are mutually exclusive properties."
        )
    if len(dimensions) > _MOST_DIMENSIONS:
        raise InvalidParameterException(
            f"Invalid metric transformation: at most {_MOST_DIMENSIONS} dimensions are allowed."
        )


def _metric_view(filter: MetricFilter) -> dict[str, Any]:
    return {
        "filterName": filter.name,
        "filterPattern": filter.pattern,
        "metricTransformations": [filter.transformation],
        "creationTime": filter.created_ms,
        "logGroupName": filter.group,
        "applyOnTransformedLogs": False,
    }


def _subscription_view(filter: SubscriptionFilter) -> dict[str, Any]:
    view = {
        "filterName": filter.name,
        "logGroupName": filter.group,
        "filterPattern": filter.pattern,
        "destinationArn": filter.destination_arn,
        "distribution": filter.distribution,
        "applyOnTransformedLogs": False,
        "creationTime": filter.created_ms,
    }
    return view | ({"roleArn": filter.role_arn} if filter.role_arn else {})
