"""What every noun's operations work with. Most nouns belong to an API, whose every change may deploy it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from forecourt.base.call import CallContext
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.services.apigateway.http.deploying import redeploy
from forecourt.services.apigateway.http.model import Api
from forecourt.services.apigateway.http.store import merged, page
from forecourt.services.apigateway.rest.model import describe
from forecourt.services.apigateway.rest.ports import Caches, Issuers
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.rest.store import Configuration, Found
from forecourt.store import Document

Request: TypeAlias = Mapping[str, Any]
Reply: TypeAlias = dict[str, Any]
D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class Tools:
    configuration: Configuration
    clock: Clock
    ids: Ids
    quotas: Quotas
    caches: Caches
    issuers: Issuers


class Noun:
    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.configuration = tools.configuration
        self.ids = tools.ids
        self.quotas = tools.quotas

    def now(self) -> int:
        return int(self.tools.clock.now())

    async def list(self, context: CallContext, kind: type[Document], *prefix: str, request: Request) -> Reply:
        return page(await self.configuration.all(context, kind, *prefix), request)

    async def of_api(self, context: CallContext, kind: type[Document], *below: str, request: Request) -> Reply:
        """The API's things of that kind. An API that is not there is told apart from one that has none."""
        api = await self.configuration.get(context, Api, request["ApiId"])
        return await self.list(context, kind, api.api_id, *below, request=request)

    async def change(self, context: CallContext, api_id: str, change: Callable[[Found, Api], D]) -> Reply:
        """A change of the API `api_id` or of what belongs to it."""

        def change_and_deploy(found: Found) -> Reply:
            changed = change(found, found.get(Api, api_id))
            redeploy(found, api_id, self.ids, self.now())
            return describe(changed)

        return await self.configuration.write(context, change_and_deploy)

    async def delete(
        self, context: CallContext, kind: type[Document], *key: str, need: Callable[[Found], None] | None = None
    ) -> None:
        """Deletes what belongs to the API that `key` begins with; `need` may refuse."""

        def change(found: Found) -> None:
            found.get(Api, key[0])
            found.get(kind, *key)
            if need is not None:
                need(found)
            found.delete(kind, *key)
            redeploy(found, key[0], self.ids, self.now())

        await self.configuration.write(context, change)


def new(kind: type[D], api: Api, request: Request, **members: Any) -> D:
    """A new thing of the API: the request's members, `members` (its id), defaults."""
    own: dict[str, Any] = {"account": api.account, "region": api.region, "api_id": api.api_id}
    given = {name: value for name, value in request.items() if name != "ApiId"}
    return merged(kind(**own, **members), given)
