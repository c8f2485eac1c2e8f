"""Killed under load: who was told that he is signed up can sign in, who signed in goes on, what was used stays used."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.cognito.test_clients import PASSWORD, make_client, make_pool

from forecourt.testing import Forecourt


def sign_up_until_it_ends(idp: Any, client: str, worker: int, acknowledged: list[str]) -> None:
    for n in range(200):
        name = f"user-{worker}-{n}"
        try:
            idp.sign_up(ClientId=client, Username=name, Password=PASSWORD)
        except (BotoCoreError, ClientError):
            return
        acknowledged.append(name)


def test_sign_ups_survive(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path / "data") as server:
        idp = server.client("cognito-idp")
        pool = make_pool(idp, Policies={"PasswordPolicy": {"MinimumLength": 8}})
        client = make_client(
            idp,
            pool,
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
            RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": 0},
        )["ClientId"]
        idp.admin_create_user(
            UserPoolId=pool,
            Username="anna",
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": "a@example.com"}, {"Name": "email_verified", "Value": "true"}],
        )
        idp.admin_set_user_password(UserPoolId=pool, Username="anna", Password=PASSWORD, Permanent=True)
        first = sign_in(idp, client, "anna")["RefreshToken"]
        rotated = idp.get_tokens_from_refresh_token(RefreshToken=first, ClientId=client)["AuthenticationResult"]
        idp.forgot_password(ClientId=client, Username="anna")
        code = server.mailbox()[0]["Code"]
        reset = {"ClientId": client, "Username": "anna", "ConfirmationCode": code, "Password": "Another-one-2"}
        idp.confirm_forgot_password(**reset)
        acknowledged: list[str] = []
        kept = sign_in(idp, client, "anna", reset["Password"])["RefreshToken"]
        workers = [
            threading.Thread(
                target=sign_up_until_it_ends, args=(server.client("cognito-idp"), client, worker, acknowledged)
            )
            for worker in range(3)
        ]
        for worker in workers:
            worker.start()
        while len(acknowledged) < 12:
            workers[0].join(0.02)
        server.kill()
        for worker in workers:
            worker.join()
        server.restart()
        idp = server.client("cognito-idp")
        for name in acknowledged:
            idp.admin_confirm_sign_up(UserPoolId=pool, Username=name)
            assert sign_in(idp, client, name)["AccessToken"]
        with pytest.raises(idp.exceptions.ExpiredCodeException):
            idp.confirm_forgot_password(**reset)
        assert idp.get_tokens_from_refresh_token(RefreshToken=kept, ClientId=client)["AuthenticationResult"]["IdToken"]
        for used in (first, rotated["RefreshToken"]):
            with pytest.raises(idp.exceptions.NotAuthorizedException):
                idp.get_tokens_from_refresh_token(RefreshToken=used, ClientId=client)


def sign_in(idp: Any, client: str, name: str, password: str = PASSWORD) -> dict[str, Any]:
    parameters = {"USERNAME": name, "PASSWORD": password}
    answer = idp.initiate_auth(ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters)
    result: dict[str, Any] = answer["AuthenticationResult"]
    return result
