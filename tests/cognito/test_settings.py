"""What pools, clients and domains can not be, in AWS's words, and what they are where nothing was said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cognito.conftest import Cloud, raises

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
SMS = {"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"}}
SES = "arn:aws:ses:us-east-1:000000000000:identity/example.com"
LITE = {"UserPoolTier": "LITE"}


def recovery(*mechanisms: tuple[str, int]) -> dict[str, Any]:
    listed = [{"Name": name, "Priority": priority} for name, priority in mechanisms]
    return {"AccountRecoverySetting": {"RecoveryMechanisms": listed}}


def attribute(name: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    return {"Name": name, "AttributeDataType": kind, **more}


POOL_MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "aliases and addresses": (
        {"AliasAttributes": ["email"], "UsernameAttributes": ["email"]},
        "InvalidParameterException",
        "Only one of the aliasAttributes or usernameAttributes can be set in a User pool.",
    ),
    "a preferred name that is an alias and required": (
        {"AliasAttributes": ["preferred_username"], "Schema": [attribute("preferred_username", Required=True)]},
        "InvalidParameterException",
        "preferred_username cannot be both a required attribute and an alias.",
    ),
    "clients that register themselves": (
        {"DcrConfiguration": {"EnableStatus": "Enabled"}},
        "InvalidParameterException",
        "Forecourt does not support DcrConfiguration.",
    ),
    "a key of the customer's own": (
        {"KeyConfiguration": {"KeyType": "CUSTOMER_MANAGED_KEY", "KmsKeyArn": "arn:aws:kms:us-east-1:1:key/k"}},
        "InvalidParameterException",
        "Forecourt does not support KeyConfiguration other than the default.",
    ),
    "another issuer": (
        {"IssuerConfiguration": {"Type": "UPDATED"}},
        "InvalidParameterException",
        "Forecourt does not support IssuerConfiguration other than the default.",
    ),
    "same priority": (
        recovery(("verified_email", 1), ("verified_phone_number", 1)),
        "InvalidParameterException",
        "Account Recovery Setting cannot have duplicate priorities or recovery mechanisms.",
    ),
    "same mechanism": (
        recovery(("verified_email", 1), ("verified_email", 2)),
        "InvalidParameterException",
        "Account Recovery Setting cannot have duplicate priorities or recovery mechanisms.",
    ),
    "administrators and others": (
        recovery(("admin_only", 1), ("verified_email", 2)),
        "InvalidParameterException",
        "Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms.",
    ),
    "verification before update": (
        {"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]}},
        "InvalidParameterException",
        "All attributes in AttributesRequireVerificationBeforeUpdate must exist in AutoVerifiedAttributes",
    ),
    "text messages without a way": (
        {"AutoVerifiedAttributes": ["phone_number"]},
        "InvalidParameterException",
        "SMS configuration is required when phone_number is selected for auto verification",
    ),
    "second factor without a way": (
        {"MfaConfiguration": "ON"},
        "InvalidParameterException",
        "SMS configuration and Auto verification for phone_number are required when MFA is required/optional",
    ),
    "two lifetimes of temporary passwords": (
        {
            "Policies": {"PasswordPolicy": {"TemporaryPasswordValidityDays": 3}},
            "AdminCreateUserConfig": {"UnusedAccountValidityDays": 3},
        },
        "InvalidParameterException",
        "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays",
    ),
    "no passwords at all": (
        {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["EMAIL_OTP"]}}},
        "InvalidParameterException",
        "Password should be configured as one of the allowed first auth factors.",
    ),
    "sender without a key": (
        {"LambdaConfig": {"CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION}}},
        "InvalidParameterException",
        "KMSKeyId parameter is required when Custom SMS/Email Lambda trigger is used.",
    ),
    "two functions for tokens": (
        {
            "LambdaConfig": {
                "PreTokenGeneration": FUNCTION,
                "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": FUNCTION + "2"},
            }
        },
        "InvalidParameterException",
        "Cannot use PreTokenGenerationLambda and PreTokenGeneration with different Lambda function ARN's",
    ),
    "function elsewhere": (
        {"LambdaConfig": {"PreSignUp": FUNCTION.replace("us-east-1", "eu-west-1")}},
        "InvalidParameterException",
        "Cross-region lambda functions are not supported",
    ),
    "own sender without an identity": (
        {"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER"}},
        "InvalidParameterException",
        "Source ARN is required to use DEVELOPER email sending owner",
    ),
    "sender without an address": (
        {"EmailConfiguration": {"EmailSendingAccount": "DEVELOPER", "SourceArn": SES, "From": "nobody"}},
        "InvalidParameterException",
        "Provided From email address is invalid",
    ),
    "tag of AWS": (
        {"UserPoolTags": {"aws:team": "a"}},
        "UserPoolTaggingException",
        "aws: prefixed tag key names are not allowed for external use.",
    ),
    "custom attribute twice": (
        {"Schema": [attribute("plan"), attribute("plan")]},
        "InvalidParameterException",
        "Duplicate custom attribute names custom:plan are not allowed in a user pool schema.",
    ),
    "required custom attribute": (
        {"Schema": [attribute("plan", Required=True)]},
        "InvalidParameterException",
        "Required custom attributes are not supported currently.",
    ),
    "lengths upside down": (
        {"Schema": [attribute("plan", StringAttributeConstraints={"MinLength": "9", "MaxLength": "3"})]},
        "InvalidParameterException",
        "Attribute custom:plan cannot have a max length shorter than it's min length",
    ),
    "numbers upside down": (
        {"Schema": [attribute("age", "Number", NumberAttributeConstraints={"MinValue": "9", "MaxValue": "3"})]},
        "InvalidParameterException",
        "Attribute custom:age cannot have a max value smaller than it's min value",
    ),
    "other type of a standard attribute": (
        {"Schema": [attribute("email", "Number")]},
        "InvalidParameterException",
        "You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute email",
    ),
    "threat protection": (
        {"UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}},
        "FeatureUnavailableInTierException",
        "The following features need to be disabled for the ESSENTIALS pricing tier configured: Threat Protection",
    ),
    "passwordless": (
        LITE | {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}}},
        "FeatureUnavailableInTierException",
        "The following features need to be disabled for the LITE pricing tier configured: Passwordless Sign-In",
    ),
    "access token customization": (
        LITE | {"LambdaConfig": {"PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": FUNCTION}}},
        "FeatureUnavailableInTierException",
        "The following features need to be disabled for the LITE pricing tier configured: "
        "Token Customization with Pre-Token Generation Lambda V2_0",
    ),
    "message without a place for the code": (
        {"EmailVerificationMessage": "Hello you"},
        "InvalidParameterException",
        "1 validation error detected: Value 'Hello you' at 'emailVerificationMessage' failed to satisfy constraint",
    ),
}


@pytest.mark.parametrize("mistake", POOL_MISTAKES)
async def test_what_a_pool_can_not_be(cloud: Cloud, mistake: str) -> None:
    settings, code, wording = POOL_MISTAKES[mistake]
    with raises(code, wording):
        await cloud.pool(**settings)
    assert (await cloud("ListUserPools", MaxResults=1))["UserPools"] == []


async def test_settings_with_one_value_take_it(cloud: Cloud) -> None:
    only = {"KeyConfiguration": {"KeyType": "AWS_OWNED_KEY"}, "IssuerConfiguration": {"Type": "ORIGINAL"}}
    pool = await cloud.pool(**only)
    shown = (await cloud("DescribeUserPool", UserPoolId=pool))["UserPool"]
    assert {name: shown[name] for name in only} == only
    with raises("InvalidParameterException", "Forecourt does not support IssuerConfiguration other than the default."):
        await cloud("UpdateUserPool", UserPoolId=pool, IssuerConfiguration={"Type": "UPDATED"})


async def test_a_plan_can_not_be_left_with_its_features_on(cloud: Cloud) -> None:
    protected = {"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED"}}
    pool = await cloud.pool(**protected)
    with raises("TierChangeNotAllowedException", "The following features need to be disabled for the LITE pricing"):
        await cloud("UpdateUserPool", **{"UserPoolId": pool, **protected, **LITE})
    await cloud("UpdateUserPool", UserPoolId=pool, **LITE)
    assert (await cloud("DescribeUserPool", UserPoolId=pool))["UserPool"]["UserPoolTier"] == "LITE"


async def test_the_function_of_tokens_is_shown_in_both_places(cloud: Cloud) -> None:
    config = {"LambdaVersion": "V2_0", "LambdaArn": FUNCTION}
    for given, version in (({"PreTokenGeneration": FUNCTION}, "V1_0"), ({"PreTokenGenerationConfig": config}, "V2_0")):
        pool = await cloud.pool(LambdaConfig=given)
        shown = (await cloud("DescribeUserPool", UserPoolId=pool))["UserPool"]["LambdaConfig"]
        assert shown == {
            "PreTokenGeneration": FUNCTION,
            "PreTokenGenerationConfig": {"LambdaVersion": version, "LambdaArn": FUNCTION},
        }


MFA_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "on without a factor": (
        {"MfaConfiguration": "ON"},
        "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration.",
    ),
    "off with a factor": (
        {"MfaConfiguration": "OFF", "SoftwareTokenMfaConfiguration": {"Enabled": True}},
        "Invalid MFA configuration given, can't turn off MFA and configure an MFA together.",
    ),
    "a factor and no word of on or off": (
        {"SmsMfaConfiguration": SMS},
        "Invalid MFA configuration given, can't turn off MFA and configure an MFA together.",
    ),
    "a page for a relying party": (
        {"WebAuthnConfiguration": {"RelyingPartyId": "https://pets.example/"}},
        "https://pets.example/ is not a valid relying party ID",
    ),
    "mail by the house's account": (
        {"MfaConfiguration": "ON", "EmailMfaConfiguration": {}},
        "Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of "
        "COGNITO_DEFAULT.",
    ),
}


@pytest.mark.parametrize("mistake", MFA_MISTAKES)
async def test_what_mfa_can_not_be(cloud: Cloud, mistake: str) -> None:
    settings, wording = MFA_MISTAKES[mistake]
    pool = await cloud.pool()
    with raises("InvalidParameterException", wording):
        await cloud("SetUserPoolMfaConfig", UserPoolId=pool, **settings)
    assert await cloud("GetUserPoolMfaConfig", UserPoolId=pool) == {"MfaConfiguration": "OFF"}


async def test_text_messages_stay_a_factor_where_they_are_set_up(cloud: Cloud) -> None:
    pool = await cloud.pool(**SMS)
    app = {"MfaConfiguration": "ON", "SoftwareTokenMfaConfiguration": {"Enabled": True}}
    with raises("InvalidParameterException", "Can't turn off SMS_MFA when SMS configuration is set for the user pool"):
        await cloud("SetUserPoolMfaConfig", UserPoolId=pool, **app)
    await cloud("SetUserPoolMfaConfig", UserPoolId=pool, **app, SmsMfaConfiguration=SMS)


OAUTH = {"AllowedOAuthFlowsUserPoolClient": True}
CLIENT_MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "plain HTTP": (
        {"CallbackURLs": ["http://example.com"]},
        "InvalidParameterException",
        "http://example.com cannot use the HTTP protocol.",
    ),
    "plain HTTP after sign-out": (
        {"LogoutURLs": ["http://example.com"]},
        "InvalidParameterException",
        "http://example.com cannot use the HTTP protocol.",
    ),
    "script": (
        {"CallbackURLs": ["javascript:alert(1)"]},
        "InvalidParameterException",
        "javascript:alert(1) is not a valid URL",
    ),
    "half an address": (
        {"CallbackURLs": ["http://[::1"]},
        "InvalidParameterException",
        "http://[::1 is not a valid URL.",
    ),
    "fragment": (
        {"CallbackURLs": ["https://a.b/#x"]},
        "InvalidParameterException",
        "https://a.b/#x cannot use fragment",
    ),
    "default elsewhere": (
        {"CallbackURLs": ["https://a.b/"], "DefaultRedirectURI": "https://c.d/"},
        "InvalidParameterException",
        "The default redirect URI https://c.d/ is not in the callback URIs list.",
    ),
    "unknown scope": (
        {"AllowedOAuthScopes": ["pets/read"]},
        "ScopeDoesNotExistException",
        "Invalid scope requested: pets/read",
    ),
    "machine and person": (
        {"AllowedOAuthFlows": ["code", "client_credentials"]},
        "InvalidOAuthFlowException",
        "client_credentials flow can not be selected along with code flow or implicit flow",
    ),
    "machine without a secret": (
        {"AllowedOAuthFlows": ["client_credentials"]},
        "InvalidOAuthFlowException",
        "client_credentials flow can not be selected if client does not have a client secret.",
    ),
    "machine with a person's scope": (
        {"AllowedOAuthFlows": ["client_credentials"], "AllowedOAuthScopes": ["openid"], "GenerateSecret": True},
        "InvalidOAuthFlowException",
        "openid is not supported with client_credentials flow",
    ),
    "OAuth without flows": (
        OAUTH,
        "InvalidOAuthFlowException",
        "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
    ),
    "nowhere to return to": (
        OAUTH | {"AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["openid"]},
        "InvalidOAuthFlowException",
        "CallbackUrls can not be empty when code flow or implicit flow is selected",
    ),
    "long access token": (
        {"AccessTokenValidity": 2, "TokenValidityUnits": {"AccessToken": "days"}},
        "InvalidParameterException",
        "Invalid range for token validity.",
    ),
    "short refresh token": (
        {"RefreshTokenValidity": 60, "AccessTokenValidity": 2, "TokenValidityUnits": {"RefreshToken": "minutes"}},
        "InvalidParameterException",
        "Access and Id Token expiration times must be less than or equal to refresh token expiration times.",
    ),
    "reads what is not there": (
        {"ReadAttributes": ["custom:x"]},
        "InvalidParameterException",
        "Invalid read attributes specified while creating a client",
    ),
    "writes what is not there": (
        {"WriteAttributes": ["custom:x"]},
        "InvalidParameterException",
        "Invalid write attributes specified while creating a client",
    ),
    "writes its own proof": (
        {"WriteAttributes": ["email", "email_verified"]},
        "InvalidParameterException",
        "Invalid write attributes specified while creating a client",
    ),
    "unknown provider": (
        {"SupportedIdentityProviders": ["Google"]},
        "InvalidParameterException",
        "The provider Google does not exist for User Pool",
    ),
    "old and new flows": (
        {"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ADMIN_NO_SRP_AUTH"]},
        "InvalidParameterException",
        "Auth flow name with prefix 'ALLOW' cannot be used with legacy auth flow names.",
    ),
    "context without a secret": (
        {"EnablePropagateAdditionalUserContextData": True},
        "InvalidParameterException",
        "Client Secret is required to set EnablePropagateAdditionalUserContextData as true",
    ),
    "half of analytics": (
        {"AnalyticsConfiguration": {"ApplicationId": "a" * 10}},
        "InvalidParameterException",
        "Invalid analytics configuration given, either <application arn> or <application id, role arn, external id>",
    ),
    "two secrets at once": (
        {"GenerateSecret": True, "ClientSecret": "s" * 32},
        "InvalidParameterException",
        "GenerateSecret and ClientSecret cannot be used together.",
    ),
}


@pytest.mark.parametrize("mistake", CLIENT_MISTAKES)
async def test_what_a_client_can_not_be(cloud: Cloud, mistake: str) -> None:
    settings, code, wording = CLIENT_MISTAKES[mistake]
    pool = await cloud.pool()
    with raises(code, wording):
        await cloud.app(pool, **settings)
    assert (await cloud("ListUserPoolClients", UserPoolId=pool))["UserPoolClients"] == []


async def test_a_client_has_awss_defaults(cloud: Cloud) -> None:
    pool = await cloud.pool()
    shown = (await cloud("CreateUserPoolClient", UserPoolId=pool, ClientName="app"))["UserPoolClient"]
    for moment in ("CreationDate", "LastModifiedDate", "ClientId"):
        assert shown.pop(moment)
    assert shown == {
        "UserPoolId": pool,
        "ClientName": "app",
        "ClientType": "REGULAR",
        "RefreshTokenValidity": 30,
        "TokenValidityUnits": {},
        "AllowedOAuthFlowsUserPoolClient": False,
        "EnableTokenRevocation": True,
        "EnablePropagateAdditionalUserContextData": False,
        "AuthSessionValidity": 3,
    }


async def test_a_public_client_gets_no_secret_later(cloud: Cloud) -> None:
    """It would shut out everybody who uses it."""
    pool = await cloud.pool()
    public, confidential = await cloud.app(pool), await cloud.app(pool, GenerateSecret=True)
    with raises("InvalidParameterException", "A secret can only be added to a client that has one."):
        await cloud("AddUserPoolClientSecret", UserPoolId=pool, ClientId=public)
    await cloud("AddUserPoolClientSecret", UserPoolId=pool, ClientId=confidential)
    with raises("LimitExceededException"):
        await cloud("AddUserPoolClientSecret", UserPoolId=pool, ClientId=confidential)


FAILOVER = {"Failover": {"SecondaryRegion": "eu-west-1", "PrimaryRoute53HealthCheckId": "abcdef11-2222"}}
DOMAIN_MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "reserved word": ({"Domain": "my-aws-pets"}, "InvalidParameterException", "Domain cannot contain reserved word"),
    "custom domain of one label": (
        {
            "Domain": "auth",
            "CustomDomainConfig": {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1"},
        },
        "InvalidParameterException",
        "Custom domain is not a valid subdomain",
    ),
    "replicas": (
        {"Domain": "pets", "Routing": FAILOVER},
        "InvalidParameterException",
        "Forecourt does not support Routing.",
    ),
    "managed login": (
        {"Domain": "pets", "ManagedLoginVersion": 2},
        "FeatureUnavailableInTierException",
        "The following feature is not available for the LITE pricing tier configured: Managed Login Version 2",
    ),
}


@pytest.mark.parametrize("mistake", DOMAIN_MISTAKES)
async def test_what_a_domain_can_not_be(cloud: Cloud, mistake: str) -> None:
    settings, code, wording = DOMAIN_MISTAKES[mistake]
    pool = await cloud.pool(**LITE)
    with raises(code, wording):
        await cloud("CreateUserPoolDomain", UserPoolId=pool, **settings)
    assert await cloud("DescribeUserPoolDomain", Domain=settings["Domain"]) == {"DomainDescription": {}}


async def test_a_prefix_is_one_label(cloud: Cloud) -> None:
    """The wire lets whole host names through, for custom domains."""
    pool = await cloud.pool()
    with raises("InvalidParameterException", "The domain name contains an invalid character. Domain names can only"):
        await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain="auth.example.com")


async def test_a_custom_domain(cloud: Cloud) -> None:
    pool = await cloud.pool()
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/1"
    named = {"UserPoolId": pool, "Domain": "auth.example.com"}
    with raises("InvalidParameterException", "The specified SSL certificate doesn't exist, isn't in us-east-1 region"):
        elsewhere = {"CertificateArn": certificate.replace("us-east-1", "eu-west-1")}
        await cloud("CreateUserPoolDomain", **named, CustomDomainConfig=elsewhere)
    made = await cloud("CreateUserPoolDomain", **named, CustomDomainConfig={"CertificateArn": certificate})
    assert made["CloudFrontDomain"].endswith(".cloudfront.net")
    described = (await cloud("DescribeUserPoolDomain", Domain="auth.example.com"))["DomainDescription"]
    assert described["CloudFrontDistribution"] == made["CloudFrontDomain"]
    assert described["CustomDomainConfig"] == {"CertificateArn": certificate}
    assert described["Status"] == "ACTIVE"
    shown = (await cloud("DescribeUserPool", UserPoolId=pool))["UserPool"]
    assert (shown["CustomDomain"], shown.get("Domain")) == ("auth.example.com", None)
    other = await cloud("UpdateUserPoolDomain", **named, CustomDomainConfig={"CertificateArn": certificate + "2"})
    assert other["CloudFrontDomain"] == made["CloudFrontDomain"]
    with raises("InvalidParameterException", "The specified SSL certificate doesn't exist"):
        await cloud("UpdateUserPoolDomain", **named, CustomDomainConfig=elsewhere)
    with raises("InvalidParameterException", "Forecourt does not support Routing."):
        await cloud("UpdateUserPoolDomain", **named, Routing=FAILOVER)
    await cloud("DeleteUserPoolDomain", **named)


async def test_a_prefix_stays_a_prefix(cloud: Cloud) -> None:
    pool = await cloud.pool()
    named = {"UserPoolId": pool, "Domain": "pets"}
    await cloud("CreateUserPoolDomain", **named)
    certificate = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1"}
    with raises("InvalidParameterException", "Custom domain is not a valid subdomain"):
        await cloud("UpdateUserPoolDomain", **named, CustomDomainConfig=certificate)
    await cloud("UpdateUserPoolDomain", **named, ManagedLoginVersion=2)
    await cloud("UpdateUserPool", UserPoolId=pool, UserPoolTier="ESSENTIALS")
    lite = await cloud.pool(**LITE)
    await cloud("CreateUserPoolDomain", UserPoolId=lite, Domain="lite")
    with raises("FeatureUnavailableInTierException"):
        await cloud("UpdateUserPoolDomain", UserPoolId=lite, Domain="lite", ManagedLoginVersion=2)


async def test_a_word_within_a_word_is_not_reserved(cloud: Cloud) -> None:
    pool = await cloud.pool()
    assert await cloud("CreateUserPoolDomain", UserPoolId=pool, Domain="awsome-pets") == {"ManagedLoginVersion": 1}


async def test_logs_of_threat_protection_need_its_plan(cloud: Cloud) -> None:
    pool = await cloud.pool()
    group = {"CloudWatchLogsConfiguration": {"LogGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:users"}}
    activity = {"EventSource": "userAuthEvents", "LogLevel": "INFO", **group}
    notices = {"EventSource": "userNotification", "LogLevel": "ERROR", **group}
    with raises(
        "FeatureUnavailableInTierException",
        "The following feature is not available for the ESSENTIALS pricing tier configured: Log Streaming",
    ):
        await cloud("SetLogDeliveryConfiguration", UserPoolId=pool, LogConfigurations=[activity])
    with raises("InvalidParameterException", "Following event sources appear more then once in a request"):
        await cloud("SetLogDeliveryConfiguration", UserPoolId=pool, LogConfigurations=[notices, notices])
    await cloud("SetLogDeliveryConfiguration", UserPoolId=pool, LogConfigurations=[notices])


async def test_a_branding_style_keeps_what_an_update_does_not_name(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool)
    button = {"lightMode": {"defaults": {"backgroundColor": "aa0000ff", "textColor": "ffffffff"}}}

    def asset(category: str, data: bytes) -> dict[str, Any]:
        return {"Category": category, "ColorMode": "LIGHT", "Extension": "SVG", "Bytes": data}

    made = await cloud(
        "CreateManagedLoginBranding",
        UserPoolId=pool,
        ClientId=app,
        Settings={"components": {"primaryButton": button}, "categories": {"global": {"spacingDensity": "REGULAR"}}},
        Assets=[asset("FORM_LOGO", b"<svg>1</svg>"), asset("FAVICON_SVG", b"<svg>2</svg>")],
    )
    which = {"UserPoolId": pool, "ManagedLoginBrandingId": made["ManagedLoginBranding"]["ManagedLoginBrandingId"]}
    darker = {"components": {"primaryButton": {"lightMode": {"defaults": {"backgroundColor": "000000ff"}}}}}
    changed = await cloud(
        "UpdateManagedLoginBranding", **which, Settings=darker, Assets=[asset("FORM_LOGO", b"<svg>3</svg>")]
    )
    shown = changed["ManagedLoginBranding"]
    defaults = shown["Settings"]["components"]["primaryButton"]["lightMode"]["defaults"]
    assert defaults == {"backgroundColor": "000000ff", "textColor": "ffffffff"}
    assert shown["Settings"]["categories"] == {"global": {"spacingDensity": "REGULAR"}}
    assert {one["Category"]: one["Bytes"] for one in shown["Assets"]} == {
        "FORM_LOGO": b"<svg>3</svg>",
        "FAVICON_SVG": b"<svg>2</svg>",
    }
    identifiers = [{one["ResourceId"] for one in style["Assets"]} for style in (made["ManagedLoginBranding"], shown)]
    assert identifiers[0] == identifiers[1]
    plain = await cloud("UpdateManagedLoginBranding", **which, UseCognitoProvidedValues=True)
    assert (plain["ManagedLoginBranding"]["Settings"], plain["ManagedLoginBranding"]["Assets"]) == ({}, [])


async def test_a_client_is_of_the_regular_type(cloud: Cloud) -> None:
    pool = await cloud.pool()
    app = await cloud.app(pool)
    shown = await cloud("DescribeUserPoolClient", UserPoolId=pool, ClientId=app)
    assert shown["UserPoolClient"]["ClientType"] == "REGULAR"
    for kind, many in (("REGULAR", 1), ("DCR", 0)):
        listed = await cloud("ListUserPoolClients", UserPoolId=pool, ClientType=kind)
        assert len(listed["UserPoolClients"]) == many


async def test_hashes_are_not_imported(cloud: Cloud) -> None:
    pool = await cloud.pool()
    role = "arn:aws:iam::000000000000:role/logs"
    with raises("InvalidParameterException", "Forecourt does not support PasswordHashingAlgorithm."):
        await cloud(
            "CreateUserImportJob",
            UserPoolId=pool,
            JobName="job",
            CloudWatchLogsRoleArn=role,
            PasswordHashingAlgorithm="BCRYPT",
        )
