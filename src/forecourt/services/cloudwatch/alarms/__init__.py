"""Alarms: what is kept of them, when they change their state (`judge`, pure), and who is told.

`watch` looks at every alarm once a minute and does what `actions` say; `api` has the operations.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""
