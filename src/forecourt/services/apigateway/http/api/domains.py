"""DomainName, ApiMapping, RoutingRule.

A domain name is one and the same in `apigateway` and `apigatewayv2`: both keep `rest.model.DomainName`.
"""

from __future__ import annotations

import re
from typing import Any

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.http.errors import BadRequestException, ConflictException
from forecourt.services.apigateway.http.model import ApiMapping, RoutingRule, Stage
from forecourt.services.apigateway.http.store import merged, page
from forecourt.services.apigateway.rest import model as rest
from forecourt.services.apigateway.rest.api.domains import EDGE_HOSTED_ZONE, REGIONAL_HOSTED_ZONE
from forecourt.services.apigateway.rest.model import BasePathMapping, DomainName, describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.rest.tagging import need_tags

_MAPPING_KEY = re.compile(r"[A-Za-z0-9$\-_.+!*'(),/]*")
_MODES = {
    "API_MAPPING_ONLY": "BASE_PATH_MAPPING_ONLY",
    "ROUTING_RULE_THEN_API_MAPPING": "ROUTING_RULE_THEN_BASE_PATH_MAPPING",
}
_MODES_BACK = {theirs: ours for ours, theirs in _MODES.items()}


class DomainNamesApi(Noun):
    @operation("CreateDomainName")
    async def create_domain_name(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("Tags"), self.quotas)
        name = request["DomainName"].lower()
        domain = DomainName(
            account=context.account,
            region=context.region,
            domain_name=name,
            domain_name_arn=str(Arn("apigateway", context.region, "", f"/domainnames/{name}")),
            certificate_upload_date=self.now(),
            endpoint_configuration=rest.EndpointConfiguration(types=["REGIONAL"], ip_address_type="ipv4"),
            tags=dict(request.get("Tags") or {}) or None,
        )
        self._set(domain, request)

        def change(found: Found) -> DomainName:
            if found.maybe(DomainName, name):
                raise ConflictException("The domain name resource already exists.")
            need_room(found.count(DomainName), self.quotas.domain_names, "domain names", "this account")
            return found.put(domain)

        return _shown(await self.configuration.write(context, change))

    def _set(self, domain: DomainName, request: Request) -> None:
        for given in request.get("DomainNameConfigurations") or ():
            domain.endpoint_configuration.types = [given.get("EndpointType") or "REGIONAL"]
            domain.endpoint_configuration.ip_address_type = given.get("IpAddressType") or "ipv4"
            domain.regional_certificate_arn = given.get("CertificateArn", domain.regional_certificate_arn)
            domain.regional_certificate_name = given.get("CertificateName", domain.regional_certificate_name)
            domain.security_policy = given.get("SecurityPolicy") or domain.security_policy
            domain.ownership_verification_certificate_arn = given.get("OwnershipVerificationCertificateArn")
        if request.get("MutualTlsAuthentication") is not None:
            tls = request["MutualTlsAuthentication"]
            domain.mutual_tls_authentication = rest.MutualTlsAuthentication(
                truststore_uri=tls.get("TruststoreUri"), truststore_version=tls.get("TruststoreVersion")
            )
        if request.get("RoutingMode"):
            domain.routing_mode = str(_MODES.get(request["RoutingMode"], request["RoutingMode"]))
        if not domain.regional_domain_name:
            domain.regional_domain_name = f"d-{self.ids.lower(10)}.execute-api.{domain.region}.amazonaws.com"
            domain.regional_hosted_zone_id = REGIONAL_HOSTED_ZONE

    @operation("GetDomainName")
    async def get_domain_name(self, context: CallContext, request: Request) -> Reply:
        return _shown(await self.configuration.get(context, DomainName, request["DomainName"]))

    @operation("GetDomainNames")
    async def get_domain_names(self, context: CallContext, request: Request) -> Reply:
        domains = {domain.domain_name: domain for domain in await self.configuration.all(context, DomainName)}
        found = page(domains.values(), request)
        return {**found, "Items": [_shown(domains[item["domainName"]]) for item in found["Items"]]}

    @operation("UpdateDomainName")
    async def update_domain_name(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> DomainName:
            domain = found.get(DomainName, request["DomainName"])
            self._set(domain, request)
            return found.put(domain)

        return _shown(await self.configuration.write(context, change))

    @operation("DeleteDomainName")
    async def delete_domain_name(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            domain = found.get(DomainName, request["DomainName"])
            for kind in (ApiMapping, RoutingRule, BasePathMapping):
                found.delete_all(kind, domain.domain_name)
            found.delete(DomainName, domain.domain_name)

        await self.configuration.write(context, change)


def _shown(domain: DomainName) -> Reply:
    edge = domain.endpoint_configuration.types == ["EDGE"]
    configuration = {
        "ApiGatewayDomainName": domain.distribution_domain_name if edge else domain.regional_domain_name,
        "CertificateArn": domain.certificate_arn if edge else domain.regional_certificate_arn,
        "CertificateName": domain.certificate_name if edge else domain.regional_certificate_name,
        "CertificateUploadDate": domain.certificate_upload_date,
        "DomainNameStatus": domain.domain_name_status,
        "EndpointType": domain.endpoint_configuration.types[0],
        "HostedZoneId": EDGE_HOSTED_ZONE if edge else REGIONAL_HOSTED_ZONE,
        "IpAddressType": domain.endpoint_configuration.ip_address_type,
        "SecurityPolicy": domain.security_policy,
        "OwnershipVerificationCertificateArn": domain.ownership_verification_certificate_arn,
    }
    tls = domain.mutual_tls_authentication
    shown: dict[str, Any] = {
        "ApiMappingSelectionExpression": "$request.basepath",
        "DomainName": domain.domain_name,
        "DomainNameArn": domain.domain_name_arn,
        "DomainNameConfigurations": [{name: value for name, value in configuration.items() if value is not None}],
        "RoutingMode": _MODES_BACK.get(domain.routing_mode, domain.routing_mode),
        "Tags": domain.tags or {},
    }
    if tls and tls.truststore_uri:
        versions = {"TruststoreVersion": tls.truststore_version} if tls.truststore_version else {}
        shown["MutualTlsAuthentication"] = {"TruststoreUri": tls.truststore_uri, **versions}
    return shown


class ApiMappingsApi(Noun):
    @operation("CreateApiMapping")
    async def create_api_mapping(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> ApiMapping:
            domain = found.get(DomainName, request["DomainName"])
            mapping = ApiMapping(
                account=domain.account,
                region=domain.region,
                domain_name=domain.domain_name,
                api_mapping_id=self.ids.lower(6),
                api_id=request["ApiId"],
                stage=request["Stage"],
                api_mapping_key=request.get("ApiMappingKey") or "",
            )
            _need_mapping(found, mapping)
            return found.put(mapping)

        return describe(await self.configuration.write(context, change))

    @operation("GetApiMapping")
    async def get_api_mapping(self, context: CallContext, request: Request) -> Reply:
        return describe(
            await self.configuration.get(context, ApiMapping, request["DomainName"], request["ApiMappingId"])
        )

    @operation("GetApiMappings")
    async def get_api_mappings(self, context: CallContext, request: Request) -> Reply:
        domain = await self.configuration.get(context, DomainName, request["DomainName"])
        return await self.list(context, ApiMapping, domain.domain_name, request=request)

    @operation("UpdateApiMapping")
    async def update_api_mapping(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> ApiMapping:
            before = found.get(ApiMapping, request["DomainName"], request["ApiMappingId"])
            mapping = merged(before, request)
            mapping.api_mapping_key = mapping.api_mapping_key or ""
            _need_mapping(found, mapping)
            return found.put(mapping)

        return describe(await self.configuration.write(context, change))

    @operation("DeleteApiMapping")
    async def delete_api_mapping(self, context: CallContext, request: Request) -> None:
        key = request["DomainName"], request["ApiMappingId"]
        await self.configuration.write(context, lambda found: found.delete(ApiMapping, *key))


def _need_mapping(found: Found, mapping: ApiMapping) -> None:
    key = mapping.api_mapping_key or ""
    if not _MAPPING_KEY.fullmatch(key):
        raise BadRequestException("The mapping key should contain only URL path characters")
    if key.startswith("/") or "//" in key:
        raise BadRequestException("API mapping key should not start with a '/' or have consecutive '/'s.")
    if key.endswith("/"):
        raise BadRequestException("API mapping key should not end with a '/'.")
    is_there = found.maybe(Stage, mapping.api_id, mapping.stage) or found.maybe(
        rest.Stage, mapping.api_id, mapping.stage
    )
    if not is_there:
        raise BadRequestException(f"Invalid stage identifier specified: {mapping.api_id}/{mapping.stage}")
    for other in found.all(ApiMapping, mapping.domain_name):
        if (other.api_mapping_key or "") == key and other.api_mapping_id != mapping.api_mapping_id:
            raise ConflictException("ApiMapping key already exists for this domain name")


class RoutingRulesApi(Noun):
    @operation("CreateRoutingRule")
    async def create_routing_rule(self, context: CallContext, request: Request) -> Reply:
        return await self._put(context, request, self.ids.lower(6))

    @operation("PutRoutingRule")
    async def put_routing_rule(self, context: CallContext, request: Request) -> Reply:
        return await self._put(context, request, request["RoutingRuleId"])

    async def _put(self, context: CallContext, request: Request, rule_id: str) -> Reply:
        def change(found: Found) -> RoutingRule:
            domain = found.get(DomainName, request["DomainName"])
            path = f"/domainnames/{domain.domain_name}/routingrules/{rule_id}"
            rule = RoutingRule(
                account=domain.account,
                region=domain.region,
                domain_name=domain.domain_name,
                routing_rule_id=rule_id,
                routing_rule_arn=str(Arn("apigateway", domain.region, domain.account, path)),
                priority=request["Priority"],
                actions=list(request["Actions"]),
                conditions=list(request["Conditions"]),
            )
            others = found.all(RoutingRule, domain.domain_name)
            if any(o.priority == rule.priority and o.routing_rule_id != rule_id for o in others):
                raise ConflictException(f"A routing rule with priority {rule.priority} already exists")
            return found.put(rule)

        return describe(await self.configuration.write(context, change))

    @operation("GetRoutingRule")
    async def get_routing_rule(self, context: CallContext, request: Request) -> Reply:
        key = request["DomainName"], request["RoutingRuleId"]
        return describe(await self.configuration.get(context, RoutingRule, *key))

    @operation("ListRoutingRules")
    async def list_routing_rules(self, context: CallContext, request: Request) -> Reply:
        domain = await self.configuration.get(context, DomainName, request["DomainName"])
        found = await self.list(context, RoutingRule, domain.domain_name, request=request)
        return {"RoutingRules": found.pop("Items"), **found}

    @operation("DeleteRoutingRule")
    async def delete_routing_rule(self, context: CallContext, request: Request) -> None:
        key = request["DomainName"], request["RoutingRuleId"]
        await self.configuration.write(context, lambda found: found.delete(RoutingRule, *key))
