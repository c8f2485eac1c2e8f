"""The HTTP control plane: every operation of `apigatewayv2`, over one configuration."""

from __future__ import annotations

from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.apigateway.http.api.apis import ApisApi
from forecourt.services.apigateway.http.api.authorizers import AuthorizersApi, ModelsApi
from forecourt.services.apigateway.http.api.definitions import DefinitionsApi
from forecourt.services.apigateway.http.api.domains import (
    ApiMappingsApi,
    DomainNamesApi,
    RoutingRulesApi,
)
from forecourt.services.apigateway.http.api.integrations import IntegrationResponsesApi, IntegrationsApi
from forecourt.services.apigateway.http.api.noun import Noun, Tools
from forecourt.services.apigateway.http.api.routes import RouteResponsesApi, RoutesApi
from forecourt.services.apigateway.http.api.stages import DeploymentsApi, StagesApi
from forecourt.services.apigateway.http.api.tags import TagsApi
from forecourt.services.apigateway.http.api.vpc_links import VpcLinksApi
from forecourt.services.apigateway.http.store import missing
from forecourt.services.apigateway.rest.ports import Caches, Issuers, Unwired
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.rest.store import Configuration
from forecourt.store import Store

NOUNS: tuple[type[Noun], ...] = (
    ApisApi,
    DefinitionsApi,
    RoutesApi,
    RouteResponsesApi,
    IntegrationsApi,
    IntegrationResponsesApi,
    AuthorizersApi,
    ModelsApi,
    StagesApi,
    DeploymentsApi,
    DomainNamesApi,
    ApiMappingsApi,
    RoutingRulesApi,
    VpcLinksApi,
    TagsApi,
)


class HttpControlPlane:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        caches: Caches | None = None,
        issuers: Issuers | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        tools = Tools(
            configuration=Configuration(store, missing),
            clock=clock,
            ids=ids,
            quotas=quotas or Quotas(),
            caches=caches or Unwired(),
            issuers=issuers or Unwired(),
        )
        self.apis: tuple[object, ...] = tuple(noun(tools) for noun in NOUNS)
