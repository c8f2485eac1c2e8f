"""AWS::Logs::* and AWS::CloudWatch::*: log groups with their streams and filters, alarms, dashboards."""

from __future__ import annotations

from forecourt.services.cloudformation.resources.simple import Name, Simple
from forecourt.services.cloudformation.resources.work import Handler, Made, Properties, Work

_ARN = "=arn:aws:logs:{region}:{account}:log-group:{id}"


class LogGroup(Simple, frozen=True, kw_only=True):
    """With how long it keeps events."""

    async def create(self, work: Work, properties: Properties) -> Made:
        own = {name: value for name, value in properties.items() if name != "RetentionInDays"}
        made = await super().create(work, own)
        async with work.undone(self, made.physical_id, properties):
            await self._retain(work, made.physical_id, properties)
        return made

    async def update(self, work: Work, physical_id: str, old: Properties, new: Properties) -> Made:
        if old.get("RetentionInDays") != new.get("RetentionInDays"):
            await self._retain(work, physical_id, new)
        before = {name: value for name, value in old.items() if name != "RetentionInDays"}
        after = {name: value for name, value in new.items() if name != "RetentionInDays"}
        return await super().update(work, physical_id, before, after)

    async def _retain(self, work: Work, name: str, properties: Properties) -> None:
        days = properties.get("RetentionInDays")
        if days is None:
            await work.gone("logs", "DeleteRetentionPolicy", logGroupName=name)
        else:
            await work.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=int(days))


_FILTER = {"logGroupName": ":LogGroupName", "filterName": "@"}

TYPES: dict[str, Handler] = {
    "AWS::Logs::LogGroup": LogGroup(
        service="logs",
        makes="CreateLogGroup",
        id=":LogGroupName",
        deletes="DeleteLogGroup",
        keys={"logGroupName": "@"},
        attributes={"Arn": f"{_ARN}:*"},
        name=Name("LogGroupName", 512),
        tag_arn=_ARN,
    ),
    "AWS::Logs::LogStream": Simple(
        service="logs",
        makes="CreateLogStream",
        id=":LogStreamName",
        deletes="DeleteLogStream",
        keys={"logGroupName": ":LogGroupName", "logStreamName": "@"},
        name=Name("LogStreamName", 512),
    ),
    "AWS::Logs::MetricFilter": Simple(
        service="logs",
        makes="PutMetricFilter",
        id=":FilterName",
        changes="PutMetricFilter",
        deletes="DeleteMetricFilter",
        keys=_FILTER,
        name=Name("FilterName", 512),
    ),
    "AWS::Logs::SubscriptionFilter": Simple(
        service="logs",
        makes="PutSubscriptionFilter",
        id=":FilterName",
        changes="PutSubscriptionFilter",
        deletes="DeleteSubscriptionFilter",
        keys=_FILTER,
        name=Name("FilterName", 512),
    ),
    "AWS::Logs::ResourcePolicy": Simple(
        service="logs",
        makes="PutResourcePolicy",
        id=":PolicyName",
        changes="PutResourcePolicy",
        deletes="DeleteResourcePolicy",
        keys={"policyName": "@"},
    ),
    "AWS::CloudWatch::Alarm": Simple(
        service="cloudwatch",
        makes="PutMetricAlarm",
        id=":AlarmName",
        changes="PutMetricAlarm",
        deletes="DeleteAlarms",
        keys={"AlarmNames": "[@]"},
        attributes={"Arn": "=arn:aws:cloudwatch:{region}:{account}:alarm:{id}"},
        name=Name("AlarmName", 255),
        tag_arn="=arn:aws:cloudwatch:{region}:{account}:alarm:{id}",
    ),
    "AWS::CloudWatch::CompositeAlarm": Simple(
        service="cloudwatch",
        makes="PutCompositeAlarm",
        id=":AlarmName",
        changes="PutCompositeAlarm",
        deletes="DeleteAlarms",
        keys={"AlarmNames": "[@]"},
        attributes={"Arn": "=arn:aws:cloudwatch:{region}:{account}:alarm:{id}"},
        name=Name("AlarmName", 255),
        tag_arn="=arn:aws:cloudwatch:{region}:{account}:alarm:{id}",
    ),
    "AWS::CloudWatch::Dashboard": Simple(
        service="cloudwatch",
        makes="PutDashboard",
        id=":DashboardName",
        changes="PutDashboard",
        deletes="DeleteDashboards",
        keys={"DashboardNames": "[@]"},
        name=Name("DashboardName", 255),
    ),
}
