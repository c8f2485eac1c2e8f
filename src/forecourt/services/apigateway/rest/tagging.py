"""Tags: AWS's rules, and which of an account's things an ARN names.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-restrictions.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.arn import Arn
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.model import (
    ApiKey,
    ClientCertificate,
    DomainName,
    DomainNameAccessAssociation,
    Entity,
    RestApi,
    Stage,
    UsagePlan,
    VpcLink,
)
from forecourt.services.apigateway.rest.quotas import Quotas

# The resource part of `arn:aws:apigateway:{region}::/...`; `*` is a part of the key.
_TAGGED: dict[tuple[str, ...], type[Entity]] = {
    ("restapis", "*"): RestApi,
    ("restapis", "*", "stages", "*"): Stage,
    ("apikeys", "*"): ApiKey,
    ("clientcertificates", "*"): ClientCertificate,
    ("domainnames", "*"): DomainName,
    ("usageplans", "*"): UsagePlan,
    ("vpclinks", "*"): VpcLink,
}


def need_tags(tags: Mapping[str, str] | None, quotas: Quotas) -> None:
    for key, value in (tags or {}).items():
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            raise BadRequestException("Invalid tag key specified. Tag keys must have 1 to 128 characters, without aws:")
        if len(value) > 256:
            raise BadRequestException("Invalid tag value specified. Tag values must have at most 256 characters")
    if len(tags or {}) > quotas.tags:
        raise BadRequestException(f"A resource cannot have more than {quotas.tags} tags")


def tagged(resource_arn: str) -> tuple[type[Entity], tuple[str, ...]]:
    """The kind and key (after account and region) that the ARN names. Raises AWS's errors."""
    try:
        arn = Arn.parse(resource_arn)
    except ValueError:
        raise BadRequestException("Invalid ARN specified in the request") from None
    parts = arn.resource.strip("/").split("/")
    if arn.service != "apigateway":
        raise BadRequestException("Invalid ARN specified in the request")
    if parts[0] == "domainnameaccessassociations":
        return DomainNameAccessAssociation, (resource_arn,)
    for pattern, kind in _TAGGED.items():
        if len(parts) == len(pattern) and all(p in ("*", part) for p, part in zip(pattern, parts, strict=True)):
            return kind, tuple(part for p, part in zip(pattern, parts, strict=True) if p == "*")
    raise NotFoundException("Invalid resource identifier specified")
