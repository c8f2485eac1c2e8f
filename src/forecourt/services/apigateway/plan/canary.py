"""A stage of which a part of the traffic goes to another deployment."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.ids import Ids
from forecourt.services.apigateway.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Canary:
    stable: Plan
    canary: Plan
    percent: float
    ids: Ids

    def serve(self, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> Awaitable[None] | None:
        chosen = self.canary if self.ids.fraction() * 100 < self.percent else self.stable
        return chosen.serve(raw_path, scope, receive, send)
