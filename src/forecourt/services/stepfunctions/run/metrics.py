"""CloudWatch metrics of executions (namespace `AWS/States`).

https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
"""

from __future__ import annotations

from forecourt.base.ports import MetricSink
from forecourt.services.stepfunctions.model import ExecutionRecord

_NAMES = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


class ExecutionMetrics:
    def __init__(self, sink: MetricSink | None) -> None:
        self._sink = sink

    def finished(self, record: ExecutionRecord) -> None:
        if self._sink is None:
            return
        dimensions = (("StateMachineArn", record.machine_arn.partition("#")[0]),)
        milliseconds = (record.stopped_at - record.started_at) * 1000
        for name, value in ((_NAMES[record.status], 1.0), ("ExecutionTime", milliseconds)):
            self._sink.record(record.account, record.region, "AWS/States", name, dimensions, value)
