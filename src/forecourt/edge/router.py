"""The first step of every request: who answers it, by host and path.

| host                                   | path                                             | answered by            |
|----------------------------------------|--------------------------------------------------|------------------------|
| any                                    | `/_forecourt/…`                                  | Forecourt's own pages  |
| `{api}.execute-api.{anything}`         | `/…` (`/@connections/…`: the AWS API)            | the API's invocation   |
| any                                    | `/_aws/execute-api/{api}/…`                      | the API's invocation   |
| any                                    | `/restapis/{api}/{stage}/_user_request_/…`       | the API's invocation   |
| `{url}.lambda-url.{anything}`          | `/…`                                             | the function's URL     |
| any                                    | `/_aws/lambda-url/{url}/…`                       | the function's URL     |
| any                                    | `/_aws/lambda-code/{token}`                      | a function's zip       |
| any                                    | `/_aws/cloudformation/{token}`                   | a stack that waits     |
| `{prefix}.auth.{region}.{anything}`    | `/…`                                             | the pool's hosted UI   |
| a pool's custom domain                 | `/…`                                             | the pool's hosted UI   |
| any                                    | `/_aws/cognito/{domain or pool}/…`               | the pool's hosted UI   |
| any                                    | `/{poolId}/.well-known/…`                        | the pool's public keys |
| any other                              |                                                  | the AWS API            |

Custom domains of APIs and WebSocket APIs will find their place in this table.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from forecourt.base.asgi import App, Receive, Scope, Send, direct
from forecourt.base.headers import Headers, once
from forecourt.base.ids import Ids
from forecourt.base.ports import ApiInvoker
from forecourt.base.request import request_id as current_request_id
from forecourt.edge.body import ClientGone
from forecourt.edge.respond import respond_json

_log = logging.getLogger("forecourt.edge")

_EXECUTE_API_HOST = re.compile(rb"^([a-z0-9]{3,64})\.execute-api\.", re.IGNORECASE)
_HOSTED_UI_HOST = re.compile(rb"^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.auth\.", re.IGNORECASE)
_EXECUTE_API_PATH = b"/_aws/execute-api/"
_USER_REQUEST_PATH = re.compile(rb"^/restapis/([A-Za-z0-9]{3,64})/([^/]+)/_user_request_(/.*)?$", re.DOTALL)
_COGNITO_PATH = re.compile(rb"^/_aws/cognito/([A-Za-z0-9_.-]{1,128})(/.*)?$", re.DOTALL)
_FUNCTION_URL_HOST = re.compile(rb"^([a-z0-9]{3,64})\.lambda-url\.", re.IGNORECASE)
_FUNCTION_URL_PATH = re.compile(rb"^/_aws/lambda-url/([A-Za-z0-9]{3,64})(/.*)?$", re.DOTALL)
_FUNCTION_CODE_PATH = re.compile(rb"^/_aws/lambda-code/([A-Za-z0-9_-]{1,512})$")
_SIGNAL_PATH = re.compile(rb"^/_aws/cloudformation/([A-Za-z0-9_-]{1,1024})$")
_WELL_KNOWN_PATH = re.compile(rb"^/([a-z]{2,}(?:-[a-z]+)+-\d_[A-Za-z0-9]+)(/\.well-known/.*)$", re.DOTALL)


class HostedUi(Protocol):
    """The OAuth endpoints and pages of a user pool, and its public keys."""

    def owns(self, host: str) -> bool:
        """Whether a host name is a pool's custom domain."""
        ...

    async def serve(self, domain: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def well_known(self, pool_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None: ...


class FunctionUrls(ApiInvoker, Protocol):
    """Function URLs, and the zips that GetFunction gives addresses of."""

    async def download(self, token: str, scope: Scope, send: Send) -> None: ...


class Stacks(Protocol):
    """What custom resources and wait conditions send."""

    async def signal(self, token: str, scope: Scope, receive: Receive, send: Send) -> None: ...


class Host(NamedTuple):
    name: bytes
    # Of the API that is named so
    api_id: str | None


def find_host(headers: Headers) -> Host:
    host = next((value for name, value in headers if name == b"host"), b"")
    found = _EXECUTE_API_HOST.match(host)
    return Host(host, found[1].decode("ascii").lower() if found else None)


def find_invocation(host: Host, raw_path: bytes) -> tuple[str, bytes] | None:
    """An API's id, and the path behind it, which starts with the stage."""
    if host.api_id is not None:
        if raw_path.split(b"/", 3)[2:3] == [b"@connections"]:
            return None
        return host.api_id, raw_path
    if raw_path.startswith(_EXECUTE_API_PATH):
        api_id, slash, path = raw_path[len(_EXECUTE_API_PATH) :].partition(b"/")
        if not (api_id.isalnum() and 3 <= len(api_id) <= 64):
            return None
        return api_id.decode("ascii").lower(), slash + path or b"/"
    if raw_path.startswith(b"/restapis/"):
        found = _USER_REQUEST_PATH.match(raw_path)
        return (found[1].decode("ascii").lower(), b"/" + found[2] + (found[3] or b"/")) if found else None
    return None


class Router:
    """The ASGI application."""

    def __init__(
        self,
        *,
        aws: App,
        apis: ApiInvoker,
        function_urls: FunctionUrls,
        hosted_ui: HostedUi,
        stacks: Stacks,
        own: App,
        ids: Ids,
        api_header_bytes: int,
    ) -> None:
        """`api_header_bytes`: what the line and the headers of an API's request may have together."""
        self._aws = aws
        self._apis = apis
        self._function_urls = function_urls
        self._hosted_ui = hosted_ui
        self._stacks = stacks
        self._own = own
        self._ids = ids
        self._api_header_bytes = api_header_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
        if scope["type"] != "http":
            return send({"type": "websocket.close", "code": 1008, "reason": "WebSocket APIs are not implemented yet"})
        request_id = self._ids.uuid()
        scope["state"] = {"request_id": request_id}
        try:
            answer = self._route(scope, receive, send)
        except Exception as error:
            answer = _broken(error)
        return None if answer is None else _guarded(answer, request_id, send)

    def _route(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
        """The answer, not yet begun; or None: it was given, or will be, by `base.asgi.Direct`."""
        raw_path: bytes = scope["raw_path"]
        headers: Headers = scope["headers"]
        host = once(headers, find_host, headers)
        invocation = find_invocation(host, raw_path)
        if invocation is not None:
            ours = direct(scope)
            most = self._api_header_bytes
            if (ours is None or ours.head_bytes > most) and _head_bytes(scope) > most:
                return _refuse_headers(scope, send)
            return self._apis.invoke(*invocation, scope, receive, send)
        if raw_path.startswith(b"/_forecourt/") or raw_path == b"/_forecourt":
            return self._own(scope, receive, send)
        if found := _COGNITO_PATH.match(raw_path):
            return self._hosted_ui.serve(found[1].decode(), found[2] or b"/", scope, receive, send)
        if found := _WELL_KNOWN_PATH.match(raw_path):
            return self._hosted_ui.well_known(found[1].decode(), found[2], scope, receive, send)
        if found := _FUNCTION_URL_PATH.match(raw_path):
            return self._function_urls.invoke(found[1].decode().lower(), found[2] or b"/", scope, receive, send)
        if found := _FUNCTION_CODE_PATH.match(raw_path):
            return self._function_urls.download(found[1].decode(), scope, send)
        if found := _SIGNAL_PATH.match(raw_path):
            return self._stacks.signal(found[1].decode(), scope, receive, send)
        if found := _FUNCTION_URL_HOST.match(host.name):
            return self._function_urls.invoke(found[1].decode().lower(), raw_path, scope, receive, send)
        if self._hosted_ui.owns(name := host.name.partition(b":")[0].decode("latin-1").lower()):
            return self._hosted_ui.serve(name, raw_path, scope, receive, send)
        if found := _HOSTED_UI_HOST.match(host.name):
            return self._hosted_ui.serve(found[1].decode().lower(), raw_path, scope, receive, send)
        return self._aws(scope, receive, send)


async def _broken(error: Exception) -> None:
    raise error


async def _guarded(answer: Awaitable[None], request_id: str, send: Send) -> None:
    """`answer` in a task: what it logs carries the request's id, and its failure is the client's 500."""
    current_request_id.set(request_id)
    try:
        await answer
    except ClientGone:
        pass
    except Exception:
        _log.exception("a request failed")
        await respond_json(
            send, 500, {"message": "Internal server error"}, [(b"x-amzn-requestid", request_id.encode())]
        )


def _head_bytes(scope: Scope) -> int:
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    return line + sum([len(name) + len(value) for name, value in scope["headers"]])


async def _refuse_headers(scope: Scope, send: Send) -> None:
    await respond_json(
        send,
        431,
        {"message": "Request Header Fields Too Large"},
        [(b"x-amzn-requestid", scope["state"]["request_id"].encode())],
    )
