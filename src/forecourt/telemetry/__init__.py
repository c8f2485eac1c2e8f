"""What happens, kept so that one can ask: metrics, logs and the ids of traces.

`Metrics` (a `MetricSink`) counts in memory, `LogStore` (a `LogSink`) keeps log events in segment files; the services
`cloudwatch` and `logs` answer from them, `prometheus.exposition` prints them. `process_log` is Forecourt's own log.
"""
