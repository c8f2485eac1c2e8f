"""DomainName, BasePathMapping, DomainNameAccessAssociation: an API under a name and a path of one's own."""

from __future__ import annotations

import re

import msgspec

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.rest.model import (
    BasePathMapping,
    DomainName,
    DomainNameAccessAssociation,
    EndpointConfiguration,
    MutualTlsAuthentication,
    RestApi,
    Stage,
    describe,
)
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found, patched, with_tags
from forecourt.services.apigateway.rest.tagging import need_tags

NO_BASE_PATH = "(none)"
# CloudFront's and API Gateway's zones, which every name of theirs is in
EDGE_HOSTED_ZONE = "Z2FDTNDATAQYW2"
REGIONAL_HOSTED_ZONE = "Z1UJRXOUMOOFQ8"
_DOMAIN_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


class DomainNamesApi(Noun):
    @operation("CreateDomainName")
    async def create_domain_name(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)
        domain = self._new(context, request)

        def change(found: Found) -> DomainName:
            if found.maybe(DomainName, domain.domain_name):
                raise BadRequestException("The domain name you provided already exists.")
            need_room(found.count(DomainName), self.quotas.domain_names, "domain names", "this account")
            return found.put(domain)

        return describe(await self.configuration.write(context, change))

    def _new(self, context: CallContext, request: Request) -> DomainName:
        name = request["domainName"].lower()
        if not _DOMAIN_NAME.fullmatch(name):
            raise BadRequestException("Invalid domain name specified")
        endpoint = msgspec.convert(dict(request.get("endpointConfiguration") or {}), EndpointConfiguration)
        tls = request.get("mutualTlsAuthentication")
        domain = DomainName(
            account=context.account,
            region=context.region,
            domain_name=name,
            domain_name_arn=str(Arn("apigateway", context.region, "", f"/domainnames/{name}")),
            certificate_name=request.get("certificateName"),
            certificate_arn=request.get("certificateArn"),
            certificate_upload_date=self.now(),
            regional_certificate_name=request.get("regionalCertificateName"),
            regional_certificate_arn=request.get("regionalCertificateArn"),
            endpoint_configuration=endpoint,
            security_policy=request.get("securityPolicy") or "TLS_1_2",
            endpoint_access_mode=request.get("endpointAccessMode"),
            tags=dict(request["tags"]) if request.get("tags") else None,
            mutual_tls_authentication=msgspec.convert(tls, MutualTlsAuthentication) if tls else None,
            ownership_verification_certificate_arn=request.get("ownershipVerificationCertificateArn"),
            policy=request.get("policy"),
            routing_mode=request.get("routingMode") or "BASE_PATH_MAPPING_ONLY",
        )
        self._place(domain)
        return domain

    def _place(self, domain: DomainName) -> None:
        """The names that the domain's DNS record points at."""
        kinds = domain.endpoint_configuration.types
        if "EDGE" in kinds and not domain.distribution_domain_name:
            domain.distribution_domain_name = f"d{self.ids.lower(13)}.cloudfront.net"
            domain.distribution_hosted_zone_id = EDGE_HOSTED_ZONE
        if "REGIONAL" in kinds and not domain.regional_domain_name:
            domain.regional_domain_name = f"d-{self.ids.lower(10)}.execute-api.{domain.region}.amazonaws.com"
            domain.regional_hosted_zone_id = REGIONAL_HOSTED_ZONE

    @operation("GetDomainName")
    async def get_domain_name(self, context: CallContext, request: Request) -> Reply:
        return with_tags(describe(await self.configuration.get(context, DomainName, request["domainName"])))

    @operation("GetDomainNames")
    async def get_domain_names(self, context: CallContext, request: Request) -> Reply:
        return await self.configuration.page(context, DomainName, request=request)

    @operation("UpdateDomainName")
    async def update_domain_name(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> DomainName:
            before = found.get(DomainName, request["domainName"])
            domain = patched(before, patches.DOMAIN_NAME, request.get("patchOperations"))
            self._place(domain)
            return found.put(domain)

        return with_tags(describe(await self.configuration.write(context, change)))

    @operation("DeleteDomainName")
    async def delete_domain_name(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            domain = found.get(DomainName, request["domainName"])
            found.delete_all(BasePathMapping, domain.domain_name)
            found.delete(DomainName, domain.domain_name)

        await self.configuration.write(context, change)


class BasePathMappingsApi(Noun):
    @operation("CreateBasePathMapping")
    async def create_base_path_mapping(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> BasePathMapping:
            domain = found.get(DomainName, request["domainName"])
            mapping = BasePathMapping(
                account=domain.account,
                region=domain.region,
                domain_name=domain.domain_name,
                base_path=request.get("basePath") or NO_BASE_PATH,
                rest_api_id=request["restApiId"],
                stage=request.get("stage") or None,
            )
            quota = self.quotas.base_path_mappings_per_domain_name
            count = found.count(BasePathMapping, domain.domain_name)
            need_room(count, quota, "base path mappings", "this domain name")
            _need_mapping(found, mapping)
            return _insert(found, mapping)

        return describe(await self.configuration.write(context, change))

    @operation("GetBasePathMapping")
    async def get_base_path_mapping(self, context: CallContext, request: Request) -> Reply:
        key = request["domainName"], request["basePath"]
        return describe(await self.configuration.get(context, BasePathMapping, *key))

    @operation("GetBasePathMappings")
    async def get_base_path_mappings(self, context: CallContext, request: Request) -> Reply:
        domain = await self.configuration.get(context, DomainName, request["domainName"])
        return await self.configuration.page(context, BasePathMapping, domain.domain_name, request=request)

    @operation("UpdateBasePathMapping")
    async def update_base_path_mapping(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> BasePathMapping:
            before = found.get(BasePathMapping, request["domainName"], request["basePath"])
            mapping = patched(before, patches.BASE_PATH_MAPPING, request.get("patchOperations"))
            mapping.base_path = mapping.base_path or NO_BASE_PATH
            _need_mapping(found, mapping)
            found.delete(BasePathMapping, before.domain_name, before.base_path)
            return _insert(found, mapping)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteBasePathMapping")
    async def delete_base_path_mapping(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            found.delete(BasePathMapping, request["domainName"], request["basePath"])

        await self.configuration.write(context, change)


def _insert(found: Found, mapping: BasePathMapping) -> BasePathMapping:
    if found.maybe(BasePathMapping, mapping.domain_name, mapping.base_path):
        raise ConflictException("Base path already exists for this domain name")
    return found.put(mapping)


def _need_mapping(found: Found, mapping: BasePathMapping) -> None:
    if "/" in mapping.base_path:
        raise BadRequestException(
            "API Gateway V1 doesn't support the slash character (/) in base path mappings. "
            "To create a multi-level base path mapping, use API Gateway V2."
        )
    if not found.maybe(RestApi, mapping.rest_api_id):
        raise BadRequestException("Invalid REST API identifier specified")
    if mapping.stage and not found.maybe(Stage, mapping.rest_api_id, mapping.stage):
        raise BadRequestException("Invalid stage identifier specified")


class DomainNameAccessAssociationsApi(Noun):
    @operation("CreateDomainNameAccessAssociation")
    async def create_domain_name_access_association(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)
        domain = request["domainNameArn"].rsplit("/", 1)[-1]
        resource = f"/domainnameaccessassociations/domainname/{domain}/vpcesource/{request['accessAssociationSource']}"
        association = DomainNameAccessAssociation(
            account=context.account,
            region=context.region,
            domain_name_access_association_arn=str(Arn("apigateway", context.region, context.account, resource)),
            domain_name_arn=request["domainNameArn"],
            access_association_source_type=request["accessAssociationSourceType"],
            access_association_source=request["accessAssociationSource"],
            tags=dict(request["tags"]) if request.get("tags") else None,
        )

        def change(found: Found) -> DomainNameAccessAssociation:
            quota = self.quotas.domain_name_access_associations
            count = found.count(DomainNameAccessAssociation)
            need_room(count, quota, "domain name access associations", "this account")
            return found.put(association)

        return describe(await self.configuration.write(context, change))

    @operation("GetDomainNameAccessAssociations")
    async def get_domain_name_access_associations(self, context: CallContext, request: Request) -> Reply:
        return await self.configuration.page(context, DomainNameAccessAssociation, request=request)

    @operation("DeleteDomainNameAccessAssociation")
    async def delete_domain_name_access_association(self, context: CallContext, request: Request) -> None:
        await self._delete(context, request["domainNameAccessAssociationArn"])

    @operation("RejectDomainNameAccessAssociation")
    async def reject_domain_name_access_association(self, context: CallContext, request: Request) -> None:
        await self._delete(context, request["domainNameAccessAssociationArn"])

    async def _delete(self, context: CallContext, arn: str) -> None:
        await self.configuration.write(context, lambda found: found.delete(DomainNameAccessAssociation, arn))
