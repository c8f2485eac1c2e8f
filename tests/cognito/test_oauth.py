"""The endpoints of a pool's domain, row by row: what AWS and the RFCs say of each parameter and each error."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import pytest
from tests.cognito.conftest import PASSWORD, Cloud
from tests.cognito.test_attacks import CALLBACK, Site, authorization_code, hosted

SCOPES = ["openid", "email", "profile", "aws.cognito.signin.user.admin"]


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=dict[str, Any])


def parameters(location: str) -> dict[str, str]:
    parts = urlsplit(location)
    return dict(parse_qsl(parts.query or parts.fragment))


async def form_of(site: Site, app: str, path: str = "/login", **more: str) -> tuple[dict[str, str], str]:
    """The query of a page, and the CSRF token that stands in it."""
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK, **more}
    page = await site.http.get(path, params=params)
    return params, page.text.split('name="csrf" value="')[1].split('"')[0]


async def redeem(site: Site, app: str, code: str, **more: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "client_id": app, "redirect_uri": CALLBACK, **more}
    return await site.http.post("/oauth2/token", data=form)


# The authorization endpoint ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"response_type": "id_token"}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"scope": "openid nonsense"}, "invalid_scope"),
        ({"scope": "email"}, "invalid_scope"),
        ({"code_challenge": "v" * 43}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"max_age": "²"}, "invalid_request"),
        ({"resource": "pets"}, "invalid_target"),
        ({"resource": "http://pets.example.com"}, "invalid_target"),
        ({"resource": "https://pets.example.com#part"}, "invalid_target"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_errors_go_to_the_client(cloud: Cloud, query: dict[str, str], error: str) -> None:
    site, app, _ = await hosted(cloud, AllowedOAuthScopes=["openid", "email"])
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK, "state": "a b", **query}
    answer = await site.http.get("/oauth2/authorize", params=params)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(CALLBACK)
    assert (parameters(answer.headers["location"])["error"], parameters(answer.headers["location"])["state"]) == (
        error,
        "a b",
    )


async def test_a_redirect_uri_in_other_letters_is_sent_as_ascii(cloud: Cloud) -> None:
    callback = "https://app.example.com/zurück"
    site, app, _ = await hosted(cloud, CallbackURLs=[callback])
    params = {"client_id": app, "response_type": "code", "redirect_uri": callback, "prompt": "none"}
    answer = await site.http.get("/oauth2/authorize", params=params)
    assert answer.headers["location"] == "https://app.example.com/zur%C3%BCck?error=login_required"


async def test_what_a_trigger_refuses_comes_back_as_an_error(cloud: Cloud) -> None:
    def refuse(event: Any) -> Any:
        raise ValueError("not today")

    site, app, pool = await hosted(cloud, AllowedOAuthFlows=["code", "implicit"])
    await authorization_code(site, app)
    arn = cloud.functions.add("tokens", refuse)
    await cloud("UpdateUserPool", UserPoolId=pool, LambdaConfig={"PreTokenGeneration": arn})
    params = {"client_id": app, "response_type": "token", "redirect_uri": CALLBACK}
    answer = await site.http.get("/oauth2/authorize", params=params)
    sent = parameters(answer.headers["location"])
    assert sent["error"] == "invalid_request"
    assert "not today" in sent["error_description"]
    await cloud("UpdateUserPool", UserPoolId=pool, LambdaConfig={"PostAuthentication": arn})
    params, token = await form_of(site, app)
    page = await site.http.post("/login", params=params, data={"username": "anna", "password": PASSWORD, "csrf": token})
    assert page.status_code == 400
    assert "not today" in page.text


async def test_a_browser_that_is_signed_in_is_sent_back_at_once_unless_the_client_wants_otherwise(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    await authorization_code(site, app)
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    for more, target in (
        ({}, CALLBACK), ({"prompt": "none"}, CALLBACK), ({"prompt": "login"}, "/login?"),
        ({"prompt": "select_account"}, "/login?"), ({"max_age": "60"}, CALLBACK),
    ):  # fmt: skip
        answer = await site.http.get("/oauth2/authorize", params={**params, **more})
        assert answer.headers["location"].startswith(target), more
    cloud.clock.advance(61)
    late = await site.http.get("/oauth2/authorize", params={**params, "max_age": "60"})
    assert late.headers["location"].startswith("/login?")
    cloud.clock.advance(3600)
    ended = await site.http.get("/oauth2/authorize", params=params)
    assert ended.headers["location"].startswith("/login?")


async def test_a_resource_is_the_audience_of_its_access_tokens(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    code = await authorization_code(site, app, resource="https://pets.example.com/v1")
    first = (await redeem(site, app, code)).json()
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": first["refresh_token"]}
    second = (await site.http.post("/oauth2/token", data=form)).json()
    for answer in (first, second):
        assert claims(answer["access_token"])["aud"] == "https://pets.example.com/v1"
        assert claims(answer["id_token"])["aud"] == app
    plain = (await redeem(site, app, await authorization_code(site, app))).json()
    assert "aud" not in claims(plain["access_token"])


# The token endpoint --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "authorization_code", "client_id": "nobody"}, "invalid_client"),
        ({"grant_type": "authorization_code", "client_secret": "x"}, "invalid_client"),
        ({"grant_type": "refresh_token", "aws_client_metadata": "["}, "invalid_request"),
    ],
)
async def test_errors_of_the_token_endpoint(cloud: Cloud, form: dict[str, str], error: str) -> None:
    site, app, _ = await hosted(cloud)
    answer = await site.http.post("/oauth2/token", data={"client_id": app, **form})
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_client_that_lost_the_code_grant(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    code = await authorization_code(site, app)
    await cloud(
        "UpdateUserPoolClient",
        UserPoolId=pool,
        ClientId=app,
        CallbackURLs=[CALLBACK],
        AllowedOAuthFlows=["implicit"],
        AllowedOAuthScopes=["openid"],
        AllowedOAuthFlowsUserPoolClient=True,
    )
    assert (await redeem(site, app, code)).json() == {"error": "unauthorized_client"}


async def test_one_authorization_code_for_two_at_once(cloud: Cloud) -> None:
    """One wins, and since somebody else had the code, what it got is revoked."""
    site, app, _ = await hosted(cloud, AllowedOAuthScopes=["openid", "aws.cognito.signin.user.admin"])
    code = await authorization_code(site, app)
    answers = await asyncio.gather(*(redeem(site, app, code) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    won = next(answer.json() for answer in answers if answer.status_code == 200)
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": won["refresh_token"]}
    assert (await site.http.post("/oauth2/token", data=form)).json() == {"error": "invalid_grant"}


async def test_signing_out_everywhere_ends_codes_and_sessions(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    before = await authorization_code(site, app)
    cloud.clock.advance(2)
    await cloud("AdminUserGlobalSignOut", UserPoolId=pool, Username="anna")
    assert (await redeem(site, app, before)).json() == {"error": "invalid_grant"}
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    again = await site.http.get("/oauth2/authorize", params=params)
    assert again.headers["location"].startswith("/login?")
    assert (await redeem(site, app, await authorization_code(site, app))).status_code == 200


async def test_a_scope_costs_no_refresh_token_that_rotates(cloud: Cloud) -> None:
    rotation = {"Feature": "ENABLED", "RetryGracePeriodSeconds": 0}
    flows = ["ALLOW_USER_SRP_AUTH"]
    site, app, _ = await hosted(cloud, RefreshTokenRotation=rotation, ExplicitAuthFlows=flows)
    first = (await redeem(site, app, await authorization_code(site, app))).json()
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": first["refresh_token"]}
    second = (await site.http.post("/oauth2/token", data={**form, "scope": "openid phone"})).json()
    assert claims(second["access_token"])["scope"] == "openid"
    assert second["refresh_token"] != first["refresh_token"]
    assert (await site.http.post("/oauth2/token", data=form)).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_how_a_client_shows_its_secret(cloud: Cloud, method: str) -> None:
    site, app, pool = await hosted(cloud, GenerateSecret=True)
    described = await cloud("DescribeUserPoolClient", UserPoolId=pool, ClientId=app)
    secret = described["UserPoolClient"]["ClientSecret"]
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code": await authorization_code(site, app)}
    wrong = await site.http.post("/oauth2/token", data=form, auth=(app, "wrong"))
    assert (wrong.status_code, wrong.json()) == (
        400,
        {"error": "invalid_client", "error_description": "invalid_client_secret"},
    )
    if method == "client_secret_basic":
        answer = await site.http.post("/oauth2/token", data=form, auth=(app, secret))
    else:
        answer = await site.http.post("/oauth2/token", data={**form, "client_id": app, "client_secret": secret})
    assert answer.status_code == 200


# What tokens say of a user ------------------------------------------------------------------------------------------

MAIL, PHONE = {"email", "email_verified"}, {"phone_number", "phone_number_verified"}
REST = {"nickname", "address", "updated_at", "custom:tier"}


@pytest.mark.parametrize(
    ("scope", "shown"),
    [
        ("openid", MAIL | PHONE | REST),
        ("openid profile", MAIL | PHONE | REST),
        ("openid email", MAIL),
        ("openid phone", PHONE),
        ("openid email phone", MAIL | PHONE),
        ("openid aws.cognito.signin.user.admin", MAIL | PHONE | REST),
    ],
)
async def test_scopes_choose_what_is_shown_of_a_user(cloud: Cloud, scope: str, shown: set[str]) -> None:
    scopes = ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"]
    site, app, pool = await hosted(cloud, AllowedOAuthScopes=scopes)
    await cloud(
        "AddCustomAttributes", UserPoolId=pool, CustomAttributes=[{"Name": "tier", "AttributeDataType": "Number"}]
    )
    attributes = {
        "email": "anna@example.com", "email_verified": "true", "phone_number": "+15555550100",
        "phone_number_verified": "false", "nickname": "An", "address": "Main Street 1", "updated_at": "1700000000",
        "custom:tier": "5",
    }  # fmt: skip
    listed = [{"Name": name, "Value": value} for name, value in attributes.items()]
    await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username="anna", UserAttributes=listed)
    got = (await redeem(site, app, await authorization_code(site, app, scope=scope))).json()
    typed = attributes | {
        "email_verified": True, "phone_number_verified": False, "updated_at": 1700000000,
        "address": {"formatted": "Main Street 1"},
    }  # fmt: skip
    in_token = claims(got["id_token"])
    assert {name: in_token[name] for name in attributes if name in in_token} == {name: typed[name] for name in shown}
    bearer = {"authorization": f"Bearer {got['access_token']}"}
    info = (await site.http.get("/oauth2/userInfo", headers=bearer)).json()
    assert set(info) == shown | {"sub", "username"}


async def test_a_client_shows_only_what_it_may_read(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud, ReadAttributes=["email"])
    listed = [{"Name": "email", "Value": "anna@example.com"}, {"Name": "nickname", "Value": "An"}]
    await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username="anna", UserAttributes=listed)
    got = (await redeem(site, app, await authorization_code(site, app))).json()
    assert "email" in claims(got["id_token"])
    assert "nickname" not in claims(got["id_token"])


async def test_claims_of_the_code_flow(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    for group, precedence in (("staff", 2), ("heads", 1)):
        role = f"arn:aws:iam::000000000000:role/{group}"
        await cloud("CreateGroup", UserPoolId=pool, GroupName=group, Precedence=precedence, RoleArn=role)
        await cloud("AdminAddUserToGroup", UserPoolId=pool, Username="anna", GroupName=group)
    code = await authorization_code(site, app, nonce="n-1")
    cloud.clock.advance(60)
    got = (await redeem(site, app, code)).json()
    access, identity = claims(got["access_token"]), claims(got["id_token"])
    half = hashlib.sha256(got["access_token"].encode()).digest()[:16]
    assert identity["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    assert identity["auth_time"] == identity["iat"] - 60 == access["auth_time"]
    assert (identity["nonce"], identity["aud"], identity["token_use"]) == ("n-1", app, "id")
    assert (access["version"], access["client_id"], access["token_use"], access["scope"]) == (
        2,
        app,
        "access",
        "openid",
    )
    assert access["cognito:groups"] == identity["cognito:groups"] == ["heads", "staff"]
    assert identity["cognito:preferred_role"] == "arn:aws:iam::000000000000:role/heads"
    assert identity["cognito:roles"] == [f"arn:aws:iam::000000000000:role/{name}" for name in ("heads", "staff")]
    assert access["origin_jti"] == identity["origin_jti"]
    assert access["event_id"] == identity["event_id"]
    assert len({access["jti"], identity["jti"], access["origin_jti"]}) == 3
    assert "aud" not in access
    assert "client_id" not in identity
    assert got["expires_in"] == access["exp"] - access["iat"] == 3600
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": got["refresh_token"]}
    cloud.clock.advance(60)
    renewed = claims((await site.http.post("/oauth2/token", data=form)).json()["id_token"])
    changed = {name for name in {*identity, *renewed} if identity.get(name) != renewed.get(name)}
    assert changed == {"jti", "iat", "exp", "at_hash", "nonce"}
    assert "nonce" not in renewed


# userInfo and revocation ---------------------------------------------------------------------------------------------


async def test_user_info(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud, AllowedOAuthScopes=SCOPES)
    mail = [{"Name": "email", "Value": "anna@example.com"}, {"Name": "email_verified", "Value": "true"}]
    await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username="anna", UserAttributes=mail)
    got = (await redeem(site, app, await authorization_code(site, app, scope="openid email"))).json()
    bearer = {"authorization": f"Bearer {got['access_token']}"}
    shown = (await site.http.get("/oauth2/userInfo", headers=bearer)).json()
    assert shown == {
        "sub": claims(got["access_token"])["sub"],
        "email": "anna@example.com",
        "email_verified": "true",
        "username": "anna",
    }
    for headers, status, error in (
        ({}, 400, "invalid_request"), ({"authorization": "Basic eDp5"}, 400, "invalid_request"),
        ({"authorization": "Bearer x.y.z"}, 401, "invalid_token"),
        ({"authorization": f"Bearer {got['id_token']}"}, 401, "invalid_token"),
    ):  # fmt: skip
        refused = await site.http.get("/oauth2/userInfo", headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (status, error)
        assert f'error="{error}"' in refused.headers["www-authenticate"]
    await site.http.post("/oauth2/revoke", data={"token": got["refresh_token"], "client_id": app})
    assert (await site.http.get("/oauth2/userInfo", headers=bearer)).status_code == 401


async def test_revocation(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    got = (await redeem(site, app, await authorization_code(site, app))).json()
    for form, status, answer in (
        ({"client_id": app}, 400, {"error": "invalid_request"}),
        ({"client_id": app, "token": got["access_token"]}, 400, {"error": "unsupported_token_type"}),
        ({"client_id": "nobody", "token": "x"}, 401, {"error": "invalid_client"}),
    ):
        refused = await site.http.post("/oauth2/revoke", data=form)
        assert (refused.status_code, refused.json()) == (status, answer)
    for token in ("unknown", got["refresh_token"], got["refresh_token"]):
        done = await site.http.post("/oauth2/revoke", data={"client_id": app, "token": token})
        assert (done.status_code, done.content) == (200, b"")
    form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": got["refresh_token"]}
    assert (await site.http.post("/oauth2/token", data=form)).json() == {"error": "invalid_grant"}


# Signing out ---------------------------------------------------------------------------------------------------------


async def test_sign_out_goes_where_the_client_registered(cloud: Cloud) -> None:
    bye = "https://app.example.com/bye"
    site, app, _ = await hosted(cloud, LogoutURLs=[bye])
    for query, target in (
        ({"logout_uri": bye}, bye),
        ({"redirect_uri": CALLBACK, "response_type": "code"}, "/login?"),
    ):
        await authorization_code(site, app)
        answer = await site.http.get("/logout", params={"client_id": app, **query})
        assert answer.headers["location"].startswith(target)
        asked = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
        again = await site.http.get("/oauth2/authorize", params=asked)
        assert again.headers["location"].startswith("/login?")
    for wrong in (
        {"logout_uri": "https://evil.example.com"},
        {"logout_uri": bye + "/"},
        {"logout_uri": CALLBACK},
        {"redirect_uri": bye},
        {"logout_uri": ""},
    ):
        refused = await site.http.get("/logout", params={"client_id": app, **wrong})
        assert (refused.status_code, "location" in refused.headers) == (400, False)


# The pages' defences -------------------------------------------------------------------------------------------------


async def test_a_form_that_another_site_sent_is_refused(cloud: Cloud) -> None:
    """The attacker has a site below the same domain: he can set our cookie, and he has a token that fits it."""
    site, app, _ = await hosted(cloud)
    params, token = await form_of(site, app)
    data = {"username": "anna", "password": PASSWORD, "csrf": token}
    for sender in ("cross-site", "same-site"):
        refused = await site.http.post("/login", params=params, data=data, headers={"sec-fetch-site": sender})
        assert (refused.status_code, "location" in refused.headers) == (400, False)
    taken = await site.http.post("/login", params=params, data=data, headers={"sec-fetch-site": "same-origin"})
    assert taken.headers["location"].startswith(CALLBACK)


async def test_signing_in_makes_a_new_session_and_ends_the_one_before(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    site.http.cookies.set("cognito", "fixed-by-an-attacker", domain="site.local")
    await authorization_code(site, app)
    first = [cookie.value for cookie in site.http.cookies.jar if cookie.name == "cognito"]
    await authorization_code(site, app)
    second = [cookie.value for cookie in site.http.cookies.jar if cookie.name == "cognito"]
    assert first != second
    site.http.cookies.clear()
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    stolen = {"cookie": f"cognito={first[-1]}"}
    again = await site.http.get("/oauth2/authorize", params=params, headers=stolen)
    assert again.headers["location"].startswith("/login?")


async def test_cookies_are_for_tls_alone_where_the_public_url_is(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    plain = await site.http.get("/login", params=params)
    cloud.pools.issuer.public_url = "https://auth.example.com"
    secure = await site.http.get("/login", params=params)
    assert "Secure" not in plain.headers["set-cookie"]
    assert secure.headers["set-cookie"].endswith("; HttpOnly; SameSite=Lax; Secure")


async def test_a_redirect_uri_can_not_widen_the_policy(cloud: Cloud) -> None:
    callback = "https://app.example.com;script-src*"
    site, app, _ = await hosted(cloud, CallbackURLs=[callback])
    params = {"client_id": app, "response_type": "code", "redirect_uri": callback}
    page = await site.http.get("/login", params=params)
    assert "form-action 'self';" in page.headers["content-security-policy"]


async def test_a_page_answers_head_as_get_and_other_methods_with_what_it_takes(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
    head = await site.http.head("/login", params=params)
    assert (head.status_code, head.content) == (200, b"")
    put = await site.http.put("/login", params=params)
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_a_password_that_was_reset_is_set_anew_with_the_code(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    mail = [{"Name": "email", "Value": "anna@example.com"}, {"Name": "email_verified", "Value": "true"}]
    await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username="anna", UserAttributes=mail)
    await cloud("AdminResetUserPassword", UserPoolId=pool, Username="anna")
    params, token = await form_of(site, app)
    form = {"username": "anna", "csrf": token}
    page = await site.http.post("/login", params=params, data={**form, "password": PASSWORD})
    assert "/confirmforgotPassword?" in page.text
    new = {"code": cloud.code_for("anna@example.com"), "password": "Correct-horse-2", "repeat": "Correct-horse-2"}
    done = await site.http.post("/confirmforgotPassword", params=params, data={**form, **new})
    assert "Your password was changed." in done.text
    back = await site.http.post("/login", params=params, data={**form, "password": "Correct-horse-2"})
    assert back.headers["location"].startswith(CALLBACK)


async def test_signing_up_where_no_code_is_sent(cloud: Cloud) -> None:
    site, app, _ = await hosted(cloud)
    params, token = await form_of(site, app, "/signup")
    page = await site.http.post("/signup", params=params, data={"username": "ben", "password": PASSWORD, "csrf": token})
    assert "An administrator has to confirm it." in page.text
    assert 'name="code"' not in page.text


async def test_a_wrong_answer_is_asked_again_and_nothing_of_the_form_is_believed(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    await cloud(
        "AdminCreateUser", UserPoolId=pool, Username="ben", TemporaryPassword=PASSWORD, MessageAction="SUPPRESS"
    )
    params, token = await form_of(site, app)
    asked = await site.http.post("/login", params=params, data={"username": "ben", "password": PASSWORD, "csrf": token})
    session = asked.text.split('name="session" value="')[1].split('"')[0]
    form = {"csrf": token, "session": session, "challenge": "NEW_PASSWORD_REQUIRED"}
    weak = await site.http.post("/challenge", params=params, data={**form, "password": "short", "repeat": "short"})
    assert weak.status_code == 400
    assert 'name="session"' in weak.text
    for name in ("SELECT_MFA_TYPE", "WEB_AUTHN", "MFA_SETUP", "PASSWORD_VERIFIER", ""):
        other = await site.http.post("/challenge", params=params, data={**form, "challenge": name, "shown": "{}"})
        assert other.status_code == 400
        assert 'name="session"' not in other.text
    good = {**form, "password": "Correct-horse-2", "repeat": "Correct-horse-2"}
    assert (await site.http.post("/challenge", params=params, data=good)).headers["location"].startswith(CALLBACK)


# Devices -------------------------------------------------------------------------------------------------------------


async def with_second_factor(cloud: Cloud, *, on_prompt: bool) -> tuple[Site, str, str]:
    site, app, pool = await hosted(cloud)
    devices = {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": on_prompt}
    sender = "arn:aws:ses:us-east-1:000000000000:identity/pets@example.com"
    mail = {"EmailSendingAccount": "DEVELOPER", "SourceArn": sender}
    await cloud("UpdateUserPool", UserPoolId=pool, EmailConfiguration=mail, DeviceConfiguration=devices)
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, MfaConfiguration="ON", EmailMfaConfiguration={})
    for name in ("anna", "ben"):
        if name != "anna":
            await cloud.user(pool, name)
        attributes = [{"Name": "email", "Value": f"{name}@example.com"}, {"Name": "email_verified", "Value": "true"}]
        await cloud("AdminUpdateUserAttributes", UserPoolId=pool, Username=name, UserAttributes=attributes)
    return site, app, pool


async def first_factor(site: Site, app: str, name: str = "anna") -> tuple[httpx.Response, dict[str, str], str]:
    params, token = await form_of(site, app)
    data = {"username": name, "password": PASSWORD, "csrf": token}
    return await site.http.post("/login", params=params, data=data), params, token


async def second_factor(cloud: Cloud, site: Site, app: str) -> tuple[httpx.Response, dict[str, str], dict[str, str]]:
    asked, params, token = await first_factor(site, app)
    form = {"csrf": token, "session": asked.text.split('name="session" value="')[1].split('"')[0]}
    code = {"challenge": "EMAIL_OTP", "code": cloud.code_for("anna@example.com")}
    return await site.http.post("/challenge", params=params, data={**form, **code}), params, form


@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_a_device_is_remembered_where_its_user_wants_it(cloud: Cloud, answer: str) -> None:
    site, app, pool = await with_second_factor(cloud, on_prompt=True)
    page, params, form = await second_factor(cloud, site, app)
    assert "Remember this device?" in page.text
    form |= {"session": page.text.split('name="session" value="')[1].split('"')[0], "challenge": "REMEMBER_DEVICE"}
    done = await site.http.post("/challenge", params=params, data={**form, "answer": answer})
    assert done.headers["location"].startswith(CALLBACK)
    assert (await site.http.post("/challenge", params=params, data={**form, "answer": "yes"})).status_code == 400
    listed = (await cloud("AdminListDevices", UserPoolId=pool, Username="anna"))["Devices"]
    again, *_ = await first_factor(site, app)
    if answer == "no":
        assert listed == []
        assert "location" not in again.headers
        return
    (device,) = listed
    assert {"Name": "dev:device_remembered_status", "Value": "remembered"} in device["DeviceAttributes"]
    assert again.headers["location"].startswith(CALLBACK)
    # The cookie is Anna's: it stands for nobody else's second factor, and for hers until the device is forgotten.
    other, *_ = await first_factor(site, app, "ben")
    assert "location" not in other.headers
    await cloud("AdminForgetDevice", UserPoolId=pool, Username="anna", DeviceKey=device["DeviceKey"])
    forgotten, *_ = await first_factor(site, app)
    assert "location" not in forgotten.headers


async def test_a_device_that_is_always_remembered_is_so_for_a_year_after_its_last_use(cloud: Cloud) -> None:
    site, app, _ = await with_second_factor(cloud, on_prompt=False)
    done, *_ = await second_factor(cloud, site, app)
    assert done.headers["location"].startswith(CALLBACK)
    assert "Max-Age=31536000" in next(c for c in done.headers.get_list("set-cookie") if c.startswith("cognito-device="))
    cookie = next(c.value for c in site.http.cookies.jar if c.name == "cognito-device")
    assert cookie is not None
    for forged in (cookie[:-1], cookie.partition(".")[0] + ".", cookie.partition(".")[0], "." + cookie):
        site.http.cookies.clear()
        params, token = await form_of(site, app)
        site.http.cookies.set("cognito-device", forged)
        data = {"username": "anna", "password": PASSWORD, "csrf": token}
        assert "location" not in (await site.http.post("/login", params=params, data=data)).headers
    site.http.cookies.clear()
    site.http.cookies.set("cognito-device", cookie)
    known, *_ = await first_factor(site, app)
    assert known.headers["location"].startswith(CALLBACK)
    cloud.clock.advance(366 * 86400)
    late, *_ = await first_factor(site, app)
    assert "location" not in late.headers


@pytest.mark.parametrize(
    ("domain", "taken"),
    [
        ("login.pets.example.com", True),
        ("auth.example.com", False),
        ("127.0.0.1", False),
        ("cognito-idp.us-east-1.amazonaws.com", False),
        ("api.forecourt.localhost", False),
    ],
)
async def test_a_custom_domain_takes_no_host_of_the_aws_api(domain: str, taken: bool) -> None:
    cloud = Cloud(public_url="https://auth.example.com:8443/")
    pool = await cloud.pool()
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    await cloud(
        "CreateUserPoolDomain", UserPoolId=pool, Domain=domain, CustomDomainConfig={"CertificateArn": certificate}
    )
    assert cloud.pools.owns(domain) is taken
    await cloud.restart()
    assert cloud.pools.owns(domain) is taken
    await cloud("DeleteUserPoolDomain", UserPoolId=pool, Domain=domain)
    assert not cloud.pools.owns(domain)
    await cloud.pools.stop()
    await cloud.store.close()


async def test_quotas_count_what_comes_by_the_domain() -> None:
    rates = {"UserAuthentication": 2, "UserToken": 1, "ClientAuthentication": 1}
    cloud = Cloud(enforce_quotas=True, quotas=rates)
    site, app, _ = await hosted(cloud)
    params, token = await form_of(site, app)
    wrong = {"username": "anna", "password": "Wrong-one-1", "csrf": token}
    pages = await asyncio.gather(*(site.http.post("/login", params=params, data=wrong) for _ in range(8)))
    assert {page.status_code for page in pages} == {400, 429}
    grants = ({"grant_type": "client_credentials"}, {"grant_type": "refresh_token", "refresh_token": "x"})
    for grant in grants:
        form = {"client_id": app, **grant}
        answers = await asyncio.gather(*(site.http.post("/oauth2/token", data=form) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {400, 429}
        assert "too_many_requests" in {answer.json()["error"] for answer in answers}
    await cloud.pools.stop()
    await cloud.store.close()
