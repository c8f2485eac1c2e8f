"""amazon-cognito-identity-js, Amplify's auth module and aws-jwt-verify, in Node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.cognito.test_clients import make_client, make_pool, make_user

from forecourt.testing import Forecourt

NODE = Path(__file__).parents[1] / "node"


def test_clients_of_the_node_world() -> None:
    with Forecourt(arguments=("--token-issuer", "amazonaws")) as server:
        idp = server.client("cognito-idp")
        pool = make_pool(idp, AutoVerifiedAttributes=["email"])
        on = {"Enabled": True}
        idp.set_user_pool_mfa_config(UserPoolId=pool, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration=on)
        client = make_client(
            idp,
            pool,
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH"],
        )["ClientId"]
        idp.admin_create_user(UserPoolId=pool, Username="invited", TemporaryPassword="Temporary-1")
        now = server.advance_clock(0)
        run = subprocess.run(
            ["node", str(NODE / "user_pools.mjs"), server.url, pool, client, str(now)],
            capture_output=True,
            text=True,
            timeout=90,
        )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["confirmedAtOnce"] is False
    assert seen["attributes"] == ["email", "email_verified", "sub"]
    assert (seen["refreshed"], seen["mfa"], seen["newPassword"]) == (True, True, True)
    assert (seen["amplify"], seen["amplifyUser"]) == ("DONE", "amplify")
    assert seen["amplifyAttributes"] == ["email", "email_verified", "sub"]
    assert seen["verified_id"] == seen["verified_access"]


def test_amplify_remembers_a_device() -> None:
    """It names the device with its answer to PASSWORD_VERIFIER; the device then proves itself by SRP."""
    with Forecourt() as server:
        idp = server.client("cognito-idp")
        pool = make_pool(
            idp,
            DeviceConfiguration={"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True},
            Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
        )
        client = make_client(
            idp, pool, ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_AUTH"]
        )["ClientId"]
        make_user(idp, pool, email="anna@example.com", email_verified="true")
        run = subprocess.run(
            ["node", str(NODE / "devices.mjs"), server.url, pool, client], capture_output=True, text=True, timeout=90
        )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert (len(seen["listed"]), seen["refreshed"]) == (1, True)
    assert (seen["again"], seen["same"], seen["left"]) == ("DONE", True, 0)
    assert (seen["asked"], seen["done"]) == ("CONFIRM_SIGN_IN_WITH_EMAIL_CODE", "DONE")


def test_amplify_sets_up_an_address_as_second_factor() -> None:
    with Forecourt() as server:
        idp = server.client("cognito-idp")
        sender = "arn:aws:ses:us-east-1:000000000000:identity/pets@example.com"
        pool = make_pool(idp, EmailConfiguration={"EmailSendingAccount": "DEVELOPER", "SourceArn": sender})
        idp.set_user_pool_mfa_config(
            UserPoolId=pool,
            MfaConfiguration="ON",
            EmailMfaConfiguration={},
            SoftwareTokenMfaConfiguration={"Enabled": True},
        )
        client = make_client(idp, pool, ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
        make_user(idp, pool)
        run = subprocess.run(
            ["node", str(NODE / "mfa_setup.mjs"), server.url, pool, client["ClientId"]],
            capture_output=True,
            text=True,
            timeout=90,
        )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "steps": [
            "CONTINUE_SIGN_IN_WITH_MFA_SETUP_SELECTION",
            "CONTINUE_SIGN_IN_WITH_EMAIL_SETUP",
            "CONFIRM_SIGN_IN_WITH_EMAIL_CODE",
            "DONE",
        ],
        "email": "setup@example.com",
        "verified": "true",
    }
