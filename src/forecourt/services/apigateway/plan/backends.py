"""Over which connections an integration reaches its backend.

All integrations share one pool, but for those that show the backend a client certificate, check its certificate
otherwise, or go by a VPC link. Those have pools of their own, one for each way, which outlive the plans that use them
and are opened with their first request.
https://docs.aws.amazon.com/apigateway/latest/developerguide/getting-started-client-side-ssl-authentication.html
"""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple, Protocol

from forecourt.services.apigateway.rest.model import ClientCertificate
from forecourt.store import Store
from forecourt.store.sealing import Sealer
from forecourt.upstream import ConnectFailed, OnReply, Origin, Request, Response, Upstream


class Sender(Protocol):
    """What integrations know of `Upstream`."""

    async def send(self, origin: Origin, request: Request, timeout: float) -> Response:
        """Raises `UpstreamError`, `InvalidRequest`."""
        ...

    def begin(self, origin: Origin, request: Request, timeout: float, on_reply: OnReply) -> bool:
        """`send` without waiting; False where it has to wait, and nothing was sent. Raises `InvalidRequest`."""
        ...


class Tls(NamedTuple):
    """How an integration speaks TLS. `verify`: the backend's certificate is checked, for `server_name` where given."""

    account: str
    region: str
    client_certificate_id: str = ""
    verify: bool = True
    server_name: str = ""

    @property
    def is_plain(self) -> bool:
        return not self.client_certificate_id and self.verify and not self.server_name


class Backends:
    """`sealer` opens client certificates' private keys; without one there are none."""

    def __init__(self, shared: Upstream, store: Store, sealer: Sealer | None) -> None:
        self._shared = shared
        self._store = store
        self._sealer = sealer
        self._own: dict[Tls, _Own] = {}

    def reached_by(self, tls: Tls) -> Sender:
        if tls.is_plain:
            return self._shared
        own = self._own.get(tls)
        if own is None:
            own = self._own[tls] = _Own(tls, self)
        return own

    async def open(self, tls: Tls) -> Upstream:
        context = await asyncio.to_thread(ssl.create_default_context)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_certificate_id:
            await self._present(context, tls)
        return Upstream(tls=context, server_name=tls.server_name or None)

    async def _present(self, context: ssl.SSLContext, tls: Tls) -> None:
        # Imported for the first certificate: a start does not wait for it.
        from forecourt.services.apigateway.rest.certificates import SEAL_PURPOSE, present

        found = await self._store.get(ClientCertificate, tls.account, tls.region, tls.client_certificate_id)
        if found is None or self._sealer is None:
            raise ConnectFailed(f"the client certificate {tls.client_certificate_id} is not there")
        private = self._sealer.open(found.sealed_private_key, SEAL_PURPOSE)
        await asyncio.to_thread(present, context, found.pem_encoded_certificate, private)

    async def close(self) -> None:
        for own in self._own.values():
            await own.close()
        self._own.clear()


class _Own:
    """A pool that is opened when it is first needed."""

    def __init__(self, tls: Tls, backends: Backends) -> None:
        self._tls = tls
        self._backends = backends
        self._opening: asyncio.Task[Upstream] | None = None

    async def send(self, origin: Origin, request: Request, timeout: float) -> Response:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._backends.open(self._tls))
        opening = self._opening
        try:
            upstream = await asyncio.shield(opening)
        except BaseException:
            if opening.done() and self._opening is opening:
                # The next request tries again.
                self._opening = None
            raise
        return await upstream.send(origin, request, timeout)

    def begin(self, origin: Origin, request: Request, timeout: float, on_reply: OnReply) -> bool:
        opening = self._opening
        if opening is None or not opening.done() or opening.exception() is not None:
            return False
        return opening.result().begin(origin, request, timeout, on_reply)

    async def close(self) -> None:
        if self._opening is not None and self._opening.done() and self._opening.exception() is None:
            await self._opening.result().close()
