"""VpcLink: kept; there is no network to set up."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.http.errors import BadRequestException
from forecourt.services.apigateway.http.model import VpcLink
from forecourt.services.apigateway.http.store import merged
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.rest.tagging import need_tags


class VpcLinksApi(Noun):
    @operation("CreateVpcLink")
    async def create_vpc_link(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("Tags"), self.quotas)
        subnets, most = list(request["SubnetIds"]), self.quotas.subnets_per_vpc_link
        if len(subnets) > most:
            raise BadRequestException(f"A VPC link can have at most {most} subnets")
        link = VpcLink(
            account=context.account,
            region=context.region,
            vpc_link_id=self.ids.lower(6),
            name=request["Name"],
            created_date=self.now(),
            subnet_ids=subnets,
            security_group_ids=list(request.get("SecurityGroupIds") or ()),
            tags=dict(request.get("Tags") or {}),
            vpc_link_status_message="VPC link is ready to route traffic",
        )

        def change(found: Found) -> VpcLink:
            need_room(found.count(VpcLink), self.quotas.http_vpc_links, "VPC links", "this account")
            return found.put(link)

        return describe(await self.configuration.write(context, change))

    @operation("GetVpcLink")
    async def get_vpc_link(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.get(context, VpcLink, request["VpcLinkId"]))

    @operation("GetVpcLinks")
    async def get_vpc_links(self, context: CallContext, request: Request) -> Reply:
        return await self.list(context, VpcLink, request=request)

    @operation("UpdateVpcLink")
    async def update_vpc_link(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> VpcLink:
            return found.put(merged(found.get(VpcLink, request["VpcLinkId"]), request))

        return describe(await self.configuration.write(context, change))

    @operation("DeleteVpcLink")
    async def delete_vpc_link(self, context: CallContext, request: Request) -> Reply:
        await self.configuration.write(context, lambda found: found.delete(VpcLink, request["VpcLinkId"]))
        return {}
