"""Invocations: synchronous, asynchronous, dry, streamed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.ids import Ids
from forecourt.services.functions.errors import InvalidRequestContentException
from forecourt.services.functions.invoker import Event, Invoked, Invoker
from forecourt.services.functions.names import FunctionId, parse_function
from forecourt.services.functions.queue import EventQueue
from forecourt.services.functions.runtime.messages import Failure
from forecourt.services.functions.streams import StreamSink
from forecourt.services.functions.validation import check_payload

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        InvocationRequestTypeDef,
        InvokeAsyncRequestTypeDef,
        InvokeWithResponseStreamRequestTypeDef,
    )


class InvokeApi:
    def __init__(self, invoker: Invoker, queue: EventQueue, ids: Ids) -> None:
        self._invoker = invoker
        self._queue = queue
        self._ids = ids

    @operation("Invoke")
    async def invoke(self, context: CallContext, request: InvocationRequestTypeDef) -> dict[str, Any]:
        id = parse_function(request["FunctionName"], context.account, context.region, request.get("Qualifier"))
        kind = request.get("InvocationType", "RequestResponse")
        event = self._event(context, request, asynchronous=kind == "Event")
        if kind == "DryRun":
            await self._invoker.check(id)
            return {"StatusCode": 204, "Payload": b""}
        if kind == "Event":
            return await self._enqueue(id, event)
        invoked = await self._invoker.invoke(id, event)
        answer: dict[str, Any] = {
            "StatusCode": 200,
            "ExecutedVersion": invoked.executed_version,
            "Payload": invoked.result.payload,
        }
        if isinstance(invoked.result, Failure):
            answer["FunctionError"] = "Unhandled"
        if invoked.log_tail is not None:
            answer["LogResult"] = base64.b64encode(invoked.log_tail).decode()
        return answer

    @operation("InvokeAsync")
    async def invoke_async(self, context: CallContext, request: InvokeAsyncRequestTypeDef) -> dict[str, Any]:
        id = parse_function(request["FunctionName"], context.account, context.region)
        event = self._event(context, {"Payload": request["InvokeArgs"]}, asynchronous=True)
        await self._enqueue(id, event)
        return {"Status": 202}

    @operation("InvokeWithResponseStream")
    async def invoke_with_response_stream(
        self, context: CallContext, request: InvokeWithResponseStreamRequestTypeDef
    ) -> dict[str, Any]:
        id = parse_function(request["FunctionName"], context.account, context.region, request.get("Qualifier"))
        event = self._event(context, request, asynchronous=False)
        version = await self._invoker.check(id)
        answer = {"ExecutedVersion": version, "ResponseStreamContentType": "application/vnd.amazon.eventstream"}
        if request.get("InvocationType") == "DryRun":
            return {**answer, "StatusCode": 204, "EventStream": []}
        sink = StreamSink()
        invocation = asyncio.ensure_future(self._invoker.invoke(id, event, sink))
        invocation.add_done_callback(lambda _: sink.end())
        # What keeps the function from starting (throttling) is still an ordinary error.
        await asyncio.wait((invocation, sink.opened), return_when=asyncio.FIRST_COMPLETED)
        if invocation.done() and invocation.exception() is not None:
            await invocation
        return {**answer, "StatusCode": 200, "EventStream": _stream(sink, invocation)}

    async def _enqueue(self, id: FunctionId, event: Event) -> dict[str, Any]:
        await self._invoker.check(id)
        await self._queue.accept(id, event)
        return {"StatusCode": 202, "Payload": b""}

    def _event(self, context: CallContext, request: Mapping[str, Any], *, asynchronous: bool) -> Event:
        payload = _bytes(request.get("Payload")) or b"{}"
        check_payload(payload, event=asynchronous)
        # A service may invoke more than once on behalf of one request.
        own = self._ids.uuid() if context.principal.kind == "service" else context.request_id
        return Event(
            request_id=context.call_id or own,
            payload=payload,
            client_context=_client_context(request.get("ClientContext")),
            tail=request.get("LogType") == "Tail",
            trace_id=context.trace_id,
        )


def _bytes(payload: Any) -> bytes:
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode()
    return b"" if payload is None else bytes(payload)


def _client_context(text: str | None) -> str:
    """Comes as JSON in base64, goes to the runtime as one line of JSON."""
    if not text:
        return ""
    try:
        return json.dumps(json.loads(base64.b64decode(text, validate=True)))
    except (binascii.Error, ValueError):
        message = "Client context must be a valid Base64-encoded JSON object."
        raise InvalidRequestContentException(message) from None


async def _stream(sink: StreamSink, invocation: asyncio.Future[Invoked]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in sink.chunks():
        yield {"PayloadChunk": {"Payload": chunk}}
    invoked = await invocation
    complete: dict[str, str] = {}
    if isinstance(invoked.result, Failure):
        complete = {"ErrorCode": "Unhandled", "ErrorDetails": invoked.result.payload.decode("utf-8", "replace")}
    if invoked.log_tail is not None:
        complete["LogResult"] = base64.b64encode(invoked.log_tail).decode()
    yield {"InvokeComplete": complete}
