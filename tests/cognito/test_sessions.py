"""Session management: what a pool that tracks sessions is told of them, how many a user may have, and ending one."""

from __future__ import annotations

from typing import Any

from tests.cognito.conftest import Cloud, raises
from tests.cognito.test_attacks import CALLBACK, authorization_code, hosted
from tests.cognito.test_oauth import redeem

PASSWORD_FLOWS = ("USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH")
NOT_TRACKED = ("OperationNotEnabledException", "Session tracking is not enabled for this user pool.")


async def track(cloud: Cloud, pool: str, most: int = 20) -> None:
    await cloud(
        "SetUserPoolSessionConfiguration",
        UserPoolId=pool,
        UserSessionTracking="ENABLED",
        TokenSession={"MaxPerUser": most},
    )


async def listed(cloud: Cloud, pool: str, kind: str = "TOKEN") -> list[dict[str, Any]]:
    found = await cloud("AdminListUserSessions", UserPoolId=pool, Username="anna")
    return [session for session in found["Sessions"] if session["SessionType"] == kind]


async def refresh(cloud: Cloud, app: str, token: str) -> dict[str, Any]:
    given = {"REFRESH_TOKEN": token}
    return await cloud.client("InitiateAuth", ClientId=app, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=given)


async def test_the_settings_and_their_defaults(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool)
    shown = await cloud("GetUserPoolSessionConfiguration", UserPoolId=pool)
    assert shown == {"UserPoolId": pool, "UserSessionTracking": "DISABLED", "TokenSession": {"MaxPerUser": 20}}
    of_client = {"UserPoolId": pool, "ClientId": app}
    shown = await cloud("GetUserPoolClientSessionConfiguration", **of_client)
    assert shown == {**of_client, "SSOSession": {"MaxValidityMinutes": 60}}
    minutes = {"SSOSession": {"MaxValidityMinutes": 5}}
    with raises(*NOT_TRACKED):
        await cloud("SetUserPoolClientSessionConfiguration", **of_client, **minutes)
    await track(cloud, pool)
    assert await cloud("SetUserPoolClientSessionConfiguration", **of_client, **minutes) == {**of_client, **minutes}
    lite = await cloud.pool(UserPoolTier="LITE")
    with raises("FeatureUnavailableInTierException"):
        await track(cloud, lite)


async def test_a_pool_that_does_not_track_tells_nothing(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, *PASSWORD_FLOWS)
    await cloud.user(pool)
    token = (await cloud.sign_in(app))["AuthenticationResult"]["AccessToken"]
    with raises(*NOT_TRACKED):
        await cloud.client("ListUserSessions", AccessToken=token)
    with raises(*NOT_TRACKED):
        await cloud("AdminRevokeUserSession", UserPoolId=pool, Username="anna", SessionId="tkn" + "0" * 25)


async def test_a_user_lists_and_ends_his_own(cloud: Cloud) -> None:
    pool = await cloud.pool()
    await track(cloud, pool)
    app = await cloud.app(pool, *PASSWORD_FLOWS)
    await cloud.user(pool)
    one = (await cloud.sign_in(app))["AuthenticationResult"]
    cloud.clock.advance(10)
    other = (await cloud.sign_in(app))["AuthenticationResult"]
    found = (await cloud.client("ListUserSessions", AccessToken=one["AccessToken"]))["Sessions"]
    assert [session["IsCurrentSession"] for session in found] == [False, True]
    assert all(session["DeviceType"] == "test" and session["ClientId"] == app for session in found)
    own = {"AccessToken": one["AccessToken"]}
    with raises("InvalidParameterException", "The session of the access token itself cannot be revoked."):
        await cloud.client("RevokeUserSession", SessionId=found[1]["SessionId"], **own)
    await cloud.client("RevokeUserSession", SessionId=found[0]["SessionId"], **own)
    for unknown in (found[0]["SessionId"], "sso" + "0" * 25, "tkn" + "z" * 25):
        with raises("ResourceNotFoundException", "Session does not exist."):
            await cloud.client("RevokeUserSession", SessionId=unknown, **own)
    with raises("NotAuthorizedException", "Access Token has been revoked"):
        await cloud.client("GetUser", AccessToken=other["AccessToken"])
    with raises("NotAuthorizedException", "Refresh Token has been revoked"):
        await refresh(cloud, app, other["RefreshToken"])
    assert await cloud.client("GetUser", **own)


async def test_nobody_ends_the_session_of_another(cloud: Cloud) -> None:
    pool = await cloud.pool()
    await track(cloud, pool)
    app = await cloud.app(pool, *PASSWORD_FLOWS)
    await cloud.user(pool)
    await cloud.user(pool, "eve")
    await cloud.sign_in(app)
    eve = (await cloud.sign_in(app, "eve"))["AuthenticationResult"]["AccessToken"]
    [session] = await listed(cloud, pool)
    with raises("ResourceNotFoundException"):
        await cloud.client("RevokeUserSession", AccessToken=eve, SessionId=session["SessionId"])
    assert len(await listed(cloud, pool)) == 1


async def test_what_has_expired_takes_no_room(cloud: Cloud) -> None:
    pool = await cloud.pool()
    await track(cloud, pool, most=2)
    long = await cloud.app(pool, *PASSWORD_FLOWS)
    short = await cloud.app(pool, *PASSWORD_FLOWS, RefreshTokenValidity=1, TokenValidityUnits={"RefreshToken": "hours"})
    await cloud.user(pool)
    kept = (await cloud.sign_in(long))["AuthenticationResult"]["RefreshToken"]
    cloud.clock.advance(1)
    await cloud.sign_in(short)
    cloud.clock.advance(3601)
    await cloud.sign_in(short)
    assert await refresh(cloud, long, kept)


async def test_one_too_many_ends_the_one_used_longest_ago(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool, *PASSWORD_FLOWS)
    await cloud.user(pool)
    tokens = []
    for _ in range(4):
        tokens.append((await cloud.sign_in(app))["AuthenticationResult"]["RefreshToken"])
        cloud.clock.advance(1)
    await track(cloud, pool, most=3)
    # Nothing ends by itself; the first was used last.
    await refresh(cloud, app, tokens[0])
    assert len(await listed(cloud, pool)) == 4
    await cloud.sign_in(app)
    assert len(await listed(cloud, pool)) == 3
    for gone in tokens[1:3]:
        with raises("NotAuthorizedException", "Refresh Token has been revoked"):
            await refresh(cloud, app, gone)
    for kept in (tokens[0], tokens[3]):
        assert await refresh(cloud, app, kept)


async def test_a_browser_and_what_came_of_it(cloud: Cloud) -> None:
    """The parent of two token sessions is ended alone, then with what came of it."""
    site, app, pool = await hosted(cloud)
    await track(cloud, pool)
    for linked in (False, True):
        code = await authorization_code(site, app, prompt="login")
        tokens = (await redeem(site, app, code)).json()
        [browser] = await listed(cloud, pool, "SSO")
        token, *_ = await listed(cloud, pool)
        assert token["OriginSessionId"] == browser["SessionId"]
        params = {"client_id": app, "response_type": "code", "redirect_uri": CALLBACK}
        assert "code=" in (await site.http.get("/oauth2/authorize", params=params)).headers["location"]
        await cloud(
            "AdminRevokeUserSession",
            UserPoolId=pool,
            Username="anna",
            SessionId=browser["SessionId"],
            RevokeAssociatedSessions="LINKED" if linked else "NONE",
        )
        again = await site.http.get("/oauth2/authorize", params=params)
        assert again.headers["location"].startswith("/login?")
        assert await listed(cloud, pool, "SSO") == []
        form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
        assert (await site.http.post("/oauth2/token", data=form)).status_code == (400 if linked else 200)


async def test_a_token_session_ends_with_its_browser(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    await track(cloud, pool)
    await redeem(site, app, await authorization_code(site, app))
    [token] = await listed(cloud, pool)
    await cloud(
        "AdminRevokeUserSession",
        UserPoolId=pool,
        Username="anna",
        SessionId=token["SessionId"],
        RevokeAssociatedSessions="LINKED",
    )
    assert (await cloud("AdminListUserSessions", UserPoolId=pool, Username="anna"))["Sessions"] == []


async def test_each_client_says_how_long_it_takes_the_browsers_word(cloud: Cloud) -> None:
    site, app, pool = await hosted(cloud)
    await track(cloud, pool)
    other = await cloud.app(
        pool, CallbackURLs=[CALLBACK], AllowedOAuthFlows=["code"], AllowedOAuthScopes=["openid"],
        AllowedOAuthFlowsUserPoolClient=True, SupportedIdentityProviders=["COGNITO"],
    )  # fmt: skip
    for client, minutes in ((app, 0), (other, 120)):
        await cloud(
            "SetUserPoolClientSessionConfiguration",
            UserPoolId=pool,
            ClientId=client,
            SSOSession={"MaxValidityMinutes": minutes},
        )
    await authorization_code(site, app)

    async def silent(client: str) -> bool:
        params = {"client_id": client, "response_type": "code", "redirect_uri": CALLBACK}
        answer = await site.http.get("/oauth2/authorize", params=params)
        return "code=" in answer.headers["location"]

    assert (await silent(app), await silent(other)) == (False, True)
    cloud.clock.advance(119 * 60)
    assert await silent(other)
    cloud.clock.advance(60)
    assert not await silent(other)
