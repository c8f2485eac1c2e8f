"""The state of an alarm from its data points. Pure.

The last N periods are judged (`EvaluationPeriods`), of which M (`DatapointsToAlarm`) have to breach the threshold.
Where some are missing, CloudWatch looks a little further back; what is still missing then counts as `TreatMissingData`
says. The rules, with the tables that the tests follow:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

# How many periods further back CloudWatch looks for data points that are missing.
LOOK_BACK = 2

# The comparison, and how CloudWatch says it.
COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


class Rule(NamedTuple):
    """`needed` of the last `periods` data points breach the threshold: alarm."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)


class Point(NamedTuple):
    """`at`: the start of its period, in epoch seconds."""

    at: int
    value: float | None


class Verdict(NamedTuple):
    """`points`: those that decided it, the newest first."""

    state: str
    reason: str
    points: tuple[Point, ...] = ()


def judge(rule: Rule, points: Sequence[Point], current: str) -> Verdict:
    """`points`: a point for every period, the oldest first, `LOOK_BACK` more of them than are judged."""
    real = [point for point in points if point.value is not None][-rule.periods :]
    newest = tuple(reversed(real))
    breaching = sum(rule.breaches(point.value) for point in real if point.value is not None)
    fine = len(real) - breaching
    if breaching >= rule.needed:
        return Verdict("ALARM", _crossed(rule, newest, "ALARM", current), newest)
    if real and rule.periods - fine < rule.needed:
        return Verdict("OK", _crossed(rule, newest, "OK", current), newest)
    state = _with_missing(rule, points, breaching, fine, current)
    if not real and state == "INSUFFICIENT_DATA":
        return Verdict(state, f"Insufficient Data: {_counted(rule.periods, 'datapoint')} unknown.")
    if not real:
        return Verdict(state, _nothing_came(rule), ())
    return Verdict(state, _crossed(rule, newest, state, current), newest)


def _with_missing(rule: Rule, points: Sequence[Point], breaching: int, fine: int, current: str) -> str:
    """What is known leaves it open: with all that is missing breaching, it would be an alarm."""
    if rule.missing == "breaching":
        return "ALARM"
    if rule.missing == "notBreaching":
        return "OK"
    if fine:
        return "OK"
    if rule.missing == "missing" and _old_enough(rule, points):
        return "ALARM"
    if rule.missing == "ignore" or breaching:
        return current
    return "INSUFFICIENT_DATA"


def _old_enough(rule: Rule, points: Sequence[Point]) -> bool:
    """Whether the oldest data point of the last N periods is so old that M periods have passed since it breached."""
    ages = [age for age, point in enumerate(reversed(points[-rule.periods :]), 1) if point.value is not None]
    return max(ages, default=0) >= rule.needed


def _crossed(rule: Rule, newest: Sequence[Point], state: str, current: str) -> str:
    alarm = state == "ALARM"
    told = [point for point in newest if point.value is not None and rule.breaches(point.value) == alarm] or newest
    verb = f"{'was' if len(told) == 1 else 'were'}{'' if alarm else ' not'}"
    needed = rule.needed if alarm else rule.periods - rule.needed + 1
    values = ", ".join(f"{point.value} ({_time(point.at)})" for point in told)
    words = COMPARISONS[rule.comparison][1]
    moved = "" if state == current else f" (minimum {_datapoints(needed)} for {_before(state)} -> {state} transition)"
    return (
        f"Threshold Crossed: {len(told)} out of the last {rule.periods} datapoints [{values}] {verb} {words} the "
        f"threshold ({rule.threshold}){moved}."
    )


def _nothing_came(rule: Rule) -> str:
    treated = {"breaching": "Breaching", "notBreaching": "NonBreaching", "ignore": "Ignore"}[rule.missing]
    periods = "1 period" if rule.periods == 1 else f"{rule.periods} periods"
    return (
        f"Threshold Crossed: no datapoints were received for {periods} and {_datapoints(rule.periods, 'missing ')} "
        f"{'was' if rule.periods == 1 else 'were'} treated as [{treated}]."
    )


def _before(state: str) -> str:
    return "OK" if state == "ALARM" else "ALARM"


def _datapoints(count: int, kind: str = "") -> str:
    return f"{count} {kind}datapoint{'' if count == 1 else 's'}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what} was" if count == 1 else f"{count} {what}s were"


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d/%m/%y %H:%M:%S}"
