"""An IAM in memory: operations are called as by the dispatcher, and their answers are checked against the model."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from forecourt.auth.authenticate import Authenticator
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.sessions import Sessions
from forecourt.auth.supplies import Mode
from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import TokenVerifier
from forecourt.base.principal import Principal, root
from forecourt.services.iam import Iam
from forecourt.store import open_store
from forecourt.store.sealing import Sealer

ACCOUNT = "111122223333"


@functools.cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


class World:
    def __init__(self, mode: Mode = "enforce", verifiers: list[TokenVerifier] | None = None, fetch: Any = None) -> None:
        self.clock, self.ids = Clock(), Ids()
        self.store = open_store(None, self.clock)
        self.sessions = Sessions(b"m" * 32, self.ids)
        self.iam = Iam(
            store=self.store,
            sealer=Sealer(b"s" * 32),
            sessions=self.sessions,
            clock=self.clock,
            ids=self.ids,
            mode=mode,
            token_verifiers=verifiers if verifiers is not None else [],
            fetch=fetch,
        )
        self.authorizer = PolicyAuthorizer(identities=self.iam.caller_policies, clock=self.clock, mode=mode)
        self.authenticator = Authenticator(
            source=self.iam.credential_source, sessions=self.sessions, clock=self.clock, trust_unknown=False
        )
        self._tables = {"iam": operations(*self.iam.apis), "sts": operations(*self.iam.sts_apis)}

    async def call(self, service: str, operation: str, principal: Principal | None = None, **params: Any) -> Any:
        context = CallContext(principal=principal or root(ACCOUNT), region="eu-west-1", request_id="r")
        shape = model(service).operation_model(operation)
        check(shape.input_shape, params)
        result = await self._tables[service][operation](context, params)
        check(shape.output_shape, result)
        return result

    async def iam_call(self, operation: str, **params: Any) -> Any:
        return await self.call("iam", operation, **params)

    async def user(self, name: str, *policies: str) -> Principal:
        """A user with inline policies, as a principal."""
        made = (await self.iam_call("CreateUser", UserName=name))["User"]
        for number, document in enumerate(policies):
            await self.iam_call("PutUserPolicy", UserName=name, PolicyName=f"p{number}", PolicyDocument=document)
        return Principal(kind="user", account=ACCOUNT, arn=made["Arn"], user_id=made["UserId"], name=name)

    def opened(self, credentials: Mapping[str, Any]) -> Principal:
        """The principal inside issued credentials."""
        return self.sessions.open(credentials["AccessKeyId"], credentials["SessionToken"]).principal


def check(shape: Any, value: Mapping[str, Any]) -> None:
    if shape is None:
        assert not value
        return
    unknown = set(value) - set(shape.members)
    assert not unknown, f"{shape.name} has no {unknown}"
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
