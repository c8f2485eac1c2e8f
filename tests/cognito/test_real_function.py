"""A trigger that is a real function, in its own process, invoked by the pool as AWS does it."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from tests.cognito.test_clients import PASSWORD, make_client, make_pool

from forecourt.testing import Forecourt

SOURCE = """
def handler(event, context):
    if event["userName"].startswith("bad"):
        raise ValueError("no bad names")
    event["response"]["autoConfirmUser"] = True
    return event
"""


def archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        made.writestr("app.py", SOURCE)
    return data.getvalue()


@pytest.fixture
def function_arn(server: Forecourt) -> Any:
    functions = server.client("lambda")
    made = functions.create_function(
        FunctionName="cognito-pre-sign-up",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="app.handler",
        Code={"ZipFile": archive()},
    )
    functions.add_permission(
        FunctionName="cognito-pre-sign-up", StatementId="pool", Action="lambda:InvokeFunction",
        Principal="cognito-idp.amazonaws.com",
    )  # fmt: skip
    yield made["FunctionArn"]
    functions.delete_function(FunctionName="cognito-pre-sign-up")


def test_pre_sign_up(server: Forecourt, function_arn: str) -> None:
    idp = server.client("cognito-idp")
    pool = make_pool(idp, LambdaConfig={"PreSignUp": function_arn})
    client = make_client(idp, pool)["ClientId"]
    assert idp.sign_up(ClientId=client, Username="anna", Password=PASSWORD)["UserConfirmed"] is True
    with pytest.raises(
        idp.exceptions.UserLambdaValidationException, match=r"PreSignUp failed with error no bad names\."
    ):
        idp.sign_up(ClientId=client, Username="bad-name", Password=PASSWORD)
