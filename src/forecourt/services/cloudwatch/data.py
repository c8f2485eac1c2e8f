"""GetMetricData: several queries over one time, each a metric's statistic or an expression over other queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forecourt.base.paging import decode_token, encode_token
from forecourt.services.cloudwatch.datum import dimensions, epoch
from forecourt.services.cloudwatch.errors import InvalidNextToken, ValidationError
from forecourt.services.cloudwatch.metric_math import BadExpression, Environment, Result, Series, evaluate
from forecourt.telemetry.metrics import MetricId, Metrics, by_period
from forecourt.telemetry.statistics import STATISTICS, need_extended

_MOST_QUERIES = 500
_MOST_DATAPOINTS = 100_800
_DEFAULT_PERIOD = 60


class DataQueries:
    """One request. Queries are worked out when they are first asked for, by the answer or by an expression. Periods are
    counted from `origin` on."""

    def __init__(
        self, metrics: Metrics, account: str, region: str, request: Mapping[str, Any], origin: int = 0
    ) -> None:
        self._metrics = metrics
        self._origin = origin
        self._scope = (account, region)
        self._start, self._end = epoch(request["StartTime"]), epoch(request["EndTime"])
        self._descending = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        self._most: int = request.get("MaxDatapoints", _MOST_DATAPOINTS)
        self._offset = _offset(request.get("NextToken"))
        self._queries: dict[str, Mapping[str, Any]] = {}
        self._values: dict[str, Result] = {}
        self._under_way: set[str] = set()
        for query in request["MetricDataQueries"]:
            self._admit(query)

    def answer(self) -> dict[str, Any]:
        if self._start >= self._end:
            raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
        results, more = [], False
        for query in self._queries.values():
            value = self._value(query["Id"])
            if query.get("ReturnData", True):
                for number, series in enumerate(self._shown(value)):
                    result, cut = self._result(query, series, number)
                    results.append(result)
                    more = more or cut
        answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
        return answer | ({"NextToken": encode_token((str(self._offset + self._page),))} if more else {})

    @property
    def _page(self) -> int:
        """Data points of each result on a page: the limit is for all of them."""
        return max(1, self._most // max(1, len(self._queries)))

    def _admit(self, query: Mapping[str, Any]) -> None:
        name = query["Id"]
        if not (name[0].islower() and name.replace("_", "a").isalnum() and name.isascii()):
            raise ValidationError(f"The value {name} for parameter MetricDataQueries.member.Id is invalid.")
        if name in self._queries:
            raise ValidationError(f"The ID '{name}' is used more than once.")
        if ("MetricStat" in query) == ("Expression" in query):
            raise ValidationError(f"Specify either MetricStat or Expression for the query '{name}'.")
        if len(self._queries) == _MOST_QUERIES:
            raise ValidationError(f"MetricDataQueries must not have more than {_MOST_QUERIES} members.")
        self._queries[name] = query

    def _value(self, name: str) -> Result:
        if name not in self._queries:
            raise BadExpression(f"Error in expression: unknown identifier {name}")
        if name not in self._values:
            self._values[name] = self._worked_out(self._queries[name])
        return self._values[name]

    def _worked_out(self, query: Mapping[str, Any]) -> Result:
        if "MetricStat" in query:
            return self._statistic(query["MetricStat"])
        name = query["Id"]
        if name in self._under_way:
            raise ValidationError(f"The expression of '{name}' refers to itself.")
        self._under_way.add(name)
        try:
            return evaluate(query["Expression"], self._environment(query))
        except BadExpression as error:
            raise ValidationError(f"Error in expression '{name}': {error}") from None
        finally:
            self._under_way.discard(name)

    def _environment(self, query: Mapping[str, Any]) -> Environment:
        period = self._period(query)
        first = int(self._start - self._origin) // period * period + self._origin
        end = min(int(self._end), first + period * _MOST_DATAPOINTS)
        return Environment(self._value, self._all_metrics, period, range(first, end, period))

    def _statistic(self, stat: Mapping[str, Any]) -> Series:
        name = stat["Stat"]
        _check_statistic(name)
        metric = stat["Metric"]
        series = self._metrics.get(
            MetricId(
                *self._scope,
                metric.get("Namespace", ""),
                metric.get("MetricName", ""),
                dimensions(metric.get("Dimensions")),
            )
        )
        if series is None or stat.get("Unit", series.unit) != series.unit:
            return {}
        points = by_period(series, self._start, self._end, stat["Period"], self._origin)
        values = {at: values.statistic(name) for at, values in points.items()}
        return {at: value for at, value in values.items() if value is not None}

    def _all_metrics(self) -> dict[str, Series]:
        values = {name: self._value(name) for name, query in self._queries.items() if "MetricStat" in query}
        return {name: value for name, value in values.items() if isinstance(value, dict)}

    def _period(self, query: Mapping[str, Any]) -> int:
        stats = [other["MetricStat"]["Period"] for other in self._queries.values() if "MetricStat" in other]
        return int(query.get("Period") or min(stats, default=_DEFAULT_PERIOD))

    def _shown(self, value: Result) -> list[Series]:
        """A number is shown as a series of one value, at the start."""
        if isinstance(value, list):
            return value
        return [value if isinstance(value, dict) else {int(self._start // 60 * 60): value}]

    def _result(self, query: Mapping[str, Any], series: Series, number: int) -> tuple[dict[str, Any], bool]:
        times = sorted(series, reverse=self._descending)
        page = times[self._offset : self._offset + self._page]
        cut = len(times) > self._offset + self._page
        return {
            "Id": query["Id"],
            "Label": query.get("Label") or _label(query, number),
            "Timestamps": page,
            "Values": [series[at] for at in page],
            "StatusCode": "PartialData" if cut else "Complete",
        }, cut


def _label(query: Mapping[str, Any], number: int) -> str:
    if "MetricStat" in query:
        return str(query["MetricStat"]["Metric"].get("MetricName", ""))
    return f"{query['Id']}{f' {number + 1}' if number else ''}"


def _check_statistic(name: str) -> None:
    if name in STATISTICS:
        return
    try:
        need_extended(name)
    except ValueError:
        raise ValidationError(f"The value {name} for parameter MetricStat.Stat is not supported.") from None


def _offset(token: str | None) -> int:
    try:
        return max(0, int(decode_token(token)[0])) if token else 0
    except (ValueError, IndexError):
        raise InvalidNextToken("The specified NextToken is invalid.") from None
