"""Event source mappings: functions fed from SQS queues, Kinesis streams and DynamoDB streams.

`filters` and `events` are pure: which records pass, and the event that a batch becomes. `sqs` and `streams` read a
source, `pollers` sees to it that every enabled mapping has exactly one reader.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
"""
