"""The account, its certificates and links, domain names and their mappings."""

from __future__ import annotations

from forecourt.services.apigateway.rest import patch
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.patch import Data, Operation, Rule, member
from forecourt.services.apigateway.rest.patches.endpoints import IP_ADDRESS_TYPE, TYPE, TYPES
from forecourt.services.apigateway.rest.patches.rows import ADD_REMOVE, ANY, REPLACE, members, table


def _features(data: Data, keys: tuple[str, ...], operation: Operation) -> None:
    if operation.op == "remove" and operation.value == "UsagePlans":
        raise BadRequestException("Usage Plans cannot be disabled once enabled")
    if operation.value != "UsagePlans":
        raise BadRequestException("Invalid feature specified. Valid options are UsagePlans")


ACCOUNT = table(
    patch.listed,
    Rule("/cloudwatchRoleArn", REPLACE, member("cloudwatchRoleArn", lambda value: value or None)),
    Rule("/features", ADD_REMOVE, _features),
)

CLIENT_CERTIFICATE = table(patch.listed, *members("description"))
VPC_LINK = table(patch.listed, *members("name", "description"))

DOMAIN_NAME = table(
    patch.listed,
    *members("certificateName", "certificateArn", "regionalCertificateName", "regionalCertificateArn", ops=ANY),
    TYPES,
    TYPE,
    IP_ADDRESS_TYPE,
    *members("securityPolicy", "endpointAccessMode"),
    *members("mutualTlsAuthentication/truststoreUri", "mutualTlsAuthentication/truststoreVersion", ops=ANY),
    *members("ownershipVerificationCertificateArn", ops=ANY),
    *members("managementPolicy", "policy", "routingMode"),
)

BASE_PATH_MAPPING = table(
    patch.listed,
    *members("basePath"),
    Rule("/basepath", REPLACE, member("basePath")),
    Rule("/restapiId", REPLACE, member("restApiId")),
    Rule("/restApiId", REPLACE, member("restApiId")),
    Rule("/stage", ("replace", "remove"), member("stage")),
)
