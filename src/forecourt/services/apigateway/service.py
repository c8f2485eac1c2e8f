"""API Gateway's data plane: answers invocations of deployed APIs.

It and the control planes meet only in the store: a stage that changes is compiled into a plan (`plan/registry.py`), and
an invocation is answered by the plan that is there (`plan/plan.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable

from forecourt.auth.authenticate import Authenticator
from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import Authorizer, Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink, RoleSessions, TokenVerifier
from forecourt.services.apigateway.authorizers.jwks import IssuerKeys
from forecourt.services.apigateway.authorizers.results import AuthorizerCaches
from forecourt.services.apigateway.http.model import DEFAULT_STAGE
from forecourt.services.apigateway.limits import ACCOUNT_LIMIT, Limit, Throttles, Usage
from forecourt.services.apigateway.plan.backends import Backends
from forecourt.services.apigateway.plan.caching import StageCaches
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.plan.gateway_responses import default_response
from forecourt.services.apigateway.plan.http_api import HttpPlan, no_stage
from forecourt.services.apigateway.plan.http_api import request_headers as http_request_headers
from forecourt.services.apigateway.plan.limiting import KeyDirectory, Limits
from forecourt.services.apigateway.plan.meter import Meter, Sink
from forecourt.services.apigateway.plan.ports import AwsHttp, Ports
from forecourt.services.apigateway.plan.registry import Registry
from forecourt.services.apigateway.plan.respond import request_headers, send_response
from forecourt.services.apigateway.plan.state import Shared
from forecourt.services.apigateway.plan.tester import Tester
from forecourt.services.apigateway.plan.vpc_links import VpcLinks
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.store import Store
from forecourt.store.sealing import Sealer
from forecourt.upstream import Upstream

_DEFAULT_STAGE = DEFAULT_STAGE.encode()


class ApiGateway:
    """An `ApiInvoker`, and the control plane's `Caches`. `start` returns when every stage there is serves.

    What is None is not there: without `tokens` no user pool's token is valid, without `authenticator` nobody can sign,
    without `aws` no service but Lambda can be an integration, without `sealer` no client certificate is presented.
    """

    def __init__(
        self,
        *,
        store: Store,
        caller: Caller,
        clock: Clock,
        ids: Ids,
        logs: LogSink,
        metrics: Sink,
        roles: RoleSessions,
        tokens: TokenVerifier | None = None,
        authenticator: Authenticator | None = None,
        authorizer: Authorizer | None = None,
        aws: AwsHttp | None = None,
        sealer: Sealer | None = None,
        upstream: Upstream | None = None,
        usage: Usage | None = None,
        account_limit: Limit = ACCOUNT_LIMIT,
        quotas: Quotas | None = None,
    ) -> None:
        quotas = quotas or Quotas()
        self._upstream = upstream or Upstream()
        self._owns_upstream = upstream is None
        self._backends = Backends(self._upstream, store, sealer)
        self._links = VpcLinks(store, caller)
        self._ports = Ports(
            upstream=self._upstream,
            backends=self._backends,
            links=self._links,
            caller=caller,
            clock=clock,
            ids=ids,
            logs=logs,
            meter=Meter(metrics, clock),
            roles=roles,
            tokens=tokens,
            issuer_keys=IssuerKeys(self._upstream, clock, quotas),
            authenticator=authenticator,
            authorizer=authorizer,
            aws=aws,
            quotas=quotas,
        )
        # Of the usage plans' quotas: the control plane's GetUsage and UpdateUsage read and change them.
        self.usage = usage or Usage(store, clock)
        limits = Limits(Throttles(), self.usage, KeyDirectory(store), account_limit)
        self._shared = Shared(limits, StageCaches(quotas), AuthorizerCaches())
        self._registry = Registry(store, self._ports, self._shared)
        # The control plane's `Tester`
        self.tester = Tester(self._ports, self._shared)

    async def start(self) -> None:
        await self.usage.start()
        await self._registry.start()

    async def stop(self) -> None:
        await self._registry.stop()
        self._ports.meter.flush()
        await self.usage.stop()
        await self._backends.close()
        if self._owns_upstream:
            await self._upstream.close()

    async def reset(self) -> None:
        self._registry.reset()
        self._links.reset()
        await self.usage.reset()
        self._shared.limits.keys.reset()
        self._shared.limits.throttles.reset()
        self._shared.stage_caches.reset()
        self._shared.authorizer_results.reset()
        self._ports.issuer_keys.reset()

    # -- the control plane's `Caches`

    async def flush_stage(self, account: str, region: str, rest_api_id: str, stage_name: str) -> None:
        self._shared.stage_caches.flush(account, region, rest_api_id, stage_name)

    async def flush_authorizers(self, account: str, region: str, rest_api_id: str, stage_name: str) -> None:
        self._shared.authorizer_results.flush(rest_api_id, stage_name)

    # -- the control plane's `Issuers`

    async def is_issuer(self, issuer: str) -> bool:
        tokens = self._ports.tokens
        return (tokens is not None and tokens.owns(issuer)) or await self._ports.issuer_keys.of(issuer).are_told_of()

    # -- invocations

    def invoke(
        self, api_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None] | None:
        """None: the request is answered, or will be."""
        registry = self._registry
        if registry.pending and registry.is_changing(api_id):
            return self._invoke_when_settled(api_id, raw_path, scope, receive, send)
        stage = raw_path[1:].partition(b"/")[0]
        below = raw_path[1 + len(stage) :]
        plan = registry.find(api_id, stage)
        # A stage of an HTTP API is `/{stage}/`, and its `$default` stage has no prefix at all.
        if plan is not None and stage != _DEFAULT_STAGE and (below or not isinstance(plan, HttpPlan)):
            return plan.serve(below or b"/", scope, receive, send)
        plan = registry.find(api_id, _DEFAULT_STAGE)
        if plan is None:
            return _refuse(scope, send, is_http=registry.is_http(api_id))
        return plan.serve(raw_path, scope, receive, send)

    async def _invoke_when_settled(
        self, api_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        await self._registry.settled(api_id)
        # This is a task already, and the request is over with it: a plain call that comes later would come too late.
        scope["extensions"] = {}
        answer = self.invoke(api_id, raw_path, scope, receive, send)
        if answer is not None:
            await answer


async def _refuse(scope: Scope, send: Send, *, is_http: bool) -> None:
    """No such API or stage: AWS does not say which, but that HTTP APIs do not find what REST APIs forbid."""
    request_id = scope["state"]["request_id"]
    if is_http:
        await send_response(send, no_stage(), http_request_headers(request_id))
        return
    await send_response(send, default_response(GatewayError("INVALID_API_KEY")), request_headers(request_id))
