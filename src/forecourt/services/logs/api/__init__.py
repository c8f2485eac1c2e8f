"""The operations of CloudWatch Logs: groups and streams, events, filters, policies, tags."""
