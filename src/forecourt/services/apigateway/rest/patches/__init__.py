"""What each noun lets a patch change: one table per noun, after AWS's "Patch operations" page.

The order of a table's rules is the order in which AWS lists the paths when it refuses another.
"""

from forecourt.services.apigateway.rest.patches.account import (
    ACCOUNT,
    BASE_PATH_MAPPING,
    CLIENT_CERTIFICATE,
    DOMAIN_NAME,
    VPC_LINK,
)
from forecourt.services.apigateway.rest.patches.apis import (
    AUTHORIZER,
    DOCUMENTATION_PART,
    DOCUMENTATION_VERSION,
    GATEWAY_RESPONSE,
    INTEGRATION,
    INTEGRATION_RESPONSE,
    METHOD,
    METHOD_RESPONSE,
    MODEL,
    REQUEST_VALIDATOR,
    RESOURCE,
    REST_API,
)
from forecourt.services.apigateway.rest.patches.endpoints import BAD_ENDPOINT_TYPE, ENDPOINT_TYPES
from forecourt.services.apigateway.rest.patches.plans import API_KEY, USAGE, USAGE_PLAN
from forecourt.services.apigateway.rest.patches.stages import DEPLOYMENT, STAGE

__all__ = [
    "ACCOUNT",
    "API_KEY",
    "AUTHORIZER",
    "BAD_ENDPOINT_TYPE",
    "BASE_PATH_MAPPING",
    "CLIENT_CERTIFICATE",
    "DEPLOYMENT",
    "DOCUMENTATION_PART",
    "DOCUMENTATION_VERSION",
    "DOMAIN_NAME",
    "ENDPOINT_TYPES",
    "GATEWAY_RESPONSE",
    "INTEGRATION",
    "INTEGRATION_RESPONSE",
    "METHOD",
    "METHOD_RESPONSE",
    "MODEL",
    "REQUEST_VALIDATOR",
    "RESOURCE",
    "REST_API",
    "STAGE",
    "USAGE",
    "USAGE_PLAN",
    "VPC_LINK",
]
