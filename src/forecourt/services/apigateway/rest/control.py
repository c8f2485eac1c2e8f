"""The REST control plane: every operation of `apigateway`, over one configuration."""

from __future__ import annotations

from dataclasses import dataclass, field

from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.apigateway.rest.ports import Caches, Sealer, Tester, Usage
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.rest.store import Configuration
from forecourt.store import Store


@dataclass(frozen=True)
class Tools:
    """What the operations work with."""

    configuration: Configuration
    clock: Clock
    ids: Ids
    caller: Caller
    quotas: Quotas
    tester: Tester | None = None
    usage: Usage | None = None
    caches: Caches | None = None
    sealer: Sealer | None = None
