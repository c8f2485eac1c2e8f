"""The REST control plane: every operation of `apigateway`, over one configuration."""

from __future__ import annotations

from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.apigateway.rest.api.account import AccountApi, ClientCertificatesApi, VpcLinksApi
from forecourt.services.apigateway.rest.api.api_keys import ApiKeysApi
from forecourt.services.apigateway.rest.api.authorizers import AuthorizersApi
from forecourt.services.apigateway.rest.api.definitions import DefinitionsApi
from forecourt.services.apigateway.rest.api.deployments import DeploymentsApi
from forecourt.services.apigateway.rest.api.documentation import DocumentationPartsApi, DocumentationVersionsApi
from forecourt.services.apigateway.rest.api.domains import (
    BasePathMappingsApi,
    DomainNameAccessAssociationsApi,
    DomainNamesApi,
)
from forecourt.services.apigateway.rest.api.gateway_responses import GatewayResponsesApi
from forecourt.services.apigateway.rest.api.integrations import IntegrationsApi
from forecourt.services.apigateway.rest.api.invoke import InvokeApi
from forecourt.services.apigateway.rest.api.methods import MethodsApi
from forecourt.services.apigateway.rest.api.models import ModelsApi, RequestValidatorsApi
from forecourt.services.apigateway.rest.api.noun import Noun, Tools
from forecourt.services.apigateway.rest.api.resources import ResourcesApi
from forecourt.services.apigateway.rest.api.rest_apis import RestApisApi
from forecourt.services.apigateway.rest.api.sdks import SdksApi
from forecourt.services.apigateway.rest.api.stages import StagesApi
from forecourt.services.apigateway.rest.api.tags import TagsApi
from forecourt.services.apigateway.rest.api.usage_plans import UsageApi, UsagePlanKeysApi, UsagePlansApi
from forecourt.services.apigateway.rest.ports import Caches, Tester, Unwired, Usage
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.rest.store import Configuration
from forecourt.store import Store
from forecourt.store.sealing import Sealer

NOUNS: tuple[type[Noun], ...] = (
    RestApisApi,
    DefinitionsApi,
    SdksApi,
    ResourcesApi,
    MethodsApi,
    IntegrationsApi,
    DeploymentsApi,
    StagesApi,
    InvokeApi,
    ModelsApi,
    RequestValidatorsApi,
    AuthorizersApi,
    GatewayResponsesApi,
    DocumentationPartsApi,
    DocumentationVersionsApi,
    ApiKeysApi,
    UsagePlansApi,
    UsagePlanKeysApi,
    UsageApi,
    AccountApi,
    ClientCertificatesApi,
    VpcLinksApi,
    DomainNamesApi,
    BasePathMappingsApi,
    DomainNameAccessAssociationsApi,
    TagsApi,
)


class RestControlPlane:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        caller: Caller,
        sealer: Sealer,
        tester: Tester | None = None,
        usage: Usage | None = None,
        caches: Caches | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        tools = Tools(
            configuration=Configuration(store),
            clock=clock,
            ids=ids,
            caller=caller,
            quotas=quotas or Quotas(),
            sealer=sealer,
            tester=tester or Unwired(),
            usage=usage or Unwired(),
            caches=caches or Unwired(),
        )
        self.apis: tuple[object, ...] = tuple(noun(tools) for noun in NOUNS)
