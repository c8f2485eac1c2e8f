"""A function's answer while it is still being written: `responseTransferMode: STREAM` of `AWS_PROXY`.

    {"statusCode": 200, "headers": {…}, "multiValueHeaders": {…}, "cookies": […]}   eight zero bytes   the payload

The metadata and the delimiter have to come within the first 16 KB; the payload follows as the function writes it. A
function that fails after that leaves the response broken off, since its status is with the client already.
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from forecourt.base.call import CallContext
from forecourt.base.errors import ServiceError
from forecourt.services.apigateway.integrations.lambda_function import FunctionError, not_asked
from forecourt.services.apigateway.plan.errors import GatewayError, malformed_proxy_response
from forecourt.services.apigateway.plan.ports import Ports

DELIMITER = bytes(8)
MOST_METADATA_BYTES = 16 * 1024


class Streamed(NamedTuple):
    metadata: bytes
    payload: AsyncIterator[bytes]


async def invoke_streaming(
    ports: Ports, context: CallContext, function: str, payload: bytes, timeout: float
) -> Streamed:
    """Returns when the metadata is there. Raises `FunctionError`, and `GatewayError` for what is not in the format."""
    parameters = {"FunctionName": function, "InvocationType": "RequestResponse", "Payload": payload}
    try:
        async with asyncio.timeout(timeout):
            answer = await ports.caller.call(context, "lambda", "InvokeWithResponseStream", parameters)
            chunks = _chunks(answer["EventStream"])
            metadata, begun = await read_metadata(chunks)
    except TimeoutError:
        raise GatewayError("INTEGRATION_TIMEOUT", detail="the function did not answer in time") from None
    except ServiceError as error:
        raise not_asked(function, error) from error
    return Streamed(metadata, _payload(begun, chunks))


async def read_metadata(chunks: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    """What stands before the delimiter, and what of the payload came with it."""
    seen = b""
    async for chunk in chunks:
        seen += chunk
        metadata, delimiter, begun = seen.partition(DELIMITER)
        if delimiter and len(metadata) <= MOST_METADATA_BYTES:
            return metadata, begun
        if len(metadata) > MOST_METADATA_BYTES:
            break
    raise malformed_proxy_response("Malformed Lambda proxy response: no delimiter in the first 16 KB of the stream")


async def _chunks(events: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """Raises `FunctionError` where the function ends with one."""
    async for event in events:
        if "PayloadChunk" in event:
            yield event["PayloadChunk"]["Payload"]
        elif event.get("InvokeComplete", {}).get("ErrorCode"):
            raise FunctionError(event["InvokeComplete"].get("ErrorDetails", "").encode())


async def _payload(begun: bytes, chunks: Any) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        if begun:
            yield begun
        async for chunk in chunks:
            yield chunk
