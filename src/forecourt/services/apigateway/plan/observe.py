"""What is counted of a request that was answered: CloudWatch's metrics of `AWS/ApiGateway`.

By API and by stage always; by resource and method where the method's settings ask for detailed metrics.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

from forecourt.services.apigateway.plan.messages import MethodRequest, MethodResponse, Served
from forecourt.services.apigateway.plan.ports import Ports
from forecourt.services.apigateway.rest.model import Stage, method_setting

_NAMESPACE = "AWS/ApiGateway"
Dimensions = tuple[tuple[str, str], ...]


class Observer:
    def __init__(self, served: Served, stage: Stage, ports: Ports) -> None:
        self._account = served.account
        self._region = served.region
        self._record = ports.metrics.record
        by_api: Dimensions = (("ApiName", served.api_name),)
        by_stage: Dimensions = (*by_api, ("Stage", served.stage))
        self._by_stage = by_stage
        self._plain = (by_api, by_stage)
        self._stage = stage
        # By resource path and method, filled as they are called: a stage has a bounded number of methods.
        self._dimensions: dict[tuple[str, str], tuple[Dimensions, ...]] = {}

    def __call__(self, request: MethodRequest, response: MethodResponse, latency_ms: float) -> None:
        record, account, region, status = self._record, self._account, self._region, response.status
        backend_ms = response.integration_latency_ms
        for dimensions in self._dimensions_of(request):
            record(account, region, _NAMESPACE, "Count", dimensions, 1.0)
            record(account, region, _NAMESPACE, "Latency", dimensions, latency_ms)
            record(account, region, _NAMESPACE, "4XXError", dimensions, 1.0 if 400 <= status < 500 else 0.0)
            record(account, region, _NAMESPACE, "5XXError", dimensions, 1.0 if status >= 500 else 0.0)
            if backend_ms:
                record(account, region, _NAMESPACE, "IntegrationLatency", dimensions, backend_ms)

    def _dimensions_of(self, request: MethodRequest) -> tuple[Dimensions, ...]:
        if not request.resource_path:
            return self._plain
        key = (request.resource_path, request.method)
        known = self._dimensions.get(key)
        if known is None:
            known = self._plain
            if method_setting(self._stage, *key).metrics_enabled:
                by_method = (*self._by_stage, ("Resource", key[0]), ("Method", key[1]))
                known = (*known, by_method)
            if len(self._dimensions) < 4096:
                self._dimensions[key] = known
        return known
