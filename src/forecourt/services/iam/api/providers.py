"""OpenID Connect and SAML identity providers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from forecourt.base.call import CallContext, operation
from forecourt.services.iam.api.kit import IamApi, Request, Result, add_tags, insert, new_tags
from forecourt.services.iam.errors import InvalidInputException, LimitExceededException, NoSuchEntityException
from forecourt.services.iam.model import OidcProvider, SamlProvider
from forecourt.services.iam.store import page, shown_tags, tags_of
from forecourt.store import Store, Tx

_YEAR = 365 * 86_400
_SAML_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_MAX_CLIENT_IDS = 100
P = TypeVar("P", OidcProvider, SamlProvider)


class _ProvidersApi(IamApi, Generic[P]):
    """What both kinds have in common: they are found by their ARN, and have tags."""

    kind: type[P]
    # The parameter that names one, and what is said where there is none
    member: str
    missing: str

    def _in(self, tx: Tx | Store, context: CallContext, request: Request) -> Any:
        return tx.get(self.kind, context.account, request[self.member].partition("/")[2])

    def _checked(self, found: P | None, request: Request) -> P:
        if found is None or found.arn != request[self.member]:
            raise NoSuchEntityException(self.missing.format(request[self.member]))
        return found

    async def _get(self, context: CallContext, request: Request) -> P:
        return self._checked(await self._in(self.store, context, request), request)

    async def _change(self, context: CallContext, request: Request, change: Callable[[P], None]) -> Result:
        def apply(tx: Tx) -> None:
            found = self._checked(self._in(tx, context, request), request)
            change(found)
            tx.put(found)

        await self.store.write(apply)
        return {}

    async def _tag(self, context: CallContext, request: Request) -> Result:
        return await self._change(context, request, lambda provider: add_tags(provider.tags, tags_of(request)))

    async def _untag(self, context: CallContext, request: Request) -> Result:
        def change(provider: P) -> None:
            for key in request["TagKeys"]:
                provider.tags.pop(key, None)

        return await self._change(context, request, change)

    async def _list_tags(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        tags, more = page(shown_tags(provider.tags), request, lambda tag: tag["Key"])
        return {"Tags": tags, **more}


class OidcProvidersApi(_ProvidersApi[OidcProvider]):
    kind = OidcProvider
    member = "OpenIDConnectProviderArn"
    missing = "OpenIDConnect Provider not found for arn {}"

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
        return await self._tag(context, request)

    @operation("UntagOpenIDConnectProvider")
    async def untag(self, context: CallContext, request: Request) -> Result:
        return await self._untag(context, request)

    @operation("ListOpenIDConnectProviderTags")
    async def list_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list_tags(context, request)


class SamlProvidersApi(_ProvidersApi[SamlProvider]):
    kind = SamlProvider
    member = "SAMLProviderArn"
    missing = "SAML Provider {} does not exist."

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
        document, now = request.get("SAMLMetadataDocument"), self.kit.clock.now()

        def change(provider: SamlProvider) -> None:
            if document:
                provider.metadata, provider.valid_until = document, _valid_until(document, now)

        await self._change(context, request, change)
        return {"SAMLProviderArn": request["SAMLProviderArn"]}

    @operation("DeleteSAMLProvider")
    async def delete(self, context: CallContext, request: Request) -> Result:
        provider = await self._get(context, request)
        await self.store.write(lambda tx: tx.delete(SamlProvider, context.account, provider.name))
        return {}

    @operation("TagSAMLProvider")
    async def tag(self, context: CallContext, request: Request) -> Result:
        return await self._tag(context, request)

    @operation("UntagSAMLProvider")
    async def untag(self, context: CallContext, request: Request) -> Result:
        return await self._untag(context, request)

    @operation("ListSAMLProviderTags")
    async def list_tags(self, context: CallContext, request: Request) -> Result:
        return await self._list_tags(context, request)


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
