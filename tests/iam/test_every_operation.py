"""Every operation of our services over the network: denied without its permission, let through with exactly that.

The parameters are generated from the models. "Let through" means that whatever is answered is no longer a denial: the
resources mostly do not exist. What is left out is listed with its reason in `LEFT_OUT`, and nothing else may be.
"""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.iam.enforcing import HOME, ROOT, user
from tests.iam.world import model
from tests.wire.generate import Generator

from forecourt.app import implemented_operations
from forecourt.auth.actions import Demand, describe
from forecourt.base.call import CallContext
from forecourt.base.principal import Principal
from forecourt.testing import Forecourt

IMPLEMENTED = implemented_operations()
DENIED = ("AccessDenied", "AccessDeniedException")
REGION = "us-east-1"
NO_PERMISSION = "AWS asks for none: the caller is shown who it is, or gets less than it has"
# AWS's models mark operations that take no signature; of the others these are not tried.
LEFT_OUT = {
    ("cognito-idp", "GetClientToken"): "a token in the parameters says who calls",
    ("sts", "AssumeRole"): "the role's trust policy may be enough: tests/iam/test_sts.py",
    ("sts", "GetCallerIdentity"): NO_PERMISSION,
    ("sts", "GetSessionToken"): NO_PERMISSION,
}
# Denied like any other, but once let through, answered as a stream that goes on, or by waiting for work.
ENDLESS = {"StartLiveTail", "GetActivityTask"}


def client(forecourt: Forecourt, service: str, keys: dict[str, str]) -> Any:
    config = Config(
        retries={"total_max_attempts": 1}, read_timeout=20, parameter_validation=False, inject_host_prefix=False
    )
    return boto3.client(service, endpoint_url=forecourt.url, region_name=REGION, config=config, **keys)  # type: ignore[call-overload]


def answer(caller: Any, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    """The error's code and message; nothing where the call succeeded."""
    try:
        caller._make_api_call(operation, params)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return "", ""


def demands(service: str, operation: str, params: dict[str, Any], name: str) -> list[Demand]:
    principal = Principal(kind="user", account=HOME, arn=f"arn:aws:iam::{HOME}:user/{name}", user_id="A", name=name)
    context = CallContext(principal=principal, region=REGION, request_id="r")
    return list(describe(service, operation, params, context))


@pytest.mark.parametrize("service", sorted(IMPLEMENTED))
def test_denied_without_and_let_through_with_exactly_the_permission(enforced: Forecourt, service: str) -> None:
    name = f"nobody-{service}"
    caller = client(enforced, service, user(enforced, name))
    iam = enforced.client("iam", **ROOT)
    left_out = {operation for of, operation in LEFT_OUT if of == service}
    for operation in sorted(set(IMPLEMENTED[service]) - left_out):
        shape = model(service).operation_model(operation)
        if shape.auth_type == "none":
            continue
        params = at_home(Generator(f"{service} {operation}").required(shape.input_shape)) if shape.input_shape else {}
        needed = demands(service, operation, params, name)
        assert needed, operation
        code, message = answer(caller, operation, params)
        assert code in DENIED, (operation, code, message)
        assert needed[0].action in message, (operation, message)
        if operation in ENDLESS:
            continue
        statements = [{"Effect": "Allow", "Action": d.action, "Resource": _literal(d.resource)} for d in needed]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="exactly", PolicyDocument=document)
        code, message = answer(caller, operation, params)
        assert not (code in DENIED and "not authorized to perform" in message), (operation, message, document)
        iam.delete_user_policy(UserName=name, PolicyName="exactly")


def at_home(params: Any) -> Any:
    """Generated ARNs moved to the caller's account: another's takes a policy of the resource as well."""
    if isinstance(params, dict):
        return {name: at_home(value) for name, value in params.items()}
    if isinstance(params, list):
        return [at_home(value) for value in params]
    if isinstance(params, str) and len(parts := params.split(":")) > 5 and parts[0] == "arn":
        return ":".join(("arn", "aws", *parts[2:4], HOME, *parts[5:])) if parts[4] else params
    return params


def _literal(resource: str) -> str:
    """The ARN as a policy writes it: what a name holds of a policy's own signs stands for itself. A generated text that
    is an ARN for the model's pattern only cannot be written there."""
    if not re.match(r"arn:aws(-[a-z-]+)?(:[^:]*){3}:.", resource):
        return "*"
    return resource.replace("$", "${$}").replace("?", "${?}")
