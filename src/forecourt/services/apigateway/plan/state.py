"""What outlives a plan: counters, caches, and what authorizers said. A plan that is replaced hands over nothing."""

from __future__ import annotations

from dataclasses import dataclass

from forecourt.services.apigateway.authorizers.results import AuthorizerCaches
from forecourt.services.apigateway.plan.caching import StageCaches
from forecourt.services.apigateway.plan.limiting import Limits


@dataclass(frozen=True, slots=True)
class Shared:
    limits: Limits
    stage_caches: StageCaches
    authorizer_results: AuthorizerCaches
