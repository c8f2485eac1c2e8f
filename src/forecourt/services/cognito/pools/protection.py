"""The settings of threat protection, of log delivery, of request rates, and the events that were recorded."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.model import AuthEvent, Pool, RiskConfiguration
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.pools.pool_rules import require_feature
from forecourt.services.cognito.pools.pools import change_pool
from forecourt.services.cognito.quotas import ADJUSTABLE, DEFAULT_RATES, Quotas
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.threat import feedback
from forecourt.services.cognito.threat.protection import mode

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_DOCUMENTS = (
    "CompromisedCredentialsRiskConfiguration",
    "AccountTakeoverRiskConfiguration",
    "RiskExceptionConfiguration",
)


class ProtectionApi:
    def __init__(self, records: Records, quotas: Quotas) -> None:
        self._records = records
        self._quotas = quotas

    @operation("SetRiskConfiguration")
    async def set_risk_configuration(
        self, context: CallContext, request: t.SetRiskConfigurationRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        _check_protected(pool)
        given: Mapping[str, Any] = request
        settings = {name: given[name] for name in _DOCUMENTS if given.get(name)}
        _check_ranges(settings.get("RiskExceptionConfiguration", {}))
        configuration = RiskConfiguration(
            pool_id=pool.id,
            client_id=request.get("ClientId", "ALL"),
            modified_at=self._records.clock.now(),
            settings=settings,
        )
        await self._records.store.write(lambda tx: tx.put(configuration))
        return {"RiskConfiguration": _shown_risk(configuration)}

    @operation("DescribeRiskConfiguration")
    async def describe_risk_configuration(
        self, context: CallContext, request: t.DescribeRiskConfigurationRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        _check_protected(pool)
        found = await self._records.store.get(RiskConfiguration, pool.id, request.get("ClientId", "ALL"))
        return {"RiskConfiguration": _shown_risk(found) if found else {"UserPoolId": pool.id}}

    @operation("SetLogDeliveryConfiguration")
    async def set_log_delivery_configuration(
        self, context: CallContext, request: t.SetLogDeliveryConfigurationRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        _check_logs(pool, request["LogConfigurations"])

        def change(current: Pool) -> None:
            current.log_configurations = [dict(c) for c in request["LogConfigurations"]]

        return _shown_logs(await change_pool(self._records, pool, change))

    @operation("GetLogDeliveryConfiguration")
    async def get_log_delivery_configuration(
        self, context: CallContext, request: t.GetLogDeliveryConfigurationRequestTypeDef
    ) -> dict[str, Any]:
        return _shown_logs(await self._records.pool(context, request["UserPoolId"]))

    @operation("GetProvisionedLimit")
    async def get_provisioned_limit(self, context: CallContext, request: Any) -> dict[str, Any]:
        return {"Limit": self._limit(_category(request["LimitDefinition"]), request["LimitDefinition"])}

    @operation("UpdateProvisionedLimit")
    async def update_provisioned_limit(self, context: CallContext, request: Any) -> dict[str, Any]:
        category = _category(request["LimitDefinition"])
        if category not in ADJUSTABLE:
            raise errors.InvalidParameterException(f"The rate of {category} requests is not adjustable.")
        if request["RequestedLimitValue"] < DEFAULT_RATES[category]:
            raise errors.InvalidParameterException("The requested limit is below the free limit.")
        self._quotas.rates[category] = request["RequestedLimitValue"]
        return {"Limit": self._limit(category, request["LimitDefinition"])}

    @operation("AdminListUserAuthEvents")
    async def admin_list_user_auth_events(
        self, context: CallContext, request: t.AdminListUserAuthEventsRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        _check_protected(pool)
        user = await self._records.user(pool, request["Username"])
        size = request.get("MaxResults") or paging.LARGEST_PAGE
        found = await self._records.store.list(
            AuthEvent, pool.id, user.key, after=paging.after(request.get("NextToken")), limit=size + 1, reverse=True
        )
        events, token = paging.cut(found, size)
        return paging.with_token({"AuthEvents": [_shown_event(event) for event in events]}, "NextToken", token)

    @operation("AdminUpdateAuthEventFeedback")
    async def admin_update_auth_event_feedback(
        self, context: CallContext, request: t.AdminUpdateAuthEventFeedbackRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        _check_protected(pool)
        user = await self._records.user(pool, request["Username"])
        await feedback.note(self._records, pool.id, user.key, request["EventId"], request["FeedbackValue"], "Admin")
        return {}

    @operation("UpdateAuthEventFeedback")
    async def update_auth_event_feedback(
        self, context: CallContext, request: t.UpdateAuthEventFeedbackRequestTypeDef
    ) -> dict[str, Any]:
        """Unsigned: the token, which stands in the links of a notice, is the right to speak of that one event."""
        pool = await self._records.find_pool(request["UserPoolId"])
        if pool is None:
            raise errors.pool_not_found(request["UserPoolId"])
        _check_protected(pool)
        token = feedback.open_token(self._records, request["FeedbackToken"])
        user = await self._records.find_user(pool, request["Username"])
        if user is None or (token.pool_id, token.user_key, token.event_id) != (pool.id, user.key, request["EventId"]):
            raise errors.NotAuthorizedException("Invalid feedback token.")
        await feedback.note(self._records, pool.id, user.key, token.event_id, request["FeedbackValue"], "User")
        return {}

    def _limit(self, category: str, definition: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "LimitDefinition": dict(definition),
            "ProvisionedLimitValue": self._quotas.rates[category],
            "FreeLimitValue": DEFAULT_RATES[category],
        }


def _category(definition: Mapping[str, Any]) -> str:
    category = str(definition["Attributes"].get("Category", ""))
    if category not in DEFAULT_RATES:
        raise errors.ResourceNotFoundException(f"There is no category {category!r}.")
    return category


def _check_protected(pool: Pool) -> None:
    if mode(pool) == "OFF":
        raise errors.UserPoolAddOnNotEnabledException("Advanced security is not enabled for this user pool.")


def _check_ranges(exceptions: Mapping[str, Any]) -> None:
    for name in ("BlockedIPRangeList", "SkippedIPRangeList"):
        for text in exceptions.get(name, ()):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                raise errors.InvalidParameterException(f"{text} is not a valid CIDR range.") from None


def _shown_risk(configuration: RiskConfiguration) -> dict[str, Any]:
    client = {} if configuration.client_id == "ALL" else {"ClientId": configuration.client_id}
    shown = {"UserPoolId": configuration.pool_id, **client, **configuration.settings}
    return {**shown, "LastModifiedDate": configuration.modified_at}


def _check_logs(pool: Pool, configurations: Sequence[Mapping[str, Any]]) -> None:
    sources = [configuration["EventSource"] for configuration in configurations]
    if len(set(sources)) != len(sources):
        raise errors.InvalidParameterException("Following event sources appear more then once in a request")
    if "userAuthEvents" in sources:
        require_feature(pool.settings["UserPoolTier"], ("PLUS",), "Log Streaming")
    for configuration in configurations:
        _check_log(pool, configuration)


def _check_log(pool: Pool, configuration: Mapping[str, Any]) -> None:
    """Errors of delivery go to a log group and nowhere else; what users do is information."""
    source = configuration["EventSource"]
    group = configuration.get("CloudWatchLogsConfiguration", {}).get("LogGroupArn", "")
    if group and group.split(":")[3] != pool.region:
        raise errors.InvalidParameterException("ARN does not belong to current region")
    if configuration["LogLevel"] != _LEVEL_OF_SOURCE[source]:
        raise errors.InvalidParameterException(f"Invalid log level for event source {source}.")
    if source == "userNotification" and not configuration.get("CloudWatchLogsConfiguration"):
        raise errors.InvalidParameterException(f"Event source {source} can only be delivered to CloudWatch Logs.")


_LEVEL_OF_SOURCE = {"userNotification": "ERROR", "userAuthEvents": "INFO"}


def _shown_logs(pool: Pool) -> dict[str, Any]:
    return {"LogDeliveryConfiguration": {"UserPoolId": pool.id, "LogConfigurations": pool.log_configurations}}


def _shown_event(event: AuthEvent) -> dict[str, Any]:
    compromised = {} if event.compromised is None else {"CompromisedCredentialsDetected": event.compromised}
    level = {"RiskLevel": event.risk_level} if event.risk_level else {}
    return {
        "EventId": event.event_id,
        "EventType": event.type,
        "CreationDate": event.created_at,
        "EventResponse": event.response,
        "EventRisk": {"RiskDecision": event.risk_decision, **level, **compromised},
        "ChallengeResponses": event.challenges,
        "EventContextData": {"IpAddress": event.ip, "DeviceName": event.device_name},
        **({"EventFeedback": event.feedback} if event.feedback else {}),
    }
