"""Stands where a part is not built yet, and says so."""

from __future__ import annotations

import time
from typing import Any

from forecourt.auth.authorize import Grants
from forecourt.auth.sessions import Sessions
from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.errors import NotImplementedYet
from forecourt.base.principal import Principal, root
from forecourt.edge.respond import respond_json


class Absent:
    async def access_key(self, access_key_id: str) -> tuple[str, Principal] | None:
        return None

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def assume(self, role_arn: str, session_name: str, *_: Any) -> Any:
        principal = await self.principal(role_arn, session_name)
        return self._sessions.issue(principal, time.time() + 3600)

    async def principal(self, role_arn: str, session_name: str, *_: Any) -> Any:
        return root(role_arn.split(":")[4])

    def record(self, *_: Any) -> None:
        return

    async def grants(self, principal: Principal) -> Grants:
        return Grants()

    async def test_method(self, *_: Any) -> dict[str, Any]:
        raise NotImplementedYet("not built yet")

    async def test_authorizer(self, *_: Any) -> dict[str, Any]:
        raise NotImplementedYet("not built yet")

    async def daily(self, *_: Any) -> list[tuple[int, int]]:
        raise NotImplementedYet("not built yet")

    async def set_remaining(self, *_: Any) -> None:
        raise NotImplementedYet("not built yet")

    async def flush_stage(self, *_: Any) -> None:
        return

    async def flush_authorizers(self, *_: Any) -> None:
        return

    async def invoke(self, api_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 501, {"message": "not built yet"})

    async def serve(self, domain: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 501, {"message": "not built yet"})

    async def well_known(self, pool_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 501, {"message": "not built yet"})
