"""OpenID Connect and SAML identity providers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.kit import IamApi, Request, Result, add_tags, insert, new_tags
from forecourt.services.iam.errors import InvalidInputException, LimitExceededException, NoSuchEntityException
from forecourt.services.iam.model import OidcProvider, SamlProvider
from forecourt.services.iam.store import page, shown_tags, tags_of
from forecourt.store import Tx

_YEAR = 365 * 86_400
_SAML_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_MAX_CLIENT_IDS = 100
Change = Callable[[OidcProvider], None]


class OidcProvidersApi(IamApi):
    @operation("CreateOpenIDConnectProvider")
    async def create(self, context: CallContext, request: Request) -> Result:
        provider = OidcProvider(
            account=context.account,
            url=_provider_url(request["Url"]),
            created_at=self.kit.clock.now(),
            client_ids=list(dict.fromkeys(request.get("ClientIDList") or ())),
            thumbprints=list(request.get("ThumbprintList") or ()),
            tags=new_tags(request),
        )
        await self.store.write(lambda tx: insert(tx, provider, f"Provider with url {request['Url']}"))
        return {"OpenIDConnectProviderArn": provider.arn, "Tags": shown_tags(provider.tags)}

    @operation("GetOpenIDConnectProvider")
    async def get(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        return {
            "Url": provider.url,
            "ClientIDList": provider.client_ids,
            "ThumbprintList": provider.thumbprints,
            "CreateDate": provider.created_at,
            "Tags": shown_tags(provider.tags),
        }

    @operation("ListOpenIDConnectProviders")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        found = await self.store.list(OidcProvider, context.account)
        return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for provider in found]}

    @operation("DeleteOpenIDConnectProvider")
    async def delete(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        await self.store.write(lambda tx: tx.delete(OidcProvider, context.account, provider.url))
        return {}

    @operation("AddClientIDToOpenIDConnectProvider")
    async def add_client_id(self, context: CallContext, request: Request) -> Result:
        def change(provider: OidcProvider) -> None:
            if request["ClientID"] not in provider.client_ids:
                if len(provider.client_ids) >= _MAX_CLIENT_IDS:
                    raise LimitExceededException(
                        f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_MAX_CLIENT_IDS}"
                    )
                provider.client_ids.append(request["ClientID"])

        return await self._change(context, request, change)

    @operation("RemoveClientIDFromOpenIDConnectProvider")
    async def remove_client_id(self, context: CallContext, request: Request) -> Result:
        def change(provider: OidcProvider) -> None:
            provider.client_ids = [id for id in provider.client_ids if id != request["ClientID"]]

        return await self._change(context, request, change)

    @operation("UpdateOpenIDConnectProviderThumbprint")
    async def update_thumbprint(self, context: CallContext, request: Request) -> Result:
        def change(provider: OidcProvider) -> None:
            provider.thumbprints = list(request["ThumbprintList"])

        return await self._change(context, request, change)

    @operation("TagOpenIDConnectProvider")
    async def tag(self, context: CallContext, request: Request) -> Result:
        return await self._change(context, request, lambda provider: add_tags(provider.tags, tags_of(request)))

    @operation("UntagOpenIDConnectProvider")
    async def untag(self, context: CallContext, request: Request) -> Result:
        def change(provider: OidcProvider) -> None:
            for key in request["TagKeys"]:
                provider.tags.pop(key, None)

        return await self._change(context, request, change)

    @operation("ListOpenIDConnectProviderTags")
    async def list_tags(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        tags, more = page(shown_tags(provider.tags), request, lambda tag: tag["Key"])
        return {"Tags": tags, **more}

    async def _get(self, context: CallContext, request: Request) -> OidcProvider:
        arn = request["OpenIDConnectProviderArn"]
        found = await self.store.get(OidcProvider, context.account, arn.partition("/")[2])
        if found is None or found.arn != arn:
            raise _no_provider(arn)
        return found

    async def _change(self, context: CallContext, request: Request, change: Change) -> Result:
        arn = request["OpenIDConnectProviderArn"]

        def apply(tx: Tx) -> None:
            found = tx.get(OidcProvider, context.account, arn.partition("/")[2])
            if found is None or found.arn != arn:
                raise _no_provider(arn)
            change(found)
            tx.put(found)

        await self.store.write(apply)
        return {}


class SamlProvidersApi(IamApi):
    @operation("CreateSAMLProvider")
    async def create(self, context: CallContext, request: Request) -> Result:
        now = self.kit.clock.now()
        provider = SamlProvider(
            account=context.account,
            name=request["Name"],
            uuid=self.kit.ids.uuid(),
            created_at=now,
            valid_until=_valid_until(request["SAMLMetadataDocument"], now),
            metadata=request["SAMLMetadataDocument"],
            tags=new_tags(request),
        )
        await self.store.write(lambda tx: insert(tx, provider, f"SAML provider with name {provider.name}"))
        return {"SAMLProviderArn": provider.arn, "Tags": shown_tags(provider.tags)}

    @operation("GetSAMLProvider")
    async def get(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        return {
            "SAMLProviderUUID": provider.uuid,
            "SAMLMetadataDocument": provider.metadata,
            "CreateDate": provider.created_at,
            "ValidUntil": provider.valid_until,
            "Tags": shown_tags(provider.tags),
        }

    @operation("ListSAMLProviders")
    async def list_all(self, context: CallContext, request: Request) -> Result:
        found = await self.store.list(SamlProvider, context.account)
        shown = [{"Arn": p.arn, "ValidUntil": p.valid_until, "CreateDate": p.created_at} for p in found]
        return {"SAMLProviderList": shown}

    @operation("UpdateSAMLProvider")
    async def update(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        document = request.get("SAMLMetadataDocument")
        if document:
            provider.metadata, provider.valid_until = document, _valid_until(document, self.kit.clock.now())
            await self.store.write(lambda tx: tx.put(provider))
        return {"SAMLProviderArn": provider.arn}

    @operation("DeleteSAMLProvider")
    async def delete(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        await self.store.write(lambda tx: tx.delete(SamlProvider, context.account, provider.name))
        return {}

    @operation("TagSAMLProvider")
    async def tag(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        add_tags(provider.tags, tags_of(request))
        await self.store.write(lambda tx: tx.put(provider))
        return {}

    @operation("UntagSAMLProvider")
    async def untag(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        provider.tags = {key: value for key, value in provider.tags.items() if key not in request["TagKeys"]}
        await self.store.write(lambda tx: tx.put(provider))
        return {}

    @operation("ListSAMLProviderTags")
    async def list_tags(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        tags, more = page(shown_tags(provider.tags), request, lambda tag: tag["Key"])
        return {"Tags": tags, **more}

    async def _get(self, context: CallContext, request: Request) -> SamlProvider:
        arn = request["SAMLProviderArn"]
        found = await self.store.get(SamlProvider, context.account, arn.partition("/")[2])
        if found is None or found.arn != arn:
            raise NoSuchEntityException(f"SAML Provider {arn} does not exist.")
        return found


def _no_provider(arn: str) -> NoSuchEntityException:
    return NoSuchEntityException(f"OpenIDConnect Provider not found for arn {arn}")


def _provider_url(url: str) -> str:
    parts = urlsplit(url)
    # AWS asks for https; a user pool of ours, or a test's issuer, may be plain http on this machine.
    if parts.scheme not in ("https", "http") or not parts.netloc or parts.query or parts.fragment:
        raise InvalidInputException(f"Invalid Open ID Connect Provider URL: {url}")
    return re.sub(r"^https?://", "", url).rstrip("/")


def _valid_until(document: str, now: float) -> float:
    # Imported for the first SAML provider: a start does not wait for it.
    from defusedxml import DefusedXmlException, ElementTree

    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        raise InvalidInputException("Could not parse metadata") from None
    if root.tag not in (f"{_SAML_METADATA}EntityDescriptor", f"{_SAML_METADATA}EntitiesDescriptor"):
        raise InvalidInputException("Could not parse metadata")
    try:
        stated = datetime.fromisoformat(root.attrib["validUntil"])
    except (KeyError, ValueError):
        return now + 100 * _YEAR
    return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
