"""User pools inside one process, with a clock that moves and functions that are Python functions.

`cloud("CreateUserPool", PoolName="p")` runs the operation's handler as the account's root, after the same check of the
parameters as a call over the wire gets; `cloud.client` the same without a signature.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec
import pytest
from botocore.loaders import Loader

from forecourt import wire
from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.errors import RemoteError, ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import ANONYMOUS, root
from forecourt.services.cognito import UserPools
from forecourt.store import open_store
from forecourt.store.sealing import Sealer

Function = Callable[[dict[str, Any]], Any]
PASSWORD = "Correct-horse-1"
DATA_KEY = b"k" * 32


class Functions:
    """Answers `lambda:Invoke` with Python functions by ARN."""

    def __init__(self) -> None:
        self.by_arn: dict[str, Function] = {}
        self.events: list[dict[str, Any]] = []
        # Calls of other services than Lambda.
        self.delivered: list[tuple[str, str, dict[str, Any]]] = []

    def add(self, name: str, function: Function) -> str:
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self.by_arn[arn] = function
        return arn

    async def call(
        self, context: CallContext, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        if service != "lambda":
            self.delivered.append((service, operation, dict(params)))
            return {"Plaintext": DATA_KEY, "CiphertextBlob": b"sealed", "KeyId": params.get("KeyId", "")}
        assert operation == "Invoke"
        assert context.principal.name == "cognito-idp.amazonaws.com"
        function = self.by_arn.get(params["FunctionName"])
        if function is None:
            raise RemoteError("ResourceNotFoundException", "Function not found", 404)
        event = msgspec.json.decode(params["Payload"])
        self.events.append(event)
        try:
            answer = function(event)
        except Exception as error:
            failure = {"errorMessage": str(error), "errorType": type(error).__name__}
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": msgspec.json.encode(failure)}
        return {"StatusCode": 200, "Payload": msgspec.json.encode(answer)}


class Cloud:
    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.ids = Ids()
        self.functions = Functions()
        self.store = open_store(None, self.clock)
        self._settings = settings
        self._begin()

    async def restart(self) -> None:
        """A new process over the same store: what was only in memory is gone, and nothing was told to end."""
        await self.store.write(lambda tx: None)
        abandoned = self.pools
        self._begin()
        await self.pools.start()
        await abandoned.stop()

    def _begin(self) -> None:
        self.pools = UserPools(
            store=self.store,
            sealer=Sealer(b"k" * 32),
            caller=self.functions,
            clock=self.clock,
            ids=self.ids,
            **({"public_url": "http://localhost:4566"} | self._settings),
        )
        self._handlers = operations(*self.pools.apis)

    async def __call__(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return await self._run(root(), operation, params, "us-east-1")

    async def client(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Without a signature, so without a region worth the name."""
        return await self._run(ANONYMOUS, operation, params, "eu-north-1")

    async def pool(self, **settings: Any) -> str:
        created = await self("CreateUserPool", **{"PoolName": "pool", **settings})
        pool_id: str = created["UserPool"]["Id"]
        return pool_id

    async def app(self, pool_id: str, *flows: str, **settings: Any) -> str:
        given = {"ExplicitAuthFlows": [f"ALLOW_{flow}" for flow in flows]} if flows else {}
        created = await self(
            "CreateUserPoolClient", **{"UserPoolId": pool_id, "ClientName": "app", **given, **settings}
        )
        client_id: str = created["UserPoolClient"]["ClientId"]
        return client_id

    async def user(self, pool_id: str, name: str = "anna", password: str = PASSWORD, **attributes: str) -> str:
        """A confirmed user. Returns his `sub`."""
        listed = [{"Name": key, "Value": value} for key, value in attributes.items()]
        created = await self(
            "AdminCreateUser", UserPoolId=pool_id, Username=name, UserAttributes=listed, MessageAction="SUPPRESS"
        )
        await self("AdminSetUserPassword", UserPoolId=pool_id, Username=name, Password=password, Permanent=True)
        return {a["Name"]: a["Value"] for a in created["User"]["Attributes"]}["sub"]

    async def sign_in(
        self, client_id: str, name: str = "anna", password: str = PASSWORD, **more: Any
    ) -> dict[str, Any]:
        return await self.client(
            "InitiateAuth",
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password, **more},
        )

    async def answer(self, client_id: str, challenge: dict[str, Any], **responses: str) -> dict[str, Any]:
        return await self.client(
            "RespondToAuthChallenge",
            ClientId=client_id,
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": "anna", **responses},
        )

    def code_for(self, to: str) -> str:
        """The last code that was sent to an address."""
        return str(self.pools.mailbox.messages(to)[-1]["Code"])

    async def _run(self, principal: Any, operation: str, params: dict[str, Any], region: str) -> dict[str, Any]:
        wire.check("cognito-idp", operation, params)
        context = CallContext(principal=principal, region=region, request_id=self.ids.uuid(), user_agent="test")
        try:
            return await self._handlers[operation](context, params) or {}
        except ServiceError as error:
            if error.code not in MODELED[operation]:
                pytest.fail(f"{operation} does not raise {error.code} at AWS")
            raise


def _modeled_errors() -> dict[str, set[str]]:
    model = Loader().load_service_model("cognito-idp", "service-2")
    return {
        name: {error["shape"] for error in operation.get("errors", ())}
        for name, operation in model["operations"].items()
    }


MODELED = _modeled_errors()


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud()
    yield made
    await made.pools.stop()
    await made.store.close()


def raises(code: str, wording: str = "") -> Any:
    """`pytest.raises` of AWS's error by code and wording."""
    from forecourt.base.errors import ServiceError

    return pytest.raises(ServiceError, match="^" + re.escape(f"{code}: {wording}"))
