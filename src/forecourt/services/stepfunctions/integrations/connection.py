"""EventBridge connections: what they add to an HTTP task's request.

A connection's secret holds everything: how to authorize, and parameters for every invocation. Authorization is BASIC,
an API key, or OAuth 2.0 client credentials (RFC 6749, 4.4), whose token is kept until it expires or is refused.
https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from typing import Any, NamedTuple
from urllib.parse import urlencode

from forecourt.base.call import Authorizer
from forecourt.base.clock import Clock
from forecourt.base.errors import AccessDenied, ServiceError
from forecourt.base.principal import root
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.integrations.exchange import Exchanges, Query, with_query
from forecourt.services.stepfunctions.integrations.job import Job, TaskError

_MOST_TOKENS = 1_000
# A token is renewed so long before it expires
_MARGIN_SECONDS = 30.0
_Pairs = list[tuple[str, str]]


class Addition(NamedTuple):
    """What a connection adds; in case of doubt it goes before what the definition says."""

    headers: dict[str, str]
    query: Query
    body: dict[str, str]
    # Whether a 401 may mean that the token is too old
    renewable: bool


class Connections:
    def __init__(self, calls: ServiceCalls, authorizer: Authorizer | None, exchanges: Exchanges, clock: Clock) -> None:
        self._calls = calls
        self._authorizer = authorizer
        self._exchanges = exchanges
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def check(self, job: Job, arn: str, method: str, url: str) -> None:
        """Whether the role may call the endpoint and use the connection. Raises `TaskError`."""
        context = await self._calls.context(job)
        if self._authorizer is None:
            return
        asked = {"states:HTTPMethod": method, "states:HTTPEndpoint": url, **context.conditions}
        try:
            await self._authorizer.authorize(
                context.principal, "states:InvokeHTTPEndpoint", context.conditions["aws:SourceArn"], asked
            )
        except AccessDenied as error:
            raise TaskError("States.Permissions", error.message) from error
        try:
            await self._authorizer.authorize(context.principal, "events:RetrieveConnectionCredentials", arn, asked)
        except AccessDenied as error:
            raise TaskError("Events.ConnectionResource.AccessDenied", error.message) from error

    async def addition(self, job: Job, arn: str, *, renew: bool = False) -> Addition:
        """Raises `TaskError`."""
        kind, secret = await self._secret(job, arn)
        extra = secret.get("invocation_http_parameters") or {}
        headers = dict(_pairs(extra, "header_parameters"))
        query = _pairs(extra, "query_string_parameters")
        if kind == "BASIC":
            headers["Authorization"] = _basic(secret.get("username", ""), secret.get("password", ""))
        elif kind == "API_KEY":
            headers[secret.get("api_key_name", "x-api-key")] = str(secret.get("api_key_value", ""))
        elif kind == "OAUTH_CLIENT_CREDENTIALS":
            headers["Authorization"] = await self._token(arn, secret, renew)
        return Addition(headers, query, dict(_pairs(extra, "body_parameters")), kind == "OAUTH_CLIENT_CREDENTIALS")

    async def _secret(self, job: Job, arn: str) -> tuple[str, dict[str, Any]]:
        """How the connection authorizes, and all that it knows. EventBridge reads it, not the role."""
        context = await self._calls.context(job)
        context = type(context)(principal=root(job.account), region=job.region, request_id=context.request_id)
        try:
            name = arn.split("/")[1]
            connection = await self._calls.caller.call(context, "events", "DescribeConnection", {"Name": name})
            if connection.get("ConnectionState", "AUTHORIZED") != "AUTHORIZED":
                raise _not_authorized(f"The connection {arn} is {connection['ConnectionState']}")
            secret = await self._calls.caller.call(
                context, "secretsmanager", "GetSecretValue", {"SecretId": connection["SecretArn"]}
            )
            return connection["AuthorizationType"], dict(json.loads(secret["SecretString"]))
        except (ServiceError, IndexError, KeyError, ValueError) as error:
            raise TaskError("Events.ConnectionResource.ResourceNotFound", str(error)) from error

    async def _token(self, arn: str, secret: dict[str, Any], renew: bool) -> str:
        """`Bearer …`."""
        key = arn + json.dumps(secret, sort_keys=True)
        known = self._tokens.get(key)
        if known is not None and not renew and known[1] > self._clock.now():
            return known[0]
        token, lasts = await self._fetch_token(secret)
        self._tokens[key] = token, self._clock.now() + lasts - _MARGIN_SECONDS
        self._tokens.move_to_end(key)
        if len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)
        return token

    async def _fetch_token(self, secret: dict[str, Any]) -> tuple[str, float]:
        client, extra = secret.get("client_parameters") or {}, secret.get("o_auth_http_parameters") or {}
        method = secret.get("http_method", "POST")
        headers = {
            "Authorization": _basic(client.get("client_id", ""), client.get("client_secret", "")),
            "Accept": "application/json",
            **dict(_pairs(extra, "header_parameters")),
        }
        form = {"grant_type": "client_credentials", **dict(_pairs(extra, "body_parameters"))}
        query, body = _pairs(extra, "query_string_parameters"), b""
        if method == "GET":
            query = [*form.items(), *query]
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        url = with_query(secret.get("authorization_endpoint", ""), query)
        reply = await self._exchanges.send(method, url, headers, body, failure=_NOT_AUTHORIZED)
        try:
            answer = json.loads(reply.data)
            return f"Bearer {answer['access_token']}", float(answer.get("expires_in", 3600))
        except (ValueError, TypeError, KeyError) as error:
            raise _not_authorized(f"The authorization endpoint answered {reply.status}: {reply.text[:200]}") from error


_NOT_AUTHORIZED = "Events.ConnectionResource.InvalidConnectionState"


def _not_authorized(cause: str) -> TaskError:
    return TaskError(_NOT_AUTHORIZED, cause)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _pairs(parameters: dict[str, Any], member: str) -> _Pairs:
    return [(one.get("key", ""), str(one.get("value", ""))) for one in parameters.get(member) or ()]
