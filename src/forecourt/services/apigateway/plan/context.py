"""`$context`: what a template, an access log, a Lambda event or a parameter mapping may ask of a request.

One table of names, each with the function that answers it, so that nothing is computed that nobody asks for.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html#context-variable-reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from forecourt.services.apigateway.plan.messages import MethodRequest

DEFAULT_STAGE = "$default"


def path_with_stage(request: MethodRequest) -> str:
    """As the client sent it. An HTTP API's `$default` stage has no prefix."""
    stage, path = request.served.stage, request.raw_path.decode("latin-1")
    return path if stage == DEFAULT_STAGE else f"/{stage}{path}"


def _host(request: MethodRequest) -> str:
    host = (request.header(b"host") or b"").decode("latin-1")
    served = request.served
    if ".execute-api." in host:
        return host
    return f"{served.api_id}.execute-api.{served.region}.{served.domain_suffix}"


def _request_time(request: MethodRequest) -> str:
    """CLF: `19/Nov/2026:11:40:00 +0000`."""
    return datetime.fromtimestamp(request.time, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _user_agent(request: MethodRequest) -> str | None:
    agent = request.header(b"user-agent")
    return None if agent is None else agent.decode("latin-1")


# Those of `$context` itself, in the order of a Lambda event's `requestContext`
_PLAIN: Mapping[str, Callable[[MethodRequest], Any]] = {
    "resourceId": lambda r: r.resource.id,
    "resourcePath": lambda r: r.resource.path,
    "httpMethod": lambda r: r.method,
    "extendedRequestId": lambda r: r.extended_request_id,
    "requestTime": _request_time,
    "path": path_with_stage,
    "accountId": lambda r: r.served.account,
    "protocol": lambda r: f"HTTP/{r.scope['http_version']}",
    "stage": lambda r: r.served.stage,
    "domainPrefix": lambda r: _host(r).split(".", 1)[0],
    "requestTimeEpoch": lambda r: int(r.time * 1000),
    "requestId": lambda r: r.request_id,
    "domainName": _host,
    "deploymentId": lambda r: r.served.deployment_id,
    "apiId": lambda r: r.served.api_id,
}
_FURTHER: Mapping[str, Callable[[MethodRequest], Any]] = {
    "apiName": lambda r: r.served.api_name,
    "isCanaryRequest": lambda r: r.served.is_canary,
    "endpointType": lambda r: r.served.endpoint_type,
    "operationName": lambda r: r.resource.operation_name,
    "xrayTraceId": lambda r: r.trace_id.removeprefix("Root="),
    "identity.sourceIp": lambda r: r.source_ip,
    "identity.userAgent": _user_agent,
}

# A Lambda event shows these whether or not they are known.
_IDENTITY_OF_EVENT = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "sourceIp",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "userAgent",
    "user",
)


# Where an HTTP API's names differ: there is one request id, and routes have keys.
_OF_HTTP_API: Mapping[str, Callable[[MethodRequest], Any]] = {
    "requestId": lambda r: r.extended_request_id,
    "routeKey": lambda r: r.resource.operation_name,
}

Look = Callable[[MethodRequest, str], Any]


def context_value(request: MethodRequest, name: str) -> Any:
    """`$context.{name}` of a REST API; None where there is no such thing."""
    known = _PLAIN.get(name) or _FURTHER.get(name)
    if known is not None:
        return known(request)
    head, _, rest = name.partition(".")
    if head == "authorizer":
        return _of_authorizer(request.authorizer, request.authorizer.get("claims", {}), rest)
    branch: Mapping[str, Any] = {"identity": request.identity, "error": request.error}.get(head, {})
    return branch.get(rest)


def http_context_value(request: MethodRequest, name: str) -> Any:
    """`$context.{name}` of an HTTP API."""
    known = _OF_HTTP_API.get(name)
    if known is not None:
        return known(request)
    if name.startswith("authorizer."):
        claims = request.authorizer.get("jwt", {}).get("claims", {})
        own = request.authorizer.get("lambda", {})
        return _of_authorizer(own, claims, name.removeprefix("authorizer."))
    return context_value(request, name)


def _of_authorizer(own: Mapping[str, Any], claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; all of them together are null, as AWS has it."""
    if name == "claims":
        return None
    return claims.get(name.removeprefix("claims.")) if name.startswith("claims.") else own.get(name)


def identity_of_event(request: MethodRequest) -> dict[str, Any]:
    identity: dict[str, Any] = dict.fromkeys(_IDENTITY_OF_EVENT)
    identity.update(request.identity)
    identity["sourceIp"] = request.source_ip
    identity["userAgent"] = _user_agent(request)
    return identity


def request_context(request: MethodRequest) -> dict[str, Any]:
    """The `requestContext` of a Lambda proxy event."""
    context = {name: known(request) for name, known in _PLAIN.items()}
    context["identity"] = identity_of_event(request)
    if request.authorizer:
        context["authorizer"] = dict(request.authorizer)
    if request.resource.operation_name:
        context["operationName"] = request.resource.operation_name
    if request.served.is_canary:
        context["isCanaryRequest"] = True
    return context


def context_tree(request: MethodRequest) -> ContextTree:
    """All of `$context`, as a template sees it."""
    return ContextTree(request)


class ContextTree(MutableMapping[str, Any]):
    """A map whose values are computed when they are first asked for; a template may change and add to it."""

    __slots__ = ("_known", "_request")

    def __init__(self, request: MethodRequest) -> None:
        self._request = request
        self._known: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        known = self._known
        if name in known:
            return known[name]
        compute = _TREE.get(name)
        if compute is None:
            return default
        known[name] = value = compute(self._request)
        return value

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return self.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._known[name] = value

    def __delitem__(self, name: str) -> None:
        self[name] = None

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in _TREE

    def __iter__(self) -> Iterator[str]:
        return iter({**_TREE, **self._known})

    def __len__(self) -> int:
        return len({**_TREE, **self._known})


def _identity(request: MethodRequest) -> dict[str, Any]:
    return {name: value for name, value in identity_of_event(request).items() if value is not None}


def _authorizer(request: MethodRequest) -> dict[str, Any]:
    """What authorizers remember is for the next request, too: a template changes its own copy."""
    return {name: dict(value) if name == "claims" else value for name, value in request.authorizer.items()}


_TREE: Mapping[str, Callable[[MethodRequest], Any]] = {
    **_PLAIN,
    **{name: known for name, known in _FURTHER.items() if "." not in name},
    "identity": _identity,
    "authorizer": _authorizer,
    "error": lambda request: dict(request.error),
    "requestOverride": lambda request: {"header": {}, "path": {}, "querystring": {}},
    "responseOverride": lambda request: {"header": {}},
}
