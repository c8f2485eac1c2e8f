"""TagResource, UntagResource, GetTags, for everything that has tags."""

from __future__ import annotations

from typing import Any

from forecourt.base.call import CallContext, operation
from forecourt.services.apigateway.http.api.noun import Noun, Reply, Request
from forecourt.services.apigateway.http.errors import NotFoundException
from forecourt.services.apigateway.http.model import Api, Stage, VpcLink
from forecourt.services.apigateway.rest.model import DomainName
from forecourt.services.apigateway.rest.store import Found
from forecourt.services.apigateway.rest.tagging import need_tags
from forecourt.store import Document

_TAGGED: dict[tuple[str, ...], type[Document]] = {
    ("apis", "*"): Api,
    ("apis", "*", "stages", "*"): Stage,
    ("vpclinks", "*"): VpcLink,
    ("domainnames", "*"): DomainName,
}


def _tagged(resource_arn: str) -> tuple[type[Document], tuple[str, ...]]:
    parts = resource_arn.partition("::")[2].strip("/").split("/")
    for pattern, kind in _TAGGED.items():
        if len(parts) == len(pattern) and all(p in ("*", part) for p, part in zip(pattern, parts, strict=True)):
            return kind, tuple(part for p, part in zip(pattern, parts, strict=True) if p == "*")
    raise NotFoundException("Invalid resource identifier specified")


class TagsApi(Noun):
    @operation("TagResource")
    async def tag_resource(self, context: CallContext, request: Request) -> Reply:
        await self._change(context, request["ResourceArn"], dict(request.get("Tags") or {}), ())
        return {}

    @operation("UntagResource")
    async def untag_resource(self, context: CallContext, request: Request) -> None:
        await self._change(context, request["ResourceArn"], {}, request["TagKeys"])

    async def _change(self, context: CallContext, arn: str, added: dict[str, str], removed: Any) -> None:
        kind, key = _tagged(arn)

        def change(found: Found) -> None:
            document = found.get(kind, *key)
            tags = {**(getattr(document, "tags", None) or {}), **added}
            need_tags(tags, self.quotas)
            setattr(document, "tags", {k: v for k, v in tags.items() if k not in removed})  # noqa: B010
            found.put(document)

        await self.configuration.write(context, change)

    @operation("GetTags")
    async def get_tags(self, context: CallContext, request: Request) -> Reply:
        kind, key = _tagged(request["ResourceArn"])
        document = await self.configuration.get(context, kind, *key)
        return {"Tags": getattr(document, "tags", None) or {}}
