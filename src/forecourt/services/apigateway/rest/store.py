"""What is configured, and how it is found: by AWS's identifiers, with AWS's error where it is not there.

Reads go to the store as they are; every change is one transaction that reads, decides and writes (`write`). What an
operation refuses it refuses inside that transaction, so nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.apigateway.rest import errors, model, patch
from forecourt.services.apigateway.rest.errors import BadRequestException, NotFoundException
from forecourt.services.apigateway.rest.model import RestApi, describe
from forecourt.store import Document, Store, Tx, position

E = TypeVar("E", bound=Document)
T = TypeVar("T")
DEFAULT_PAGE_SIZE = 25
MAXIMUM_PAGE_SIZE = 500

# What AWS says of one that is not there; `{0}` is the last part of its key.
_MISSING: dict[type[Document], str] = {
    model.Resource: "Invalid Resource identifier specified",
    model.Model: "Invalid model name specified: {0}",
    model.RequestValidator: "Invalid Request Validator identifier specified",
    model.Authorizer: "Invalid Authorizer identifier specified",
    model.GatewayResponse: "Gateway response type not defined on api",
    model.DocumentationPart: "Invalid Documentation part identifier specified",
    model.DocumentationVersion: "Invalid Documentation version specified",
    model.Deployment: "Invalid Deployment identifier specified",
    model.Stage: "Invalid stage identifier specified",
    model.ApiKey: "Invalid API Key identifier specified",
    model.UsagePlan: "Invalid Usage Plan ID specified",
    model.UsagePlanKey: "Invalid API Key identifier specified",
    model.ClientCertificate: "Invalid Client Certificate identifier specified",
    model.VpcLink: "Invalid Vpc Link identifier specified",
    model.DomainName: "Invalid domain name identifier specified",
    model.BasePathMapping: "Invalid base path mapping identifier specified",
    model.DomainNameAccessAssociation: "Invalid domain name access association identifier specified",
}


Missing = Callable[[CallContext, type[Document], Sequence[str]], ServiceError]


def missing(context: CallContext, kind: type[Document], key: Sequence[str]) -> ServiceError:
    if kind is RestApi:
        return errors.no_api(context.account, key[-1])
    return NotFoundException(_MISSING[kind].format(key[-1]))


class Found:
    """One transaction's view of a caller's configuration."""

    def __init__(self, tx: Tx, context: CallContext, missing: Missing = missing) -> None:
        self.tx = tx
        self.context = context
        self.own = (context.account, context.region)
        self._missing = missing

    def get(self, kind: type[E], *key: str) -> E:
        document = self.tx.get(kind, *self.own, *key)
        if document is None:
            raise self._missing(self.context, kind, key)
        return document

    def maybe(self, kind: type[E], *key: str) -> E | None:
        return self.tx.get(kind, *self.own, *key)

    def all(self, kind: type[E], *prefix: str) -> list[E]:
        return self.tx.list(kind, *self.own, *prefix)

    def count(self, kind: type[E], *prefix: str) -> int:
        return self.tx.count(kind, *self.own, *prefix)

    def put(self, document: E) -> E:
        self.tx.put(document)
        return document

    def delete(self, kind: type[E], *key: str) -> None:
        if not self.tx.delete(kind, *self.own, *key):
            raise self._missing(self.context, kind, key)

    def delete_all(self, kind: type[E], *prefix: str) -> None:
        self.tx.delete_all(kind, *self.own, *prefix)


class Configuration:
    """`missing` words what is not there: `apigateway` and `apigatewayv2` differ in that."""

    def __init__(self, store: Store, missing: Missing = missing) -> None:
        self._store = store
        self._missing = missing

    async def get(self, context: CallContext, kind: type[E], *key: str) -> E:
        document = await self.maybe(context, kind, *key)
        if document is None:
            raise self._missing(context, kind, key)
        return document

    async def maybe(self, context: CallContext, kind: type[E], *key: str) -> E | None:
        return await self._store.get(kind, context.account, context.region, *key)

    async def all(self, context: CallContext, kind: type[E], *prefix: str) -> list[E]:
        return await self._store.list(kind, context.account, context.region, *prefix)

    async def page(
        self, context: CallContext, kind: type[E], *prefix: str, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A page of what stands under `prefix`, as AWS's `items` and `position`."""
        size = page_size(request)
        found = await self._store.list(
            kind, context.account, context.region, *prefix, after=after(request), limit=size + 1
        )
        items = [describe(document) for document in found[:size]]
        return _page(items, encode_token(position(found[size - 1])) if len(found) > size else None)

    async def api(self, context: CallContext, rest_api_id: str) -> RestApi:
        return await self.get(context, RestApi, rest_api_id)

    async def write(self, context: CallContext, change: Callable[[Found], T]) -> T:
        return await self._store.write(lambda tx: change(Found(tx, context, self._missing)))

    async def write_whole(self, context: CallContext, change: Callable[[Found], T]) -> T:
        """As `write`, for a change of a whole API: it runs in a thread, and nobody else waits for it."""
        return await self._store.write_long(lambda tx: change(Found(tx, context, self._missing)))


def page_size(request: Mapping[str, Any]) -> int:
    limit = int(request.get("limit") or DEFAULT_PAGE_SIZE)
    if limit < 1:
        raise BadRequestException("Invalid limit specified. Must be between 1 and 500")
    return min(limit, MAXIMUM_PAGE_SIZE)


def after(request: Mapping[str, Any]) -> tuple[str, ...] | None:
    token = request.get("position")
    try:
        return decode_token(token) if token else None
    except ValueError:
        raise BadRequestException("Invalid position specified") from None


def page_of(documents: Iterable[E], request: Mapping[str, Any]) -> dict[str, Any]:
    """A page of documents that were chosen in memory: filtered, or in an order of their own."""
    size, behind = page_size(request), after(request)
    waiting = list(documents)
    if behind is not None:
        positions = [position(document) for document in waiting]
        waiting = waiting[positions.index(behind) + 1 :] if behind in positions else []
    items = [describe(document) for document in waiting[:size]]
    return _page(items, encode_token(position(waiting[size - 1])) if len(waiting) > size else None)


def _page(items: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    return {"items": items, "position": token} if token else {"items": items}


P = TypeVar("P", bound=msgspec.Struct)


def patched(document: P, table: patch.Table, operations: Sequence[Any] | None) -> P:
    """`document` as the patch operations leave it."""
    data = patch.apply(table, msgspec.to_builtins(document), operations or ())
    try:
        return msgspec.convert(data, type(document))
    except msgspec.ValidationError:
        raise BadRequestException("Invalid patch value specified") from None


def with_tags(described: dict[str, Any]) -> dict[str, Any]:
    """Reading or changing one entity shows its tags even where it has none; creating and listing do not."""
    return {**described, "tags": described.get("tags") or {}}
