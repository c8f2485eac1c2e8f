"""HTTP tasks (`http:invoke`) and API Gateway (`apigateway:invoke`).

https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from forecourt.base.errors import ServiceError
from forecourt.services.stepfunctions.asl.data import Data, from_text, to_text
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.integrations.job import Exchange, Job, TaskError
from forecourt.upstream import Origin, Request, Upstream, UpstreamError

_TIMEOUT_SECONDS = 60.0
_MOST_BYTES = 10 * 1024 * 1024
# What TestState shows in place of what a connection adds
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_OWN_HEADERS = {"host", "content-length", "connection", "transfer-encoding"}


class HttpTasks:
    def __init__(self, calls: ServiceCalls, upstream: Upstream, api_url: str) -> None:
        """`api_url` is where an API's host is served when it is one of ours."""
        self._calls = calls
        self._upstream = upstream
        self._api_url = api_url

    async def invoke(self, job: Job) -> Data:
        """`http:invoke`."""
        arguments = job.arguments.value
        url = arguments.get("ApiEndpoint", "")
        headers = {str(name): str(value) for name, value in (arguments.get("Headers") or {}).items()}
        query = _query(arguments.get("QueryParameters"))
        plain_headers, plain_query = dict(headers), list(query)
        await self._authenticate(job, arguments, headers, query)
        added = {name for name, value in headers.items() if plain_headers.get(name) != value}
        body = _body(arguments, headers)
        method, target = arguments.get("Method", "GET"), _with_query(url, query)
        status, reason, answered, data = await self._send(method, target, headers, body, None, "States.Http.Socket")
        hidden = {name: _HIDDEN if name in added else value for name, value in headers.items()}
        hidden_query = plain_query + [(name, _HIDDEN) for name, _ in query[len(plain_query) :]]
        job.exchange = Exchange(
            request=_sent(method, _with_query(url, hidden_query), hidden, body),
            response=_received(status, reason, answered, data),
            revealed=_sent(method, target, headers, body),
        )
        shown = _shown(status, reason, answered, data)
        if status >= 400:
            raise TaskError(f"States.Http.StatusCode.{status}", _cause(reason, data))
        return Data(shown)

    async def call_api(self, job: Job) -> Data:
        """`apigateway:invoke`."""
        arguments = job.arguments.value
        endpoint = str(arguments.get("ApiEndpoint", ""))
        stage, path = arguments.get("Stage"), str(arguments.get("Path", "")).lstrip("/")
        target = "/" + "/".join(part for part in (stage, quote(path, safe="/%:@!$&'()*+,;=~-._")) if part)
        query = _query(arguments.get("QueryParameters"))
        if query:
            target += "?" + urlencode(query, doseq=True)
        headers = {name: _first(value) for name, value in (arguments.get("Headers") or {}).items()}
        body = _body(arguments, headers, "RequestBody")
        status, reason, answered, data = await self._send(
            arguments.get("Method", "GET"),
            f"https://{endpoint}{target}",
            headers,
            body,
            self._api_url,
            "ApiGateway.Socket",
        )
        if status >= 400:
            raise TaskError(f"ApiGateway.{status}", data.decode(errors="replace"))
        return Data(_shown(status, reason, answered, data))

    async def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes, through: str | None, failure: str
    ) -> tuple[int, str, list[tuple[str, str]], bytes]:
        parts = urlsplit(url)
        try:
            origin = Origin.parse(through or url)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            raw = [(b"host", (parts.netloc or origin.authority).encode())]
            raw += [(n.lower().encode(), v.encode()) for n, v in headers.items() if n.lower() not in _OWN_HEADERS]
            request = Request(method.encode(), target.encode(), raw, body)
            response = await self._upstream.send(origin, request, _TIMEOUT_SECONDS)
            data = await response.read(_MOST_BYTES)
        except (UpstreamError, ValueError) as error:
            raise TaskError(failure, str(error)) from error
        answered = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        return response.status, _REASONS.get(response.status, ""), answered, data

    async def _authenticate(
        self, job: Job, arguments: dict[str, Any], headers: dict[str, str], query: list[tuple[str, str]]
    ) -> None:
        """What the EventBridge connection adds to the request."""
        given = arguments.get("InvocationConfig") or arguments.get("Authentication") or {}
        arn = given.get("ConnectionArn")
        if not arn:
            raise TaskError("States.Runtime", "An HTTP Task must name an Authentication.ConnectionArn")
        try:
            name = arn.split("/")[1]
            connection = await self._calls.raw(job, "events", "DescribeConnection", {"Name": name})
            secret = await self._secret(job, connection)
        except (ServiceError, IndexError) as error:
            raise TaskError("Events.ConnectionResource.AccessDenied", str(error)) from error
        apply_connection(connection, secret, headers, query)

    async def _secret(self, job: Job, connection: dict[str, Any]) -> dict[str, Any]:
        if not connection.get("SecretArn"):
            return {}
        try:
            answer = await self._calls.raw(
                job, "secretsmanager", "GetSecretValue", {"SecretId": connection["SecretArn"]}
            )
            return dict(json.loads(answer.get("SecretString") or "{}"))
        except (ServiceError, ValueError):
            return {}


def _with_query(url: str, query: list[tuple[str, str]]) -> str:
    return url + (("&" if "?" in url else "?") + urlencode(query, doseq=True) if query else "")


def _sent(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """A request as `inspectionData` shows it."""
    shown = {"protocol": urlsplit(url).scheme, "method": method, "url": url, "headers": to_text(headers)}
    return {**shown, "body": body.decode(errors="replace")} if body else shown


def _received(status: int, reason: str, headers: list[tuple[str, str]], data: bytes) -> dict[str, str]:
    return {
        "protocol": "HTTP/1.1",
        "statusCode": str(status),
        "statusMessage": reason,
        "headers": to_text(dict(headers)),
        "body": data.decode(errors="replace"),
    }


def apply_connection(
    connection: dict[str, Any], secret: dict[str, Any], headers: dict[str, str], query: list[tuple[str, str]]
) -> None:
    parameters = connection.get("AuthParameters") or {}
    kind = connection.get("AuthorizationType")
    if kind == "BASIC":
        user = parameters.get("BasicAuthParameters", {}).get("Username", secret.get("username", ""))
        pair = f"{user}:{secret.get('password', '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    elif kind == "API_KEY":
        name = parameters.get("ApiKeyAuthParameters", {}).get("ApiKeyName", secret.get("api_key_name", "x-api-key"))
        headers[name] = str(secret.get("api_key_value", ""))
    extra = parameters.get("InvocationHttpParameters") or {}
    for one in extra.get("HeaderParameters", ()):
        headers[one["Key"]] = one.get("Value", "")
    query += [(one["Key"], one.get("Value", "")) for one in extra.get("QueryStringParameters", ())]


def _query(given: Any) -> list[tuple[str, str]]:
    return [
        (name, item if isinstance(item, str) else to_text(item))
        for name, value in (given or {}).items()
        for item in (value if isinstance(value, list) else [value])
    ]


def _first(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return value if isinstance(value, str) else to_text(value)


def _body(arguments: dict[str, Any], headers: dict[str, str], member: str = "RequestBody") -> bytes:
    """JSON, or a form where the Content-Type (or Transform) says so."""
    if member not in arguments or arguments[member] is None:
        return b""
    value = arguments[member]
    lowered = {name.lower(): text for name, text in headers.items()}
    content_type = lowered.get("content-type", "")
    encoding = (arguments.get("Transform") or {}).get("RequestBodyEncoding", "NONE")
    is_form = encoding == "URL_ENCODED" or content_type.startswith("application/x-www-form-urlencoded")
    if is_form and isinstance(value, dict):
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return urlencode(_query(value), doseq=True).encode()
    if not content_type:
        headers["Content-Type"] = "application/json"
    return (
        value if isinstance(value, str) and not content_type.startswith("application/json") else to_text(value)
    ).encode()


def _shown(status: int, reason: str, headers: list[tuple[str, str]], data: bytes) -> dict[str, Any]:
    collected: dict[str, list[str]] = {}
    for name, value in headers:
        collected.setdefault(name, []).append(value)
    try:
        body = from_text(data.decode())
    except (ValueError, UnicodeDecodeError):
        body = data.decode(errors="replace")
    return {"Headers": collected, "ResponseBody": body, "StatusCode": status, "StatusText": reason}


def _cause(reason: str, data: bytes) -> str:
    text = data.decode(errors="replace")
    return text or reason


_REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 409: "Conflict", 429: "Too Many Requests", 500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
