"""TagResource, UntagResource, GetTags, for everything that has tags."""

from __future__ import annotations

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.rest.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.rest.tagging import need_tags, tagged


class TagsApi(Noun):
    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: Request) -> None:
        kind, key = tagged(request["resourceArn"])

        def change(found: Found) -> None:
            document = found.get(kind, *key)
            tags = {**(getattr(document, "tags", None) or {}), **request["tags"]}
            need_tags(tags, self.quotas)
            setattr(document, "tags", tags)  # noqa: B010 - every kind that `tagged` gives has tags
            found.put(document)

        await self.configuration.write(context, change)

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: Request) -> None:
        kind, key = tagged(request["resourceArn"])

        def change(found: Found) -> None:
            document = found.get(kind, *key)
            tags = {name: v for name, v in (getattr(document, "tags", None) or {}).items() if name not in gone}
            setattr(document, "tags", tags or None)  # noqa: B010
            found.put(document)

        gone = set(request["tagKeys"])
        await self.configuration.write(context, change)

    @operation("GetTags")
    async def get_tags(self, context: CallContext, request: Request) -> Reply:
        kind, key = tagged(request["resourceArn"])
        document = await self.configuration.get(context, kind, *key)
        return {"tags": getattr(document, "tags", None) or {}}
