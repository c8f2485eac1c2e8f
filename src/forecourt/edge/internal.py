"""AWS's services by their own protocols, from inside the process: no socket, no signature.

An API's integration speaks to a service as a client would, but as a principal that is already known. The request is
resolved and decoded as one from outside; the dispatcher, or the backing service, answers it.
"""

from __future__ import annotations

import logging

from forecourt import wire
from forecourt.base.call import CallContext
from forecourt.base.errors import InternalFailure, ServiceError
from forecourt.base.headers import Headers
from forecourt.edge.aws import BackingHttp, Dispatcher
from forecourt.edge.canonical import canonical

_log = logging.getLogger("forecourt.aws")


class InternalAws:
    def __init__(self, *, dispatcher: Dispatcher, backing: BackingHttp) -> None:
        self._dispatcher = dispatcher
        self._backing = backing

    async def http(
        self,
        context: CallContext,
        service: str,
        method: str,
        raw_path: bytes,
        query_string: bytes,
        headers: Headers,
        body: bytes,
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body as the service's endpoint would answer."""
        named = _named(headers, service, context.region)
        request = wire.HttpRequest(method, raw_path, query_string, named, body)
        target: wire.Target | None = None
        try:
            target = wire.resolve(request)
            params = wire.decode(target, request)
            if self._dispatcher.owns(target.service):
                result = await self._dispatcher.run(context, target.service, target.operation, params)
                response = wire.encode(target, result, context.request_id)
            else:
                service, asked = target.service, canonical(target, request, context.public_url)
                return await self._dispatcher.pass_on(
                    context,
                    service,
                    target.operation,
                    params,
                    lambda context: self._backing.http(
                        context,
                        service,
                        asked.method,
                        asked.raw_path,
                        asked.query_string,
                        asked.headers,
                        asked.body,
                    ),
                )
        except ServiceError as error:
            response = wire.encode_error(target or wire.addressee(request), error, context.request_id)
        except Exception:
            _log.exception("a call from an integration failed")
            response = wire.encode_error(target or wire.addressee(request), InternalFailure(), context.request_id)
        content = response.body
        if not isinstance(content, bytes):
            content = b"".join([part async for part in content])
        return response.status, response.headers, content


# Where the signing name is not botocore's name of the service
_SIGNING_NAMES = {"stepfunctions": "states", "cloudwatch": "monitoring"}


def _named(headers: Headers, service: str, region: str) -> Headers:
    """With a credential scope, by which a service is found, as every signed request has one."""
    scope = f"internal/20000101/{region}/{_SIGNING_NAMES.get(service, service)}/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    kept = [(name, value) for name, value in headers if name not in (b"authorization", b"host")]
    host = f"{service}.{region}.amazonaws.com".encode()
    return [*kept, (b"host", host), (b"authorization", signature.encode())]
