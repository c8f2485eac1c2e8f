"""API Gateway: `apigateway:invoke`, unsigned or signed as the state machine's role.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from forecourt.services.stepfunctions.asl.data import Data, to_text
from forecourt.services.stepfunctions.integrations.call import ServiceCalls
from forecourt.services.stepfunctions.integrations.exchange import Exchanges, query_of, with_query
from forecourt.services.stepfunctions.integrations.job import Job, TaskError

_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_SIGNED = {"NO_AUTH": False, "IAM_ROLE": True, "RESOURCE_POLICY": True}
_SAFE = "/%:@!$&'()*+,;=~-._"
# What a definition may not set
_RESERVED_PREFIXES = ("x-forwarded", "x-amz", "x-amzn")
_RESERVED = {"authorization", "connection", "content-md5", "expect", "host", "max-forwards", "proxy-authenticate",
             "server", "te", "transfer-encoding", "trailer", "upgrade", "via", "www-authenticate"}  # fmt: skip


class ApiCalls:
    def __init__(self, calls: ServiceCalls, exchanges: Exchanges, api_url: str) -> None:
        """`api_url` is where the hosts of our APIs are served."""
        self._calls = calls
        self._exchanges = exchanges
        self._api_url = api_url

    async def invoke(self, job: Job) -> Data:
        """Raises `TaskError`."""
        arguments: dict[str, Any] = job.arguments.value
        if not arguments.get("AllowNullValues"):
            arguments = _without_nulls(arguments)
        method, url = _target(arguments)
        auth = arguments.get("AuthType", "NO_AUTH")
        if auth not in _SIGNED:
            raise TaskError("States.Runtime", f"The AuthType '{auth}' must be one of {', '.join(_SIGNED)}")
        headers = _headers(arguments, signed=_SIGNED[auth])
        body = _body(arguments, headers)
        if _SIGNED[auth]:
            headers = await self._signed(job, method, url, headers, body)
        reply = await self._exchanges.send(
            method, url, headers, body, failure="ApiGateway.Socket", through=self._api_url
        )
        if reply.status >= 400:
            raise TaskError(f"ApiGateway.{reply.status}", reply.text)
        return Data(reply.result())

    async def _signed(self, job: Job, method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        given = await self._calls.credentials(job)
        credentials = Credentials(given.access_key_id, given.secret_access_key, given.session_token)
        request = AWSRequest(method, url, headers=headers, data=body)
        SigV4Auth(credentials, "execute-api", job.region).add_auth(request)
        return dict(request.headers.items())


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _target(arguments: dict[str, Any]) -> tuple[str, str]:
    """(method, URL). Raises `TaskError`."""
    endpoint, method = arguments.get("ApiEndpoint"), arguments.get("Method")
    if not isinstance(endpoint, str) or method not in _METHODS:
        raise TaskError("States.Runtime", "apigateway:invoke must have an ApiEndpoint and a valid Method")
    path = str(arguments.get("Path", "")).lstrip("/")
    parts = [part for part in (arguments.get("Stage"), quote(path, safe=_SAFE)) if part]
    return method, with_query(f"https://{endpoint}/{'/'.join(parts)}", query_of(arguments.get("QueryParameters")))


def _headers(arguments: dict[str, Any], *, signed: bool) -> dict[str, str]:
    headers = {}
    for name, value in (arguments.get("Headers") or {}).items():
        own = name.lower() == "authorization" and not signed
        if not own and (name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES)):
            raise TaskError("States.Runtime", f"The header '{name}' cannot be set")
        headers[name] = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    return headers


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_text(value)


def _body(arguments: dict[str, Any], headers: dict[str, str]) -> bytes:
    if "RequestBody" not in arguments:
        return b""
    value = arguments["RequestBody"]
    content_type = next((text for name, text in headers.items() if name.lower() == "content-type"), "")
    if not content_type:
        headers["Content-Type"] = "application/json"
    is_json = not content_type or "json" in content_type
    return (value if isinstance(value, str) and not is_json else to_text(value)).encode()
