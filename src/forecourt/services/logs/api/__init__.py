"""The operations of CloudWatch Logs: groups and streams, events, tags."""
