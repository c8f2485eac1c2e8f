"""Zips handed out again: the `Location` that GetFunction and GetLayerVersion answer with.

The address is a bearer's, as an S3 URL that Lambda presigns: a sealed token that names the zip and the minute it ends,
ten minutes on Forecourt's clock. Nothing about it is kept.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from forecourt.base.asgi import Scope, Send
from forecourt.base.clock import Clock
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import SealBroken, Sealer

_PURPOSE = "lambda.download"
_SECONDS = 600
_CHUNK_BYTES = 1 << 18
_DEFAULT_URL = "http://localhost:4566"


class Downloads:
    def __init__(self, blobs: Blobs, sealer: Sealer, clock: Clock) -> None:
        self._blobs = blobs
        self._sealer = sealer
        self._clock = clock

    def location(self, public_url: str, digest: str) -> str:
        token = self._sealer.seal(f"{digest} {self._clock.now() + _SECONDS}".encode(), _PURPOSE)
        return f"{public_url or _DEFAULT_URL}/_aws/lambda-code/{base64.urlsafe_b64encode(token).decode().rstrip('=')}"

    async def serve(self, token: str, scope: Scope, send: Send) -> None:
        data = await self._read(token) if scope["method"] in ("GET", "HEAD") else None
        if data is None:
            await _respond(send, 403, b"application/json", [b'{"Message":"Request has expired"}'])
            return
        chunks = [data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES)]
        await _respond(send, 200, b"application/zip", chunks, with_body=scope["method"] == "GET")

    async def _read(self, token: str) -> bytes | None:
        """The zip, or None where the token is not ours or too old, or the zip is gone."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            digest, until = self._sealer.open(sealed, _PURPOSE).decode().split()
        except (SealBroken, binascii.Error):
            return None
        if self._clock.now() >= float(until):
            return None
        try:
            return await asyncio.to_thread(self._blobs.path(digest).read_bytes)
        except FileNotFoundError:
            return None


async def _respond(send: Send, status: int, kind: bytes, chunks: list[bytes], *, with_body: bool = True) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % sum(map(len, chunks)))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for chunk in chunks if with_body else ():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
