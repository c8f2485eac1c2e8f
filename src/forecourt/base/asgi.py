"""The shape of ASGI: what the edge hands to whoever answers an HTTP request.

https://asgi.readthedocs.io/en/latest/specs/www.html. `scope["raw_path"]` is the undecoded path, which SigV4 and
`%2F` need.
The edge adds `scope["state"]["request_id"]`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
