"""HTTP tasks: `http:invoke`.

The request is the definition's merged with the connection's, which goes before it. Only TestState with `revealSecrets`
ever shows what the connection added.
https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode

from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.integrations.connection import Addition, Connections
from forecourt.services.stepfunctions.integrations.exchange import (
    Exchanges,
    Query,
    Reply,
    query_of,
    shown_reply,
    shown_request,
    with_query,
)
from forecourt.services.stepfunctions.integrations.job import Exchange, Job, TaskError

_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
# What a definition may not set
_RESERVED = {
    "a-im", "accept-charset", "accept-datetime", "accept-encoding", "cache-control", "connection", "content-encoding",
    "content-md5", "date", "expect", "forwarded", "from", "host", "http2-settings", "if-match", "if-modified-since",
    "if-none-match", "if-range", "if-unmodified-since", "max-forwards", "origin", "pragma", "proxy-authorization",
    "referer", "server", "te", "trailer", "transfer-encoding", "upgrade", "via", "warning",
}  # fmt: skip
_RESERVED_PREFIXES = ("x-forwarded", "x-amz-", "x-amzn-")
_FORM = "application/x-www-form-urlencoded"


class _Message(NamedTuple):
    headers: dict[str, str]
    query: Query
    body: Any


class HttpTasks:
    def __init__(self, connections: Connections, exchanges: Exchanges) -> None:
        self._connections = connections
        self._exchanges = exchanges

    async def invoke(self, job: Job) -> Data:
        """Raises `TaskError`."""
        arguments = job.arguments.value
        url, method, arn = _required(arguments)
        given = _Message(
            _headers(arguments, job.region), query_of(arguments.get("QueryParameters")), arguments.get("RequestBody")
        )
        await self._connections.check(job, arn, method, url)
        added = await self._connections.addition(job, arn)
        reply = await self._exchange(job, method, url, given, added)
        if reply.status in (401, 407) and added.renewable:
            renewed = await self._connections.addition(job, arn, renew=True)
            reply = await self._exchange(job, method, url, given, renewed)
        if reply.status >= 400:
            raise TaskError(f"States.Http.StatusCode.{reply.status}", reply.text or reply.reason)
        return Data(reply.result())

    async def _exchange(self, job: Job, method: str, url: str, given: _Message, added: Addition) -> Reply:
        transform = job.arguments.value.get("Transform") or {}
        message = _merged(given, added)
        body = _encoded(message, transform)
        target = with_query(url, message.query)
        reply = await self._exchanges.send(method, target, message.headers, body.encode(), failure="States.Http.Socket")
        hidden = _merged(given, _hide(added))
        job.exchange = Exchange(
            request=shown_request(method, with_query(url, hidden.query), hidden.headers, _encoded(hidden, transform)),
            response=shown_reply(url, reply),
            revealed=shown_request(method, target, message.headers, body),
        )
        return reply


def _required(arguments: dict[str, Any]) -> tuple[str, str, str]:
    """(endpoint, method, connection). Raises `TaskError`."""
    url, method = arguments.get("ApiEndpoint"), arguments.get("Method")
    given = arguments.get("Authentication") or arguments.get("InvocationConfig") or {}
    arn = given.get("ConnectionArn")
    if not isinstance(url, str) or not isinstance(method, str) or not isinstance(arn, str):
        raise TaskError("States.Runtime", "An HTTP Task must have ApiEndpoint, Method and Authentication.ConnectionArn")
    if method not in _METHODS:
        raise TaskError("States.Runtime", f"The Method '{method}' must be one of {', '.join(_METHODS)}")
    return url, method, arn


def _headers(arguments: dict[str, Any], region: str) -> dict[str, str]:
    headers = {"User-Agent": f"Amazon|StepFunctions|HttpInvoke|{region}", "Range": "bytes=0-262144"}
    for name, value in (arguments.get("Headers") or {}).items():
        if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
            raise TaskError("States.Runtime", f"The header '{name}' cannot be set in an HTTP Task")
        _set(headers, name, (value if isinstance(value, str) else to_text(value)).strip())
    return headers


def _set(headers: dict[str, str], name: str, value: str) -> None:
    """Whatever the case, a header stands there once."""
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value


def _merged(given: _Message, added: Addition) -> _Message:
    """Raises `TaskError` where the bodies cannot be merged."""
    headers = dict(given.headers)
    for name, value in added.headers.items():
        _set(headers, name, value)
    own = {name for name, _ in added.query}
    query = [(name, value) for name, value in given.query if name not in own] + added.query
    body = given.body
    if added.body:
        if body is not None and not isinstance(body, dict):
            raise TaskError("States.Runtime", "The connection has body parameters, but the RequestBody is no object")
        body = {**(body or {}), **added.body}
    return _Message(headers, query, body)


def _hide(added: Addition) -> Addition:
    return Addition(
        dict.fromkeys(added.headers, _HIDDEN),
        [(name, _HIDDEN) for name, _ in added.query],
        dict.fromkeys(added.body, _HIDDEN),
        added.renewable,
    )


# --- bodies -----------------------------------------------------------------------------------------------------------


def _encoded(message: _Message, transform: dict[str, Any]) -> str:
    """The body as text; sets the Content-Type where there is none."""
    value = message.body
    if value is None:
        return ""
    content_type = next((v for n, v in message.headers.items() if n.lower() == "content-type"), "")
    if transform.get("RequestBodyEncoding", "NONE") == "URL_ENCODED" and isinstance(value, dict):
        if not content_type:
            message.headers["Content-Type"] = _FORM
        options = transform.get("RequestEncodingOptions") or {}
        spell = _ARRAYS.get(options.get("ArrayFormat", "INDICES"), _ARRAYS["INDICES"])
        return urlencode([pair for name, item in value.items() for pair in _flat(name, item, spell)])
    if not content_type:
        message.headers["Content-Type"] = "application/json"
    is_json = not content_type or "json" in content_type
    return value if isinstance(value, str) and not is_json else to_text(value)


# The name of an array's n-th element in a form.
_ARRAYS: dict[str, Callable[[str, int], str] | None] = {
    "INDICES": lambda name, index: f"{name}[{index}]",
    "BRACKETS": lambda name, index: f"{name}[]",
    "REPEAT": lambda name, index: name,
    "NONE": lambda name, index: name,
    "COMMAS": None,
}


def _flat(name: str, value: Any, spell: Callable[[str, int], str] | None) -> Query:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _flat(f"{name}[{key}]", item, spell)]
    if isinstance(value, list) and spell is None:
        return [(name, ",".join(_plain(item) for item in value))]
    if isinstance(value, list) and spell is not None:
        return [pair for index, item in enumerate(value) for pair in _flat(spell(name, index), item, spell)]
    return [(name, _plain(value))]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else to_text(value)
