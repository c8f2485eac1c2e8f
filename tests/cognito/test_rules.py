"""The pure rules, as text: input on the left of `->`, outcome on the right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.base.clock import Clock
from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.services.cognito import filters, messages, names, passwords, schema, tokens, totp
from forecourt.services.cognito.auth import steps
from forecourt.services.cognito.auth.attempt import Attempt
from forecourt.services.cognito.credentials import allowed_flows
from forecourt.services.cognito.hosted_ui import style
from forecourt.services.cognito.hosted_ui.texts import LANGUAGES, TEXTS, language
from forecourt.services.cognito.model import AuthEvent, Device, MfaPreference, Pool, Totp, User
from forecourt.services.cognito.quotas import CATEGORY_OF, DEFAULT_RATES, Quotas
from forecourt.services.cognito.threat import compromised, risk
from forecourt.services.cognito.threat.lockout import lock_seconds


def cases(text: str) -> list[tuple[str, str]]:
    rows = [line.strip() for line in text.strip().splitlines() if line.strip() and not line.startswith("#")]
    return [(left.strip(), right.strip()) for left, _, right in (row.partition("->") for row in rows)]


def outcome(work: Callable[[], Any]) -> str:
    try:
        return str(work())
    except ServiceError as error:
        return error.message.replace("\n", " ").strip()


PASSWORDS = """
Aa1!aaaa -> None
Aa1!aaa -> Password did not conform with policy: Password not long enough
aa1!aaaa -> Password did not conform with policy: Password must have uppercase characters
AA1!AAAA -> Password did not conform with policy: Password must have lowercase characters
Aaa!aaaa -> Password did not conform with policy: Password must have numeric characters
Aa1aaaaa -> Password did not conform with policy: Password must have symbol characters
Äß1!ääää -> None
"""


@pytest.mark.parametrize(("password", "expected"), cases(PASSWORDS))
def test_the_password_policy(password: str, expected: str) -> None:
    assert outcome(lambda: passwords.check(passwords.DEFAULT_POLICY, password)) == expected


@given(st.integers(6, 99), st.integers())
def test_temporary_passwords_satisfy_every_policy(length: int, seed: int) -> None:
    policy = {**passwords.DEFAULT_POLICY, "MinimumLength": length}
    passwords.check(policy, passwords.temporary(policy, Ids(seed)))


FILTERS = r"""
email = "a@b.c" -> ('email', 'a@b.c', False)
family_name ^= "Re" -> ('family_name', 'Re', True)
"name"="say \"hi\"" -> ('name', 'say "hi"', False)
  status = "Enabled"  -> ('status', 'Enabled', False)
cognito:user_status = "CONFIRMED" -> ('cognito:user_status', 'CONFIRMED', False)
custom:plan = "gold" -> Invalid search attribute: custom:plan
email > "a" -> Error while parsing filter: email > "a"
email = a -> Error while parsing filter: email = a
email = "a" and name = "b" -> Error while parsing filter: email = "a" and name = "b"
status = "on" -> Invalid value for attribute status. Allowed values: [Enabled, Disabled]
"""


@pytest.mark.parametrize(("text", "expected"), cases(FILTERS))
def test_the_filter_of_list_users(text: str, expected: str) -> None:
    def parsed() -> Any:
        found = filters.parse(text)
        return found.name, found.value, found.prefix

    assert outcome(parsed) == expected


VALUES = """
{"email": "a@b.co"} -> None
{"email": "nonsense"} -> Invalid email address format.
{"phone_number": "+15555550100"} -> None
{"phone_number": "5555550100"} -> Invalid phone number format.
{"birthdate": "2000-02-30"} -> Attributes did not conform to the schema: birthdate: Attribute value is not a valid date, expected format YYYY-MM-DD
{"custom:age": "17"} -> Attributes did not conform to the schema: custom:age: Number must be no less than 18
{"custom:age": "old"} -> Attributes did not conform to the schema: custom:age: Attribute value could not be parsed as a number
{"custom:plan": "platinum"} -> Attributes did not conform to the schema: custom:plan: String must be no longer than 5 characters
{"custom:other": "x"} -> Attributes did not conform to the schema: custom:other: Attribute does not exist in the schema.
{"sub": "x"} -> Cannot modify the non-mutable attribute sub
{"email_verified": "perhaps"} -> Attributes did not conform to the schema: email_verified: Attribute value must be true or false
{"custom:plan": "platinum", "custom:age": "1"} -> Attributes did not conform to the schema: custom:plan: String must be no longer than 5 characters custom:age: Number must be no less than 18
"""  # noqa: E501
SCHEMA = schema.build(
    [
        {"Name": "age", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MinValue": "18"}},
        {"Name": "plan", "StringAttributeConstraints": {"MaxLength": "5"}, "Mutable": False},
        {"Name": "name", "Required": True},
    ]
)


@pytest.mark.parametrize(("given_values", "expected"), cases(VALUES))
def test_attribute_values(given_values: str, expected: str) -> None:
    assert outcome(lambda: schema.check_values(SCHEMA, json.loads(given_values))) == expected


def test_required_and_immutable_attributes() -> None:
    assert outcome(lambda: schema.check_required(SCHEMA, {"email": "a@b.co"})) == (
        "Attributes did not conform to the schema: name.formatted: The attribute is required"
    )
    assert outcome(lambda: schema.check_mutable(SCHEMA, ["custom:plan"], {"custom:plan": "gold"})) == (
        "user.custom:plan: Attribute cannot be updated."
    )
    assert outcome(lambda: schema.check_mutable(SCHEMA, ["custom:plan"], {})) == "None"
    assert [a["Name"] for a in SCHEMA][-2:] == ["custom:age", "custom:plan"]
    assert len(schema.build([])) == 21


NAMES = """
{"UsernameAttributes": ["email"]} anna -> Username should be an email.
{"UsernameAttributes": ["phone_number"]} anna -> Username should be a phone number.
{"UsernameAttributes": ["phone_number", "email"]} anna -> Username should be either an email or a phone number.
{"UsernameAttributes": ["phone_number", "email"]} +15555550100 -> phone_number
{"AliasAttributes": ["email"]} a@b.co -> Username cannot be of email format, since user pool is configured for email alias.
{"AliasAttributes": ["email"]} +15555550100 -> None
{} a@b.co -> None
"""  # noqa: E501


@pytest.mark.parametrize(("text", "expected"), cases(NAMES))
def test_usernames(text: str, expected: str) -> None:
    settings, _, username = text.rpartition(" ")
    assert outcome(lambda: names.check_new_username(json.loads(settings), username)) == expected


def test_aliases_count_once_verified() -> None:
    settings = {"AliasAttributes": ["email", "preferred_username"], "UsernameConfiguration": {"CaseSensitive": False}}
    attributes = {"email": "A@B.co", "preferred_username": "Anna"}
    assert names.aliases_of(settings, attributes, False) == []
    assert names.aliases_of(settings, attributes, True) == [("preferred_username", "anna")]
    verified = {**attributes, "email_verified": "true"}
    assert names.aliases_of(settings, verified, True) == [("email", "a@b.co"), ("preferred_username", "anna")]
    assert names.alias_kinds(settings, "a@b.co") == ["email", "preferred_username"]


# RFC 6238, appendix B, for SHA-1 (the last six of eight digits).
RFC_6238 = """
59 -> 287082
1111111109 -> 081804
1111111111 -> 050471
1234567890 -> 005924
2000000000 -> 279037
20000000000 -> 353130
"""


@pytest.mark.parametrize(("moment", "expected"), cases(RFC_6238))
def test_totp_vectors(moment: str, expected: str) -> None:
    seed, step = b"12345678901234567890", int(moment) // 30
    assert totp.code(seed, step) == expected
    assert totp.matching_step(seed, expected, float(moment)) == step
    assert totp.matching_step(seed, expected, float(moment) + 30) == step
    assert totp.matching_step(seed, expected, float(moment) + 90) is None


FLOWS = """
[] -> ALLOW_CUSTOM_AUTH ALLOW_REFRESH_TOKEN_AUTH ALLOW_USER_SRP_AUTH
["ALLOW_USER_AUTH"] -> ALLOW_USER_AUTH
["USER_PASSWORD_AUTH"] -> ALLOW_CUSTOM_AUTH ALLOW_REFRESH_TOKEN_AUTH ALLOW_USER_PASSWORD_AUTH ALLOW_USER_SRP_AUTH
["CUSTOM_AUTH_FLOW_ONLY"] -> ALLOW_CUSTOM_AUTH ALLOW_REFRESH_TOKEN_AUTH CUSTOM_AUTH_FLOW_ONLY
"""


@pytest.mark.parametrize(("given_flows", "expected"), cases(FLOWS))
def test_allowed_flows(given_flows: str, expected: str) -> None:
    assert " ".join(sorted(allowed_flows({"ExplicitAuthFlows": json.loads(given_flows)}))) == expected


# pool's MFA, what the user has turned on, what he has passed -> what comes next
NEXT = """
OFF - PASSWORD -> (done)
ON - PASSWORD -> SMS_MFA
ON SOFTWARE_TOKEN_MFA PASSWORD -> SOFTWARE_TOKEN_MFA
ON SMS_MFA,SOFTWARE_TOKEN_MFA PASSWORD -> SELECT_MFA_TYPE
ON SMS_MFA,SOFTWARE_TOKEN_MFA! PASSWORD -> SOFTWARE_TOKEN_MFA
ON SOFTWARE_TOKEN_MFA PASSWORD,SOFTWARE_TOKEN_MFA -> (done)
OPTIONAL - PASSWORD -> (done)
OPTIONAL SMS_MFA PASSWORD -> SMS_MFA
OPTIONAL SMS_MFA PASSWORD,DEVICE -> (done)
OPTIONAL SMS_MFA EMAIL_OTP -> (done)
"""


@pytest.mark.parametrize(("text", "expected"), cases(NEXT))
def test_what_comes_next(text: str, expected: str) -> None:
    mode, enabled, passed = text.split()
    factors = [] if enabled == "-" else enabled.replace("!", "").split(",")
    preferred = next((factor[:-1] for factor in enabled.split(",") if factor.endswith("!")), "")
    user = make_user(mfa=MfaPreference(factors, preferred), totp=Totp(sealed=b"x"))
    step = steps.next_step(make_pool(mode), user, make_attempt(passed.split(",")), None)
    assert (step.challenge or "(done)") == expected


def test_a_new_password_and_the_device_come_first() -> None:
    device = Device(
        pool_id="p", user_key="anna", device_key="d", group_key="g", name="", created_at=0, modified_at=0,
        authenticated_at=0, srp_verifier=b"v", remembered=True,
    )  # fmt: skip
    fresh = make_user(status="FORCE_CHANGE_PASSWORD")
    assert (
        steps.next_step(make_pool("ON"), fresh, make_attempt(["PASSWORD"]), None).challenge == "NEW_PASSWORD_REQUIRED"
    )
    known = steps.next_step(make_pool("ON"), make_user(), make_attempt(["PASSWORD"]), device)
    assert known.challenge == "DEVICE_SRP_AUTH"
    without = make_user(attributes={})
    pool = make_pool("ON")
    assert steps.next_step(pool, without, make_attempt(["PASSWORD"]), None).challenge == "MFA_SETUP"


def make_pool(mode: str) -> Pool:
    return Pool(
        account="0", region="us-east-1", id="us-east-1_p", name="p", created_at=0, modified_at=0, schema=[],
        settings={"MfaConfiguration": mode, "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True}},
        mfa={"SmsMfaConfiguration": {}, "SoftwareTokenMfaConfiguration": {"Enabled": True}},
    )  # fmt: skip


def make_user(**changes: Any) -> User:
    attributes = {"phone_number": "+15555550100", "phone_number_verified": "true"}
    given_fields = {"attributes": attributes, "status": "CONFIRMED", **changes}
    return User(pool_id="p", key="anna", username="anna", sub="s", created_at=0, modified_at=0, **given_fields)


def make_attempt(passed: list[str]) -> Attempt:
    return Attempt(
        id="1", pool_id="p", client_id="c", flow="", username="anna", user_key="anna", expires_at=0, passed=passed
    )


def test_lock_out_grows_to_a_quarter_of_an_hour() -> None:
    assert [lock_seconds(n) for n in (0, 4, 5, 6, 7, 14, 15, 50)] == [0, 0, 1, 2, 4, 512, 900, 900]


PASSWORDS_KNOWN = """
password -> True
Password1! -> True
P@ssw0rd2024 -> True
Summer2026! -> True
qwerty123 -> True
Correct-horse-1 -> False
xK9#mmPq2vv! -> False
"""


@pytest.mark.parametrize(("password", "expected"), cases(PASSWORDS_KNOWN))
def test_passwords_that_everybody_knows(password: str, expected: str) -> None:
    assert str(compromised.is_common(password)) == expected


def test_what_is_new_is_a_risk() -> None:
    past = [
        AuthEvent(
            pool_id="p", user_key="u", id=str(n), event_id="", type="SignIn", created_at=n * 86400.0 + 36000,
            expires_at=0, response="Pass", ip="192.0.2.1", device_name="Firefox",
        )
        for n in range(6)
    ]  # fmt: skip
    here = risk.Circumstances("192.0.2.77", "Firefox", 10 * 86400 + 37000)
    assert risk.level([], here) == ""
    assert risk.level(past, here) == ""
    assert risk.level(past, risk.Circumstances("198.51.100.1", "Firefox", here.now)) == "Low"
    assert risk.level(past, risk.Circumstances("198.51.100.1", "curl", here.now)) == "Medium"
    assert risk.level(past, risk.Circumstances("198.51.100.1", "curl", here.now + 43200)) == "High"
    assert risk.within("10.1.2.3", ["10.0.0.0/8"])
    assert not risk.within("not an address", ["10.0.0.0/8"])


def test_quotas_are_a_seconds_worth_and_fill_again() -> None:
    now = [0.0]
    quotas = Quotas(Clock(now=lambda: now[0]), {"UserCreation": 3})
    for _ in range(3):
        quotas.take("0", "us-east-1", "UserCreation")
    assert outcome(lambda: quotas.take("0", "us-east-1", "UserCreation")) == "Rate exceeded"
    quotas.take("0", "eu-west-1", "UserCreation")
    now[0] = 0.4
    quotas.take("0", "us-east-1", "UserCreation")
    assert outcome(lambda: quotas.take("0", "us-east-1", "UserCreation")) == "Rate exceeded"
    assert set(CATEGORY_OF.values()) <= set(DEFAULT_RATES)


def test_messages() -> None:
    text = "<p>Hi {username}, {####}. {##Click##}</p>"
    filled = messages.fill(text, code="1<2", username="<b>", link="https://x/?a=1&b=2", markup=True)
    assert filled == '<p>Hi &lt;b&gt;, 1&lt;2. <a href="https://x/?a=1&amp;b=2">Click</a></p>'
    assert messages.fill("{####}", code="123456", username="", markup=False) == "123456"
    assert messages.mask("EMAIL", "anna@example.com") == "a***@e***"
    assert messages.mask("SMS", "+15555550100") == "+*******0100"


CSS = """
.banner-customizable {background-color: #fff} -> None
.submitButton-customizable:hover {color: red} -> None
body {color: red} -> CSS is not valid: body can not be customized.
.banner-customizable {background: url(https://evil)} -> CSS is not valid: it must not load or run anything.
@import "x" -> CSS is not valid: it must not load or run anything.
.banner-customizable {color: red -> CSS is not valid.
</style> -> CSS is not valid: it must not load or run anything.
"""


@pytest.mark.parametrize(("css", "expected"), cases(CSS))
def test_css_of_customizations(css: str, expected: str) -> None:
    assert outcome(lambda: style.check_css(css)) == expected


def test_branding_colours_are_colours() -> None:
    button = {"primaryButton": {"lightMode": {"defaults": {"backgroundColor": "aa0000ff", "textColor": "red;}x{"}}}}
    assert style.theme({"components": button}) == (
        ":root[data-scheme=light]{--accent:#aa0000ff;}"
        "@media(prefers-color-scheme:light){:root:not([data-scheme=dark]){--accent:#aa0000ff;}}"
    )


@pytest.mark.parametrize(
    ("radius", "css"), [(4, ":root{--radius:4px}"), (2.5, ":root{--radius:2.5px}"), ("4}x{", ""), (-1, "")]
)
def test_branding_corners_are_numbers(radius: object, css: str) -> None:
    assert style.theme({"componentClasses": {"buttons": {"borderRadius": radius}}}) == css


@pytest.mark.parametrize(
    ("mode", "scheme"), [("LIGHT", "light"), ("DARK", "dark"), ("DYNAMIC", ""), ('"><script>', "")]
)
def test_a_branding_document_may_fix_the_scheme(mode: str, scheme: str) -> None:
    assert style.scheme({"categories": {"global": {"colorSchemeMode": mode}}}) == scheme
    assert style.scheme({}) == "light"


def test_every_language_says_everything() -> None:
    assert {frozenset(TEXTS[each]) for each in LANGUAGES} == {frozenset(TEXTS["en"])}
    assert language("", "fr-CH, fr;q=0.9, en;q=0.8") == "fr"
    assert language("de", "fr") == "de"
    assert language("xx", "zz") == "en"


def test_token_validity() -> None:
    settings = {"AccessTokenValidity": 5, "TokenValidityUnits": {"AccessToken": "minutes"}, "RefreshTokenValidity": 0}
    assert tokens.validity_seconds(settings, "AccessToken") == 300
    assert tokens.validity_seconds(settings, "IdToken") == 3600
    assert tokens.validity_seconds(settings, "RefreshToken") == 30 * 86400
