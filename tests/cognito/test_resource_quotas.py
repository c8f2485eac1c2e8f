"""How many of a thing there may be: one of each is allowed here, and the second is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cognito.conftest import Cloud, raises

from forecourt.services.cognito.resource_quotas import ResourceQuotas

NAMES = ResourceQuotas.__struct_fields__
LIMIT, PARAMETER = "LimitExceededException", "InvalidParameterException"
CERTIFICATE = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1"}
# What makes one more of it (`#` is a number), the error, and what it says.
MAKERS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "clients": (
        "CreateUserPoolClient",
        {"ClientName": "app-#"},
        LIMIT,
        "The maximum number of clients of this user pool (1) has been reached.",
    ),
    "resource_servers": (
        "CreateResourceServer",
        {"Identifier": "api-#", "Name": "api"},
        LIMIT,
        "The maximum number of resource servers of this user pool (1) has been reached.",
    ),
    "groups": (
        "CreateGroup",
        {"GroupName": "group-#"},
        LIMIT,
        "The maximum number of groups of this user pool (1) has been reached.",
    ),
    "import_jobs": (
        "CreateUserImportJob",
        {"JobName": "job-#", "CloudWatchLogsRoleArn": "arn:aws:iam::000000000000:role/logs"},
        LIMIT,
        "The maximum number of import jobs of this user pool (1) has been reached.",
    ),
    "custom_attributes": (
        "AddCustomAttributes",
        {"CustomAttributes": [{"Name": "own-#", "AttributeDataType": "String"}]},
        PARAMETER,
        "Cannot add more than 1 custom attributes.",
    ),
}


def numbered(value: Any, number: int) -> Any:
    if isinstance(value, dict):
        return {name: numbered(member, number) for name, member in value.items()}
    if isinstance(value, list):
        return [numbered(member, number) for member in value]
    return value.replace("#", str(number)) if isinstance(value, str) else value


@pytest.mark.parametrize("name", MAKERS)
async def test_one_more_of_a_pool(name: str) -> None:
    operation, parameters, code, wording = MAKERS[name]
    cloud = Cloud(quotas={name: 1})
    full, other = await cloud.pool(), await cloud.pool()
    await cloud(operation, UserPoolId=full, **numbered(parameters, 1))
    with raises(code, wording):
        await cloud(operation, UserPoolId=full, **numbered(parameters, 2))
    await cloud(operation, UserPoolId=other, **numbered(parameters, 2))
    await cloud.pools.stop()
    await cloud.store.close()


async def test_one_more_of_everything_else(cloud: Cloud) -> None:
    """Pools, custom domains, styles, secrets, groups of a user, tags."""
    narrow = Cloud(quotas=dict.fromkeys(NAMES, 1) | {"clients": 9, "groups": 9})
    pool = await narrow.pool(UserPoolTags={"a": "1"})
    arn = f"arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool}"
    with raises(LIMIT, "The maximum number of user pools of this account (1) has been reached."):
        await narrow.pool()
    with raises(PARAMETER, "Cannot add more than 1 custom attributes."):
        await narrow.pool(Schema=[{"Name": name, "AttributeDataType": "String"} for name in ("one", "two")])
    with raises(PARAMETER, "A resource can have up to 1 tags."):
        await narrow("TagResource", ResourceArn=arn, Tags={"b": "2"})
    with raises(PARAMETER, "A resource can have up to 1 tags."):
        await narrow("UpdateUserPool", UserPoolId=pool, UserPoolTags={"a": "1", "b": "2"})
    apps = [await narrow.app(pool, GenerateSecret=True) for _ in range(2)]
    with raises(LIMIT, "The maximum number of secrets of this client (1) has been reached."):
        await narrow("AddUserPoolClientSecret", UserPoolId=pool, ClientId=apps[0])
    style = {"UserPoolId": pool, "UseCognitoProvidedValues": True}
    await narrow("CreateManagedLoginBranding", ClientId=apps[0], **style)
    with raises(LIMIT, "The maximum number of managed login branding styles of this user pool (1) has been reached."):
        await narrow("CreateManagedLoginBranding", ClientId=apps[1], **style)
    await narrow.user(pool)
    for group in ("first", "second"):
        await narrow("CreateGroup", UserPoolId=pool, GroupName=group)
    await narrow("AdminAddUserToGroup", UserPoolId=pool, Username="anna", GroupName="first")
    await narrow("AdminAddUserToGroup", UserPoolId=pool, Username="anna", GroupName="first")
    with raises(PARAMETER, "User cannot be in more groups."):
        await narrow("AdminAddUserToGroup", UserPoolId=pool, Username="anna", GroupName="second")
    await narrow.pools.stop()
    await narrow.store.close()


async def test_custom_domains_of_an_account(cloud: Cloud) -> None:
    """Four; those that are prefixes do not count."""
    for number in range(4):
        pool = await cloud.pool()
        await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain=f"shop-{number}")
        name = f"auth{number}.shop.example.com"
        await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain=name, CustomDomainConfig=CERTIFICATE)
    pool = await cloud.pool()
    await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain="shop-4")
    with raises(LIMIT, "The maximum number of custom domains of this account (4) has been reached."):
        await cloud(
            "CreateUserPoolDomain", UserPoolId=pool, Domain="auth4.shop.example.com", CustomDomainConfig=CERTIFICATE
        )
