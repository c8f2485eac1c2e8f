"""What belongs to an account in a region rather than to an API: its settings, client certificates, VPC links."""

from __future__ import annotations

import asyncio

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest import patches
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.errors import BadRequestException
from forecourt.services.apigateway.rest.model import Account, ClientCertificate, Resource, Stage, VpcLink, describe
from forecourt.services.apigateway.rest.quotas import need_room
from forecourt.services.apigateway.rest.store import Found, patched, with_tags
from forecourt.services.apigateway.rest.tagging import need_tags


class AccountApi(Noun):
    @operation("GetAccount")
    async def get_account(self, context: CallContext, request: Request) -> Reply:
        return describe(await self.configuration.maybe(context, Account) or _new(context))

    @operation("UpdateAccount")
    async def update_account(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> Account:
            before = found.maybe(Account) or _new(context)
            account = patched(before, patches.ACCOUNT, request.get("patchOperations"))
            if account.cloudwatch_role_arn:
                _need_role(account.cloudwatch_role_arn)
            return found.put(account)

        return describe(await self.configuration.write(context, change))


def _new(context: CallContext) -> Account:
    return Account(account=context.account, region=context.region)


def _need_role(role_arn: str) -> None:
    try:
        arn = Arn.parse(role_arn)
    except ValueError:
        raise BadRequestException("Invalid ARN specified in the request") from None
    if arn.service != "iam" or not arn.resource.startswith("role/"):
        raise BadRequestException("Invalid ARN specified in the request")


class ClientCertificatesApi(Noun):
    @operation("GenerateClientCertificate")
    async def generate_client_certificate(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)
        # Imported for the first certificate: a start does not wait for it.
        from forecourt.services.apigateway.rest.certificates import SEAL_PURPOSE, self_signed

        # A 2048-bit key takes a tenth of a second to find.
        now = self.now()
        pem, private, expires = await asyncio.to_thread(self_signed, now, self.ids.bytes(20))
        certificate = ClientCertificate(
            account=context.account,
            region=context.region,
            client_certificate_id=self.ids.lower(6),
            pem_encoded_certificate=pem,
            created_date=now,
            expiration_date=expires,
            description=request.get("description"),
            tags=dict(request["tags"]) if request.get("tags") else None,
            sealed_private_key=self.tools.sealer.seal(private, SEAL_PURPOSE),
        )

        def change(found: Found) -> ClientCertificate:
            quota = self.quotas.client_certificates
            need_room(found.count(ClientCertificate), quota, "client certificates", "this account")
            return found.put(certificate)

        return describe(await self.configuration.write(context, change))

    @operation("GetClientCertificate")
    async def get_client_certificate(self, context: CallContext, request: Request) -> Reply:
        key = request["clientCertificateId"]
        return with_tags(describe(await self.configuration.get(context, ClientCertificate, key)))

    @operation("GetClientCertificates")
    async def get_client_certificates(self, context: CallContext, request: Request) -> Reply:
        return await self.configuration.page(context, ClientCertificate, request=request)

    @operation("UpdateClientCertificate")
    async def update_client_certificate(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> ClientCertificate:
            before = found.get(ClientCertificate, request["clientCertificateId"])
            return found.put(patched(before, patches.CLIENT_CERTIFICATE, request.get("patchOperations")))

        return with_tags(describe(await self.configuration.write(context, change)))

    @operation("DeleteClientCertificate")
    async def delete_client_certificate(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            certificate = found.get(ClientCertificate, request["clientCertificateId"])
            if any(stage.client_certificate_id == certificate.client_certificate_id for stage in found.all(Stage)):
                raise BadRequestException("Cannot delete a client certificate that is used by a stage")
            found.delete(ClientCertificate, certificate.client_certificate_id)

        await self.configuration.write(context, change)


class VpcLinksApi(Noun):
    @operation("CreateVpcLink")
    async def create_vpc_link(self, context: CallContext, request: Request) -> Reply:
        need_tags(request.get("tags"), self.quotas)
        link = VpcLink(
            account=context.account,
            region=context.region,
            id=self.ids.lower(6),
            name=request["name"],
            target_arns=list(request["targetArns"]),
            description=request.get("description"),
            status_message="Your vpc link is ready for use",
            tags=dict(request["tags"]) if request.get("tags") else None,
        )
        _need_link(link)

        def change(found: Found) -> VpcLink:
            need_room(found.count(VpcLink), self.quotas.vpc_links, "VPC links", "this account")
            return found.put(link)

        described = describe(await self.configuration.write(context, change))
        # There is no network to set up here: the link is ready when its creator asks again.
        return {**{k: v for k, v in described.items() if k != "statusMessage"}, "status": "PENDING"}

    @operation("GetVpcLink")
    async def get_vpc_link(self, context: CallContext, request: Request) -> Reply:
        return with_tags(describe(await self.configuration.get(context, VpcLink, request["vpcLinkId"])))

    @operation("GetVpcLinks")
    async def get_vpc_links(self, context: CallContext, request: Request) -> Reply:
        return await self.configuration.page(context, VpcLink, request=request)

    @operation("UpdateVpcLink")
    async def update_vpc_link(self, context: CallContext, request: Request) -> Reply:
        def change(found: Found) -> VpcLink:
            before = found.get(VpcLink, request["vpcLinkId"])
            link = patched(before, patches.VPC_LINK, request.get("patchOperations"))
            _need_link(link)
            return found.put(link)

        return with_tags(describe(await self.configuration.write(context, change)))

    @operation("DeleteVpcLink")
    async def delete_vpc_link(self, context: CallContext, request: Request) -> None:
        def change(found: Found) -> None:
            link = found.get(VpcLink, request["vpcLinkId"])
            users = [name for resource in found.all(Resource) for name in _users(resource, link)]
            if users:
                raise BadRequestException(
                    f"Cannot delete vpc link. Vpc link '{link.id}', is referenced in [{', '.join(users)}]"
                )
            found.delete(VpcLink, link.id)

        await self.configuration.write(context, change)


def _users(resource: Resource, link: VpcLink) -> list[str]:
    return [
        f"{http_method}:{resource.rest_api_id}:{resource.path}"
        for http_method, method in resource.resource_methods.items()
        if method.method_integration and method.method_integration.connection_id == link.id
    ]


def _need_link(link: VpcLink) -> None:
    if not link.name:
        raise BadRequestException("Name cannot be empty")
    for target in link.target_arns:
        try:
            Arn.parse(target)
        except ValueError:
            raise BadRequestException(f"Invalid ARN. ARN is not well formed {target}") from None
