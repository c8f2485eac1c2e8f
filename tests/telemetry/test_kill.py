"""What logs and metrics acknowledged is there after `kill -9` of the server."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forecourt.testing import Forecourt


def test_logs_and_metrics_survive_a_kill(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path / "data") as server:
        logs, cloudwatch = server.client("logs"), server.client("cloudwatch")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        now = int(time.time() * 1000)
        for n in range(20):
            event = {"timestamp": now + n, "message": f"{n}"}
            logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[event])
            cloudwatch.put_metric_data(Namespace="App", MetricData=[{"MetricName": "m", "Value": 1.0}])
        server.kill()
        server.start()
        got = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)["events"]
        assert [event["message"] for event in got] == [f"{n}" for n in range(20)]
        points = cloudwatch.get_metric_statistics(
            Namespace="App",
            MetricName="m",
            Period=3600,
            Statistics=["Sum"],
            StartTime=datetime.now(UTC) - timedelta(minutes=30),
            EndTime=datetime.now(UTC) + timedelta(minutes=2),
        )["Datapoints"]
        assert sum(point["Sum"] for point in points) == 20
