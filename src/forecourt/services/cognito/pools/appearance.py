"""How the hosted pages look: the classic UI's CSS and logo, managed-login branding documents, terms."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.cognito import errors
from forecourt.services.cognito.hosted_ui.style import check_css
from forecourt.services.cognito.model import Branding, Customization, Pool, Terms
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.resource_quotas import need_room
from forecourt.services.cognito.store import Records, token_hash
from forecourt.store import AlreadyExists, Tx

if TYPE_CHECKING:
    from types_boto3_cognito_idp import type_defs as t

_ALL = "ALL"


class AppearanceApi:
    def __init__(self, records: Records) -> None:
        self._records = records

    @operation("SetUICustomization")
    async def set_ui_customization(
        self, context: CallContext, request: t.SetUICustomizationRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        if not await self._records.domain_of(pool.id):
            raise errors.InvalidParameterException("There has to be an existing domain associated with this user pool")
        client_id = request.get("ClientId", _ALL)
        await self._check_client(pool, client_id)
        check_css(request.get("CSS", ""))
        now = self._records.clock.now()

        def put(tx: Tx) -> Customization:
            before = tx.get(Customization, pool.id, client_id)
            customization = Customization(
                pool_id=pool.id,
                client_id=client_id,
                created_at=before.created_at if before else now,
                modified_at=now,
                css=request.get("CSS", ""),
                image=_bytes(request["ImageFile"]) if "ImageFile" in request else (before.image if before else b""),
                version=token_hash(f"{now}")[:14],
            )
            tx.put(customization)
            return customization

        return {"UICustomization": _shown_customization(await self._records.store.write(put))}

    @operation("GetUICustomization")
    async def get_ui_customization(
        self, context: CallContext, request: t.GetUICustomizationRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        client_id = request.get("ClientId", _ALL)
        found = await self._records.store.get(Customization, pool.id, client_id)
        found = found or await self._records.store.get(Customization, pool.id, _ALL)
        return {"UICustomization": _shown_customization(found) if found else {}}

    @operation("CreateManagedLoginBranding")
    async def create_managed_login_branding(
        self, context: CallContext, request: t.CreateManagedLoginBrandingRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        await self._check_client(pool, request["ClientId"])
        _check_branding(request)
        now = self._records.clock.now()
        branding = Branding(
            pool_id=pool.id,
            id=self._records.ids.uuid(),
            client_id=request["ClientId"],
            created_at=now,
            modified_at=now,
        )
        self._fill(branding, request)

        def insert(tx: Tx) -> None:
            count = tx.count(Branding, pool.id)
            need_room(count, self._records.quotas.branding_styles, "managed login branding styles of this user pool")
            tx.insert(branding)

        try:
            await self._records.store.write(insert)
        except AlreadyExists:
            raise errors.ManagedLoginBrandingExistsException(
                "The client has a managed login branding already."
            ) from None
        return {"ManagedLoginBranding": _shown_branding(branding)}

    @operation("UpdateManagedLoginBranding")
    async def update_managed_login_branding(
        self, context: CallContext, request: t.UpdateManagedLoginBrandingRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request.get("UserPoolId", ""))
        _check_branding(request)

        def update(tx: Tx) -> Branding:
            branding = tx.get(Branding, pool.id, request.get("ManagedLoginBrandingId", ""))
            if branding is None:
                raise _no_branding()
            self._fill(branding, request)
            branding.modified_at = self._records.clock.now()
            tx.put(branding)
            return branding

        return {"ManagedLoginBranding": _shown_branding(await self._records.store.write(update))}

    @operation("DescribeManagedLoginBranding")
    async def describe_managed_login_branding(
        self, context: CallContext, request: t.DescribeManagedLoginBrandingRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        branding = await self._records.store.get(Branding, pool.id, request["ManagedLoginBrandingId"])
        if branding is None:
            raise _no_branding()
        return {"ManagedLoginBranding": _shown_branding(branding)}

    @operation("DescribeManagedLoginBrandingByClient")
    async def describe_managed_login_branding_by_client(
        self, context: CallContext, request: t.DescribeManagedLoginBrandingByClientRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        found = await self._records.store.find(Branding, "by_client", pool.id, request["ClientId"])
        if not found:
            raise _no_branding()
        return {"ManagedLoginBranding": _shown_branding(found[0])}

    @operation("DeleteManagedLoginBranding")
    async def delete_managed_login_branding(
        self, context: CallContext, request: t.DeleteManagedLoginBrandingRequestTypeDef
    ) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        branding_id = request["ManagedLoginBrandingId"]
        if not await self._records.store.write(lambda tx: tx.delete(Branding, pool.id, branding_id)):
            raise _no_branding()
        return {}

    @operation("CreateTerms")
    async def create_terms(self, context: CallContext, request: t.CreateTermsRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        await self._check_client(pool, request["ClientId"])
        now = self._records.clock.now()
        terms = Terms(
            pool_id=pool.id,
            id=self._records.ids.uuid(),
            client_id=request["ClientId"],
            name=request["TermsName"],
            source=request["TermsSource"],
            enforcement=request["Enforcement"],
            links=dict(request.get("Links", {})),
            created_at=now,
            modified_at=now,
        )
        try:
            await self._records.store.write(lambda tx: tx.insert(terms))
        except AlreadyExists:
            raise errors.TermsExistsException("The client has terms of this name already.") from None
        return {"Terms": _shown_terms(terms)}

    @operation("DescribeTerms")
    async def describe_terms(self, context: CallContext, request: t.DescribeTermsRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        terms = await self._records.store.get(Terms, pool.id, request["TermsId"])
        if terms is None:
            raise _no_terms()
        return {"Terms": _shown_terms(terms)}

    @operation("DescribeTermsByClient")
    async def describe_terms_by_client(self, context: CallContext, request: Any) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        key = (pool.id, request["ClientId"], request["TermsName"])
        found = await self._records.store.find(Terms, "by_client", *key)
        if not found:
            raise _no_terms()
        return {"Terms": _shown_terms(found[0])}

    @operation("UpdateTerms")
    async def update_terms(self, context: CallContext, request: t.UpdateTermsRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])

        def update(tx: Tx) -> Terms:
            terms = tx.get(Terms, pool.id, request["TermsId"])
            if terms is None:
                raise _no_terms()
            terms.name = request.get("TermsName", terms.name)
            terms.source = request.get("TermsSource", terms.source)
            terms.enforcement = request.get("Enforcement", terms.enforcement)
            terms.links = dict(request.get("Links", terms.links))
            terms.modified_at = self._records.clock.now()
            tx.put(terms)
            return terms

        return {"Terms": _shown_terms(await self._records.store.write(update))}

    @operation("DeleteTerms")
    async def delete_terms(self, context: CallContext, request: t.DeleteTermsRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        if not await self._records.store.write(lambda tx: tx.delete(Terms, pool.id, request["TermsId"])):
            raise _no_terms()
        return {}

    @operation("ListTerms")
    async def list_terms(self, context: CallContext, request: t.ListTermsRequestTypeDef) -> dict[str, Any]:
        pool = await self._records.pool(context, request["UserPoolId"])
        found, token = await paging.page(
            self._records.store, Terms, pool.id, token=request.get("NextToken"), limit=request.get("MaxResults")
        )
        kept = ("TermsId", "TermsName", "Enforcement", "CreationDate", "LastModifiedDate")
        brief = [{name: _shown_terms(terms)[name] for name in kept} for terms in found]
        return paging.with_token({"Terms": brief}, "NextToken", token)

    async def _check_client(self, pool: Pool, client_id: str) -> None:
        if client_id != _ALL:
            await self._records.client(pool, client_id)

    def _fill(self, branding: Branding, request: Mapping[str, Any]) -> None:
        """What is not given stays as it was, unless Cognito's own values are wanted."""
        branding.use_provided_values = bool(request.get("UseCognitoProvidedValues", False))
        if branding.use_provided_values:
            branding.settings, branding.assets = {}, []
        branding.settings = _merged(branding.settings, request.get("Settings", {}))
        assets = {(asset["Category"], asset["ColorMode"]): asset for asset in branding.assets}
        for asset in request.get("Assets", ()):
            place = asset["Category"], asset["ColorMode"]
            new = {"ResourceId": self._records.ids.uuid(), **assets.get(place, {}), **_asset(asset)}
            assets[place] = new
        branding.assets = list(assets.values())


def _check_branding(request: Mapping[str, Any]) -> None:
    if request.get("UseCognitoProvidedValues") and (request.get("Settings") or request.get("Assets")):
        raise errors.InvalidParameterException("Settings and Assets can not be given with UseCognitoProvidedValues.")


def _merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Documents within documents are merged, other values replaced."""
    merged = dict(before)
    for name, value in given.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _asset(asset: Mapping[str, Any]) -> dict[str, Any]:
    return {**asset, **({"Bytes": _bytes(asset["Bytes"])} if "Bytes" in asset else {})}


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value)


def _shown_branding(branding: Branding) -> dict[str, Any]:
    return {
        "ManagedLoginBrandingId": branding.id,
        "UserPoolId": branding.pool_id,
        "UseCognitoProvidedValues": branding.use_provided_values,
        "Settings": branding.settings,
        "Assets": branding.assets,
        "CreationDate": branding.created_at,
        "LastModifiedDate": branding.modified_at,
    }


def _shown_customization(customization: Customization) -> dict[str, Any]:
    path = f"/{customization.client_id}/{customization.version}/assets/images/image.jpg"
    return {
        "UserPoolId": customization.pool_id,
        "ClientId": customization.client_id,
        **({"ImageUrl": path} if customization.image else {}),
        "CSS": customization.css,
        "CSSVersion": customization.version,
        "LastModifiedDate": customization.modified_at,
        "CreationDate": customization.created_at,
    }


def _shown_terms(terms: Terms) -> dict[str, Any]:
    return {
        "TermsId": terms.id,
        "UserPoolId": terms.pool_id,
        "ClientId": terms.client_id,
        "TermsName": terms.name,
        "TermsSource": terms.source,
        "Enforcement": terms.enforcement,
        "Links": terms.links,
        "CreationDate": terms.created_at,
        "LastModifiedDate": terms.modified_at,
    }


def _no_branding() -> errors.ResourceNotFoundException:
    return errors.ResourceNotFoundException("Managed login branding does not exist.")


def _no_terms() -> errors.ResourceNotFoundException:
    return errors.ResourceNotFoundException("Terms do not exist.")
