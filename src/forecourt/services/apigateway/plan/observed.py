"""What is seen of a REST API's stage: which metrics its requests are tallied in, and which logs they are written to."""

from __future__ import annotations

from msgspec.structs import replace

from forecourt.services.apigateway.plan.execution_logs import Logged, execution_log
from forecourt.services.apigateway.plan.logs import Log, access_log
from forecourt.services.apigateway.plan.messages import Served
from forecourt.services.apigateway.plan.meter import Tally
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import (
    AccessLogSettings,
    Method,
    MethodSetting,
    Resource,
    Stage,
    method_setting,
)


class Observed:
    def __init__(self, stage: Stage, served: Served, ports: Ports) -> None:
        self._stage = stage
        self._served = served
        self._ports = ports

    def tally(self, resource: Resource | None = None, method: Method | None = None) -> Tally:
        served = self._served
        by_api = (("ApiName", served.api_name),)
        by_stage = (*by_api, ("Stage", served.stage))
        dimensions = [by_api, by_stage]
        if served.is_canary:
            dimensions.append((*by_api, ("Stage", f"{served.stage}/Canary")))
        if resource is not None and method is not None:
            verb = method.http_method
            if method_setting(self._stage, resource.path, verb).metrics_enabled:
                dimensions.append((*by_stage, ("Resource", resource.path), ("Method", verb)))
        return Tally(self._ports.meter, tuple((served.account, served.region, names) for names in dimensions))

    def logs(self, setting: MethodSetting, logged: Logged) -> tuple[Log, ...]:
        access, served, ports = self._stage.access_log_settings, self._served, self._ports
        found = [access_log(access, served, ports), execution_log(setting, logged, served, ports.logs)]
        if served.is_canary:
            found += [
                access_log(_of_canary(access), served, ports),
                execution_log(setting, logged, replace(served, stage=f"{served.stage}/Canary"), ports.logs),
            ]
        return tuple(log for log in found if log is not None)


def _of_canary(settings: AccessLogSettings | None) -> AccessLogSettings | None:
    """A canary's requests are logged once more, in a group of their own."""
    if settings is None or not settings.destination_arn:
        return None
    return replace(settings, destination_arn=f"{settings.destination_arn.removesuffix(':*')}/Canary")
