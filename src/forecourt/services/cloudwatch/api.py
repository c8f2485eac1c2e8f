"""The operations of CloudWatch over `telemetry.Metrics`: put, list, statistics, and GetMetricData with metric math."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.cloudwatch.data import DataQueries
from forecourt.services.cloudwatch.datum import dimensions, epoch, statistic_set, timestamp
from forecourt.services.cloudwatch.errors import (
    InvalidNextToken,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from forecourt.services.cloudwatch.keep import MetricsKeeper
from forecourt.telemetry.metrics import MetricId, Metrics, Series, by_period
from forecourt.telemetry.statistics import StatisticSet, need_extended

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as aws

_MOST_DATA = 1000
_MOST_DATAPOINTS = 1440
_PAGE = 500
_RECENT_SECONDS = 3 * 3600


class MetricsApi:
    def __init__(self, metrics: Metrics, keeper: MetricsKeeper, clock: Clock) -> None:
        self._metrics = metrics
        self._keeper = keeper
        self._clock = clock

    @operation("PutMetricData")
    async def put_metric_data(self, context: CallContext, request: aws.PutMetricDataInputTypeDef) -> None:
        namespace = request["Namespace"]
        if namespace.startswith("AWS/"):
            raise InvalidParameterValueException(f"The value {namespace} for parameter Namespace is invalid.")
        given: list[Mapping[str, Any]] = [*request.get("MetricData", ())]
        for entity in request.get("EntityMetricData", ()):
            given += entity.get("MetricData", ())
        if not given:
            raise MissingRequiredParameterException("The parameter MetricData is required.")
        if len(given) > _MOST_DATA:
            raise InvalidParameterValueException(
                f"The collection MetricData must not have a size greater than {_MOST_DATA}."
            )
        # All are checked before the first is kept: a bad request changes nothing.
        for datum, values, at in [self._checked(datum, number) for number, datum in enumerate(given, 1)]:
            metric_id = MetricId(
                context.account, context.region, namespace, datum["MetricName"], dimensions(datum.get("Dimensions"))
            )
            self._metrics.put(metric_id, at, values, datum.get("Unit", "None"))
        await self._keeper.keep()

    @operation("ListMetrics")
    async def list_metrics(self, context: CallContext, request: aws.ListMetricsInputTypeDef) -> dict[str, Any]:
        recent = self._clock.now() - _RECENT_SECONDS if request.get("RecentlyActive") else 0
        wanted = [
            series.id
            for series in self._metrics.series(context.account, context.region)
            if _fits(series.id, request) and (not recent or max(series.sets) * 60 >= recent)
        ]
        after = _after(request.get("NextToken"))
        found = sorted((metric_id for metric_id in wanted if _position(metric_id) > after), key=_position)
        answer: dict[str, Any] = {"Metrics": [_metric(metric_id) for metric_id in found[:_PAGE]]}
        if len(found) > _PAGE:
            answer["NextToken"] = encode_token(_position(found[_PAGE - 1]))
        return answer

    @operation("GetMetricStatistics")
    async def get_metric_statistics(
        self, context: CallContext, request: aws.GetMetricStatisticsInputTypeDef
    ) -> dict[str, Any]:
        start, end, period = epoch(request["StartTime"]), epoch(request["EndTime"]), request["Period"]
        start -= start % 60
        statistics, percentiles = request.get("Statistics", ()), request.get("ExtendedStatistics", ())
        _check_range(start, end, period)
        if not statistics and not percentiles:
            raise MissingRequiredParameterException("Must specify either Statistics or ExtendedStatistics")
        for name in percentiles:
            _check_percentile(name)
        series = self._metrics.get(
            MetricId(
                context.account,
                context.region,
                request["Namespace"],
                request["MetricName"],
                dimensions(request.get("Dimensions")),
            )
        )
        if series is None or request.get("Unit", series.unit) != series.unit:
            return {"Label": request["MetricName"], "Datapoints": []}
        points = by_period(series, start, end, period, int(start))
        return {
            "Label": request["MetricName"],
            "Datapoints": [_datapoint(series, at, values, statistics, percentiles) for at, values in points.items()],
        }

    @operation("GetMetricData")
    async def get_metric_data(self, context: CallContext, request: aws.GetMetricDataInputTypeDef) -> dict[str, Any]:
        return DataQueries(self._metrics, context.account, context.region, request).answer()

    def _checked(self, datum: Mapping[str, Any], number: int) -> tuple[Mapping[str, Any], StatisticSet, float]:
        name = f"MetricData.member.{number}"
        return datum, statistic_set(datum, name), timestamp(datum, self._clock.now(), name)


def _fits(metric_id: MetricId, request: aws.ListMetricsInputTypeDef) -> bool:
    if request.get("Namespace", metric_id.namespace) != metric_id.namespace:
        return False
    if request.get("MetricName", metric_id.name) != metric_id.name:
        return False
    has = dict(metric_id.dimensions)
    return all(
        wanted["Name"] in has and wanted.get("Value", has[wanted["Name"]]) == has[wanted["Name"]]
        for wanted in request.get("Dimensions", ())
    )


def _metric(metric_id: MetricId) -> dict[str, Any]:
    return {
        "Namespace": metric_id.namespace,
        "MetricName": metric_id.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric_id.dimensions],
    }


def _position(metric_id: MetricId) -> tuple[str, ...]:
    return (metric_id.namespace, metric_id.name, *(text for one in metric_id.dimensions for text in one))


def _after(token: str | None) -> tuple[str, ...]:
    try:
        return decode_token(token) if token else ()
    except ValueError:
        raise InvalidNextToken("The specified NextToken is invalid.") from None


def _check_range(start: float, end: float, period: int) -> None:
    if start >= end:
        raise InvalidParameterCombinationException("The parameter StartTime must be less than the parameter EndTime.")
    if period % 60 and period not in (1, 5, 10, 20, 30):
        raise InvalidParameterValueException("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    points = int((end - start) // period)
    if points > _MOST_DATAPOINTS:
        raise InvalidParameterCombinationException(
            f"You have requested up to {points:,} datapoints, which exceeds the limit of {_MOST_DATAPOINTS:,}. You may "
            "reduce the datapoints requested by increasing Period, or decreasing the time range."
        )


def _check_percentile(name: str) -> None:
    try:
        need_extended(name)
    except ValueError:
        raise InvalidParameterValueException(
            f"The value {name} for parameter ExtendedStatistics is not supported."
        ) from None


def _datapoint(
    series: Series, at: int, values: StatisticSet, statistics: Sequence[str], percentiles: Sequence[str]
) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": at, "Unit": series.unit}
    point |= {name: values.statistic(name) for name in statistics}
    known = {name: values.statistic(name) for name in percentiles}
    extended = {name: value for name, value in known.items() if value is not None}
    return point | ({"ExtendedStatistics": extended} if extended else {})
