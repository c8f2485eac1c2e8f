"""Real clients over the network: boto3, pycognito (SRP, device), authlib (the code flow with PKCE)."""

from __future__ import annotations

import re
import uuid
from typing import Any

import boto3
import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from botocore import UNSIGNED
from botocore.config import Config
from pycognito import Cognito
from pycognito.aws_srp import AWSSRP

from forecourt.testing import Forecourt

PASSWORD = "Correct-horse-1"
CALLBACK = "https://app.example.com/callback"


@pytest.fixture
def idp(server: Forecourt) -> Any:
    return server.client("cognito-idp")


@pytest.fixture
def anonymous(server: Forecourt) -> Any:
    """As an app has it: without credentials, and in whatever region."""
    config = Config(signature_version=UNSIGNED)
    return boto3.client("cognito-idp", endpoint_url=server.url, region_name="eu-west-3", config=config)


def make_pool(idp: Any, **settings: Any) -> str:
    pool_id: str = idp.create_user_pool(PoolName="clients", **settings)["UserPool"]["Id"]
    return pool_id


def make_client(idp: Any, pool: str, **settings: Any) -> dict[str, Any]:
    client: dict[str, Any] = idp.create_user_pool_client(UserPoolId=pool, ClientName="app", **settings)[
        "UserPoolClient"
    ]
    return client


def make_user(idp: Any, pool: str, name: str = "anna", **attributes: str) -> None:
    listed = [{"Name": key, "Value": value} for key, value in attributes.items()]
    idp.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=listed, MessageAction="SUPPRESS")
    idp.admin_set_user_password(UserPoolId=pool, Username=name, Password=PASSWORD, Permanent=True)


def test_srp_by_pycognito(server: Forecourt, idp: Any, anonymous: Any) -> None:
    pool = make_pool(idp)
    client = make_client(idp, pool, GenerateSecret=True)
    make_user(idp, pool)
    proof = AWSSRP("anna", PASSWORD, pool, client["ClientId"], client=anonymous, client_secret=client["ClientSecret"])
    tokens = proof.authenticate_user()["AuthenticationResult"]
    assert anonymous.get_user(AccessToken=tokens["AccessToken"])["Username"] == "anna"
    wrong = AWSSRP(
        "anna", "Wrong-one-1", pool, client["ClientId"], client=anonymous, client_secret=client["ClientSecret"]
    )
    with pytest.raises(anonymous.exceptions.NotAuthorizedException, match="Incorrect username or password"):
        wrong.authenticate_user()


def test_an_srp_proof_is_good_once(idp: Any, anonymous: Any) -> None:
    pool = make_pool(idp)
    client_id = make_client(idp, pool)["ClientId"]
    make_user(idp, pool)
    proof = AWSSRP("anna", PASSWORD, pool, client_id, client=anonymous)
    started = anonymous.initiate_auth(
        AuthFlow="USER_SRP_AUTH", AuthParameters=proof.get_auth_params(), ClientId=client_id
    )
    answer = proof.process_challenge(started["ChallengeParameters"], proof.get_auth_params())
    call = {"ClientId": client_id, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": answer}
    assert "AuthenticationResult" in anonymous.respond_to_auth_challenge(**call)
    with pytest.raises(anonymous.exceptions.NotAuthorizedException):
        anonymous.respond_to_auth_challenge(**call)


def test_a_device_signs_in_by_srp(idp: Any, anonymous: Any) -> None:
    pool = make_pool(idp, DeviceConfiguration={"ChallengeRequiredOnNewDevice": True})
    client_id = make_client(idp, pool)["ClientId"]
    make_user(idp, pool)
    proof = AWSSRP("anna", PASSWORD, pool, client_id, client=anonymous)
    result = proof.authenticate_user()["AuthenticationResult"]
    device = result["NewDeviceMetadata"]
    from pycognito.aws_srp import generate_hash_device

    secret, config = generate_hash_device(device["DeviceGroupKey"], device["DeviceKey"])
    confirmed = anonymous.confirm_device(
        AccessToken=result["AccessToken"],
        DeviceKey=device["DeviceKey"],
        DeviceSecretVerifierConfig=config,
        DeviceName="laptop",
    )
    assert confirmed["UserConfirmationNecessary"] is False
    again = AWSSRP(
        "anna",
        PASSWORD,
        pool,
        client_id,
        client=anonymous,
        device_key=device["DeviceKey"],
        device_group_key=device["DeviceGroupKey"],
        device_password=secret,
    )
    result = again.authenticate_user()["AuthenticationResult"]
    assert "NewDeviceMetadata" not in result
    listed = anonymous.list_devices(AccessToken=result["AccessToken"])["Devices"]
    assert [item["DeviceKey"] for item in listed] == [device["DeviceKey"]]


def test_sign_up_by_pycognito(server: Forecourt, idp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool(idp, AutoVerifiedAttributes=["email"], UsernameAttributes=["email"])
    client_id = make_client(idp, pool)["ClientId"]
    address = f"{uuid.uuid4().hex}@example.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("PYCOGNITO_JWKS_URL", "")
    user = Cognito(pool, client_id, username=address, boto3_client_kwargs={"endpoint_url": server.url})
    user.set_base_attributes(email=address)
    user.register(address, PASSWORD)
    code = next(message["Code"] for message in server.mailbox() if message["To"] == address)
    user.confirm_sign_up(code, username=address)
    proof = AWSSRP(address, PASSWORD, pool, client_id, client=user.client)
    assert "AuthenticationResult" in proof.authenticate_user()


class Browser:
    """A browser without scripts: keeps cookies, fills in forms."""

    def __init__(self) -> None:
        self.http = httpx.Client()
        self.page = httpx.Response(200)

    def get(self, url: str) -> httpx.Response:
        self.page = self.http.get(url)
        while self.page.status_code == 302 and not self.page.headers["location"].startswith("https:"):
            self.page = self.http.get(self.page.next_request.url)  # type: ignore[union-attr]
        return self.page

    def submit(self, **fields: str) -> httpx.Response:
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', self.page.text))
        found = re.search(r'<form method="post" action="([^"]+)"', self.page.text)
        assert found is not None, self.page.text
        from html import unescape

        action = self.page.url.join(unescape(found[1]))
        data = {**{name: unescape(value) for name, value in hidden.items()}, **fields}
        self.page = self.http.post(action, data=data)
        return self.page


def hosted_pool(idp: Any, **client: Any) -> tuple[str, dict[str, Any], str]:
    pool = make_pool(idp)
    domain = f"d{uuid.uuid4().hex[:12]}"
    idp.create_user_pool_domain(UserPoolId=pool, Domain=domain)
    made = make_client(
        idp,
        pool,
        **{
            "CallbackURLs": [CALLBACK],
            "LogoutURLs": ["https://app.example.com/bye"],
            "AllowedOAuthFlows": ["code", "implicit"],
            "AllowedOAuthScopes": ["openid", "email", "aws.cognito.signin.user.admin"],
            "AllowedOAuthFlowsUserPoolClient": True,
            **client,
        },
    )
    return pool, made, domain


@pytest.mark.parametrize("secret", [True, False])
def test_the_code_flow_by_authlib(server: Forecourt, idp: Any, anonymous: Any, secret: bool) -> None:
    pool, client, _ = hosted_pool(idp, GenerateSecret=secret)
    make_user(idp, pool, email="anna@example.com", email_verified="true")
    discovered = httpx.get(f"{server.url}/{pool}/.well-known/openid-configuration").json()
    oauth = OAuth2Client(
        client["ClientId"],
        client.get("ClientSecret"),
        scope="openid email aws.cognito.signin.user.admin",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
    )
    verifier = "v" * 64
    url, state = oauth.create_authorization_url(
        discovered["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6_WzA2Mj"
    )
    browser = Browser()
    assert "Sign in to app" in browser.get(url).text
    refused = re.search(
        r"role=.alert. id=.error.>([^<]*)<", browser.submit(username="anna", password="Wrong-one-1").text
    )
    assert refused is not None
    assert refused[1] == "Incorrect username or password."
    back = browser.submit(username="anna", password=PASSWORD)
    assert back.status_code == 302
    location = back.headers["location"]
    assert location.startswith(CALLBACK + "?code=")
    token = oauth.fetch_token(
        discovered["token_endpoint"], authorization_response=location, state=state, code_verifier=verifier
    )
    keys = httpx.get(discovered["jwks_uri"]).json()
    from joserfc import jwt
    from joserfc.jwk import KeySet

    claims = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"]).claims
    assert claims["iss"] == discovered["issuer"]
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert claims["email"] == "anna@example.com"
    assert claims["at_hash"]
    info = oauth.get(discovered["userinfo_endpoint"]).json()
    assert info == {"sub": claims["sub"], "email": "anna@example.com", "email_verified": "true", "username": "anna"}
    assert anonymous.get_user(AccessToken=token["access_token"])["Username"] == "anna"
    # The browser is signed in: the next client comes back without a page.
    assert browser.http.get(url).headers["location"].startswith(CALLBACK + "?code=")
    refreshed = oauth.refresh_token(discovered["token_endpoint"], refresh_token=token["refresh_token"])
    assert refreshed["access_token"] != token["access_token"]
    revoked = oauth.revoke_token(discovered["revocation_endpoint"], token=token["refresh_token"])
    assert revoked.status_code == 200
    assert oauth.get(discovered["userinfo_endpoint"]).status_code == 401
    # The code was used: using it again revokes what came of it.
    code = location.split("code=")[1].split("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": client["ClientId"]}
    auth = (client["ClientId"], client["ClientSecret"]) if secret else None
    again = httpx.post(discovered["token_endpoint"], data={**form, "code_verifier": verifier}, auth=auth)  # type: ignore[arg-type]
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


def test_implicit_and_sign_out(server: Forecourt, idp: Any) -> None:
    pool, client, domain = hosted_pool(idp)
    make_user(idp, pool)
    base = f"{server.url}/_aws/cognito/{domain}"
    query = f"client_id={client['ClientId']}&response_type=token&redirect_uri={CALLBACK}&scope=openid&state=a%20b"
    browser = Browser()
    browser.get(f"{base}/oauth2/authorize?{query}")
    location = browser.submit(username="anna", password=PASSWORD).headers["location"]
    assert location.startswith(CALLBACK + "#id_token=")
    assert "refresh_token" not in location
    assert location.endswith("&state=a+b")
    gone = browser.http.get(f"{base}/logout?client_id={client['ClientId']}&logout_uri=https://app.example.com/bye")
    assert gone.headers["location"] == "https://app.example.com/bye"
    assert "/login?" in browser.http.get(f"{base}/oauth2/authorize?{query}").headers["location"]


def test_client_credentials(server: Forecourt, idp: Any) -> None:
    pool = make_pool(idp)
    domain = f"d{uuid.uuid4().hex[:12]}"
    idp.create_user_pool_domain(UserPoolId=pool, Domain=domain)
    scopes = [{"ScopeName": "read", "ScopeDescription": "r"}, {"ScopeName": "write", "ScopeDescription": "w"}]
    idp.create_resource_server(UserPoolId=pool, Identifier="pets", Name="pets", Scopes=scopes)
    client = make_client(
        idp,
        pool,
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["pets/read"],
        AllowedOAuthFlowsUserPoolClient=True,
    )
    url = f"{server.url}/_aws/cognito/{domain}/oauth2/token"
    auth = (client["ClientId"], client["ClientSecret"])
    good = httpx.post(url, data={"grant_type": "client_credentials", "scope": "pets/read"}, auth=auth)
    assert good.json()["token_type"] == "Bearer"
    assert "id_token" not in good.json()
    refused = httpx.post(url, data={"grant_type": "client_credentials", "scope": "pets/write"}, auth=auth)
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})
    guessed = httpx.post(url, data={"grant_type": "client_credentials"}, auth=(client["ClientId"], "wrong"))
    assert guessed.json()["error"] == "invalid_client"


def test_the_domain_as_a_host(server: Forecourt, idp: Any) -> None:
    _, client, domain = hosted_pool(idp)
    headers = {"Host": f"{domain}.auth.us-east-1.localhost"}
    query = f"client_id={client['ClientId']}&response_type=code&redirect_uri={CALLBACK}"
    sent = httpx.get(f"{server.url}/oauth2/authorize?{query}", headers=headers)
    assert sent.headers["location"].startswith("/login?client_id=")
    page = httpx.get(f"{server.url}/login?{query}", headers=headers)
    assert 'action="/login?' in page.text
    assert "Path=/;" in page.headers["set-cookie"]
    assert httpx.get(f"{server.url}/assets/style.css", headers=headers).headers["content-type"].startswith("text/css")


def test_a_custom_domain(server: Forecourt, idp: Any) -> None:
    """As a host and below the path, and in the discovery document's addresses."""
    pool, client, _ = hosted_pool(idp)
    host = f"login.auth.{uuid.uuid4().hex[:12]}.example.com"
    certificate = {"CertificateArn": f"arn:aws:acm:us-east-1:123456789012:certificate/{uuid.uuid4()}"}
    idp.create_user_pool_domain(UserPoolId=pool, Domain=host, CustomDomainConfig=certificate)
    query = f"client_id={client['ClientId']}&response_type=code&redirect_uri={CALLBACK}"
    page = httpx.get(f"{server.url}/login?{query}", headers={"Host": f"{host}:443"})
    assert 'action="/login?' in page.text
    assert httpx.get(f"{server.url}/_aws/cognito/{host}/login?{query}").status_code == 200
    found = httpx.get(f"{server.url}/{pool}/.well-known/openid-configuration").json()
    for endpoint in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint"):
        path = found[endpoint].split("/_aws/", 1)[1]
        assert httpx.get(f"{server.url}/_aws/{path}").status_code != 404
    idp.delete_user_pool_domain(UserPoolId=pool, Domain=host)
    assert httpx.get(f"{server.url}/login?{query}", headers={"Host": host}).status_code == 404


def test_preflights_of_browser_apps(server: Forecourt, idp: Any) -> None:
    _, _, domain = hosted_pool(idp)
    answer = httpx.options(
        f"{server.url}/_aws/cognito/{domain}/oauth2/token",
        headers={"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"


def test_unknown_pools_and_clients(idp: Any) -> None:
    with pytest.raises(
        idp.exceptions.ResourceNotFoundException, match=r"User pool us-east-1_aaaaaaaaa does not exist\."
    ):
        idp.describe_user_pool(UserPoolId="us-east-1_aaaaaaaaa")
    with pytest.raises(idp.exceptions.ResourceNotFoundException, match=r"User pool client abc does not exist\."):
        idp.initiate_auth(ClientId="abc", AuthFlow="USER_PASSWORD_AUTH", AuthParameters={})
