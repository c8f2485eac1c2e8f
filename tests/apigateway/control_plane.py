"""A control plane over a store in memory, called as boto3 would: `await aws("CreateRestApi", name="pets")`.

What goes in and what comes out is checked against botocore's model, so a test also fails where a handler answers a
member that AWS does not have, or one of another type.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate

from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import root
from forecourt.services.apigateway.http.control import HttpControlPlane
from forecourt.services.apigateway.rest.control import RestControlPlane
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.store import Store, open_store
from forecourt.store.sealing import Sealer

START = 1_700_000_000
CONTEXT = CallContext(principal=root(), region="us-east-1", request_id="r-1", public_url="http://localhost:4566")


class Nobody:
    """No other service: what asks for one fails by itself."""


class Aws:
    def __init__(self, service: str, apis: tuple[object, ...], context: CallContext = CONTEXT) -> None:
        loader = botocore.loaders.Loader()
        self.model = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
        self.handlers = operations(*apis)
        self.context = context

    async def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        shape = self.model.operation_model(operation)
        if shape.input_shape is not None:
            report = botocore.validate.ParamValidator().validate(params, shape.input_shape)
            assert not report.has_errors(), report.generate_report()
        result = await self.handlers[operation](self.context, params)
        if shape.output_shape is None:
            assert result is None
            return {}
        assert_shaped(result, shape.output_shape, operation)
        return result

    async def refused(self, operation: str, **params: Any) -> str:
        """The error that the call gives, as `Code: message`."""
        try:
            result = await self(operation, **params)
        except ServiceError as error:
            return str(error)
        raise AssertionError(f"{operation} was not refused: {result}")


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (float, int),
    "boolean": (bool,),
    "timestamp": (int, float, datetime),
    "blob": (bytes,),
}


def assert_shaped(value: Any, shape: botocore.model.Shape, path: str) -> None:
    if value is None:
        return
    if isinstance(shape, botocore.model.StructureShape):
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{path} has members that AWS's {shape.name} has not: {unknown}"
        for name, item in value.items():
            assert_shaped(item, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, botocore.model.ListShape):
        for item in value:
            assert_shaped(item, shape.member, f"{path}[]")
    elif isinstance(shape, botocore.model.MapShape):
        for key, item in value.items():
            assert_shaped(item, shape.value, f"{path}[{key}]")
    else:
        assert isinstance(value, _TYPES[shape.type_name]), f"{path} is {value!r}, not a {shape.type_name}"


@asynccontextmanager
async def rest(quotas: Quotas | None = None, **ports: Any) -> AsyncIterator[tuple[Aws, Store, Clock]]:
    clock = Clock(now=lambda: float(START))
    store = open_store(None, clock)
    nobody: Any = Nobody()
    filled = {"caller": nobody, **ports}
    plane = RestControlPlane(
        store=store, clock=clock, ids=Ids(seed=7), sealer=Sealer(b"k" * 32), quotas=quotas, **filled
    )
    try:
        yield Aws("apigateway", plane.apis), store, clock
    finally:
        await store.close()


@asynccontextmanager
async def http(**ports: Any) -> AsyncIterator[tuple[Aws, Store, Clock]]:
    clock = Clock(now=lambda: float(START))
    store = open_store(None, clock)
    plane = HttpControlPlane(store=store, clock=clock, ids=Ids(seed=7), **ports)
    try:
        yield Aws("apigatewayv2", plane.apis), store, clock
    finally:
        await store.close()
