"""What every noun's operations work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.apigateway.rest.ports import Caches, Tester, Usage
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.rest.store import Configuration
from forecourt.store.sealing import Sealer

# A request's parameters, already valid against AWS's model; a reply's members.
Request: TypeAlias = Mapping[str, Any]
Reply: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Tools:
    configuration: Configuration
    clock: Clock
    ids: Ids
    caller: Caller
    quotas: Quotas
    sealer: Sealer
    tester: Tester
    usage: Usage
    caches: Caches


class Noun:
    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.configuration = tools.configuration
        self.ids = tools.ids
        self.quotas = tools.quotas

    def now(self) -> int:
        return int(self.tools.clock.now())
