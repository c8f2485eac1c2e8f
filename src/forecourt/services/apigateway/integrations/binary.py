"""Which payloads are binary: an API's `binaryMediaTypes` against a content type.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings.html
"""

from __future__ import annotations

from collections.abc import Sequence


class BinaryMediaTypes:
    def __init__(self, types: Sequence[str]) -> None:
        """`types` as AWS has them: `image/png`, `image/*`, `*/*` (in patches `~1` stands for the slash)."""
        normal = {media_type.replace("~1", "/").lower() for media_type in types}
        self._all = "*/*" in normal
        self._exact = frozenset(normal)
        self._groups = tuple(media_type[:-1] for media_type in normal if media_type.endswith("/*"))

    def __bool__(self) -> bool:
        return bool(self._exact)

    def holds(self, content_type: bytes | None) -> bool:
        """`content_type` as a header gives it, parameters included."""
        if self._all:
            return True
        if content_type is None or not self._exact:
            return False
        media_type = content_type.split(b";", 1)[0].strip().lower().decode("latin-1")
        return media_type in self._exact or media_type.startswith(self._groups)

    def accepted(self, accept: bytes | None) -> bool:
        """AWS looks at the first media type of `Accept` only."""
        return self.holds(None if accept is None else accept.split(b",", 1)[0])
