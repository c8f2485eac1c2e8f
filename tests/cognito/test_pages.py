"""The hosted pages in headless Chromium: every page at 320, 768 and 1280 px, and for its contrast, light and dark (WCAG
2.2, AA); a whole sign-up and sign-in by keyboard alone; passkeys by a virtual authenticator.

Set FORECOURT_SCREENSHOTS to a folder to keep pictures of all pages.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.ui import WebDriverWait
from tests.cognito.test_clients import PASSWORD, make_client, make_pool, make_user

from forecourt.services.cognito import totp
from forecourt.testing import Forecourt

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
CALLBACK = "https://app.example.com/callback"
SIZES = {"narrow": (320, 640), "medium": (768, 1024), "wide": (1280, 860)}
# What can be worked with; of radio buttons one group is one stop.
STOPS = "a[href], button, input:not([type=hidden], [type=radio]), input[type=radio]:checked"
# Every text against what lies behind it (WCAG 1.4.3), and the borders of fields against theirs (1.4.11).
CONTRAST = """
const parsed = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
function behind(element) {
  let layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(parsed(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
}
const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
document.getAnimations().forEach((animation) => animation.finish());
const wrong = [];
for (const element of document.querySelectorAll("body *")) {
  const style = getComputedStyle(element);
  if (!element.checkVisibility() || style.opacity !== "1") continue;
  const says = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const large = parseFloat(style.fontSize) >= (style.fontWeight >= 700 ? 18.66 : 24);
  const field = element.matches("input:not([type=radio])");
  const checks = [];
  if (says || field) checks.push(["text", style.color, behind(element), large ? 3 : 4.5]);
  if (field) checks.push(["border", style.borderTopColor, behind(element.parentElement), 3]);
  for (const [what, colour, ground, least] of checks) {
    const found = ratio(over(parsed(colour), ground), ground);
    if (found < least) wrong.push(`${element.outerHTML.slice(0, 60)}: ${what} ${found.toFixed(2)} < ${least}`);
  }
}
return wrong;
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--lang=en", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    # The client's callback leads nowhere, and need not.
    options.add_argument("--host-resolver-rules=MAP app.example.com 127.0.0.1:9")
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    driver.set_page_load_timeout(15)
    yield driver
    driver.quit()


class Pages:
    """One pool's pages in the browser. `see` checks a page as it is looked at, from narrow to wide."""

    def __init__(self, chromium: webdriver.Chrome, server: Forecourt, **settings: Any) -> None:
        self.idp = server.client("cognito-idp")
        self.server = server
        self.browser = chromium
        self.pool = make_pool(self.idp, **settings)
        self.domain = f"p{uuid.uuid4().hex[:12]}"
        self.idp.create_user_pool_domain(UserPoolId=self.pool, Domain=self.domain)
        self.client_id = make_client(
            self.idp,
            self.pool,
            CallbackURLs=[CALLBACK],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid"],
            AllowedOAuthFlowsUserPoolClient=True,
        )["ClientId"]

    def open(self, path: str = "login", **query: str) -> None:
        extra = "".join(f"&{name}={value}" for name, value in query.items())
        base = f"{self.server.url}/_aws/cognito/{self.domain}/{path}".replace("127.0.0.1", "localhost")
        self.browser.get(f"{base}?client_id={self.client_id}&response_type=code&redirect_uri={CALLBACK}{extra}")

    def see(self, name: str) -> None:
        assert self.browser.execute_script("return document.documentElement.lang") in ("en", "de", "fr", "es")
        assert len(self.browser.find_elements(By.TAG_NAME, "h1")) == 1
        assert len(self.browser.find_elements(By.TAG_NAME, "main")) == 1
        for kind, size in SIZES.items():
            self._resize(size)
            overflow = self.browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert overflow <= 0, f"{name} is {overflow} px too wide at {size[0]} px"
            self._keep(f"{name}-{kind}")
        for colours in ("light", "dark"):
            with emulated(self.browser, colours):
                assert self.browser.execute_script(CONTRAST) == [], f"{name}, {colours}"
                self._keep(f"{name}-{colours}")
        for field in self.browser.find_elements(By.CSS_SELECTOR, "input:not([type=hidden]):not([type=radio])"):
            identifier = field.get_attribute("id")
            assert self.browser.find_elements(By.CSS_SELECTOR, f"label[for='{identifier}']"), f"{identifier}: no label"

    def _keep(self, picture: str) -> None:
        if folder := os.environ.get("FORECOURT_SCREENSHOTS"):
            self.browser.save_screenshot(str(Path(folder) / f"{picture}.png"))

    def _resize(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            field = self.browser.find_element(By.NAME, name)
            field.clear()
            field.send_keys(value)

    def press(self, selector: str = "form button") -> None:
        old = self.browser.find_element(By.TAG_NAME, "html")
        self.browser.find_element(By.CSS_SELECTOR, selector).click()
        WebDriverWait(self.browser, 10).until(lambda driver: _gone(old))

    def heading(self) -> str:
        return str(self.browser.find_element(By.TAG_NAME, "h1").text)

    def wait_for_callback(self) -> str:
        WebDriverWait(self.browser, 10).until(lambda driver: driver.current_url.startswith(CALLBACK))
        return str(self.browser.current_url)

    def code(self, to: str) -> str:
        return next(str(m["Code"]) for m in self.server.mailbox() if m["To"] == to)


@contextmanager
def emulated(browser: webdriver.Chrome, colours: str) -> Iterator[None]:
    """The desktop prefers `light` or `dark`."""
    preferred = [
        {"name": "prefers-color-scheme", "value": colours},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def _gone(element: Any) -> bool:
    from selenium.common.exceptions import WebDriverException

    try:
        element.is_enabled()
    except WebDriverException:
        return True
    return False


def test_signing_up_and_in(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(chromium, server, AutoVerifiedAttributes=["email"])
    pages.open()
    pages.see("login")
    # By keyboard alone: the first field has the focus.
    assert chromium.switch_to.active_element.get_attribute("name") == "username"
    pages.fill(username="anna", password="Wrong-one-1")
    pages.press()
    assert chromium.find_element(By.CSS_SELECTOR, "[role=alert]").text == "User does not exist."
    pages.see("login-error")
    chromium.find_element(By.LINK_TEXT, "Create an account").click()
    pages.see("signup")
    pages.fill(username="anna", email="anna@page.example.com", password=PASSWORD)
    pages.press()
    assert pages.heading() == "Confirm your account"
    pages.see("confirm")
    pages.fill(code=pages.code("anna@page.example.com"))
    pages.press()
    pages.see("login-confirmed")
    pages.fill(username="anna", password=PASSWORD)
    pages.press("button[value=PASSWORD]")
    assert "code=" in pages.wait_for_callback()
    assert {cookie["httpOnly"] for cookie in _cookies(chromium, pages)} == {True}


def _cookies(chromium: webdriver.Chrome, pages: Pages) -> list[dict[str, Any]]:
    pages.open()
    found: list[dict[str, Any]] = chromium.get_cookies()
    assert chromium.execute_script("return document.cookie") == ""
    return found


def test_a_forgotten_password(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(chromium, server)
    make_user(pages.idp, pages.pool, email="forgot@page.example.com", email_verified="true")
    pages.open()
    chromium.find_element(By.LINK_TEXT, "Forgot your password?").click()
    pages.see("forgot")
    pages.fill(username="anna")
    pages.press()
    pages.see("reset")
    pages.fill(code=pages.code("forgot@page.example.com"), password="Another-one-2", repeat="Another-one-2")
    pages.press()
    assert "Your password was changed." in chromium.find_element(By.CSS_SELECTOR, "[role=status]").text


def test_new_password_and_authenticator_app(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(chromium, server)
    on = {"Enabled": True}
    pages.idp.set_user_pool_mfa_config(UserPoolId=pages.pool, MfaConfiguration="ON", SoftwareTokenMfaConfiguration=on)
    pages.idp.admin_create_user(UserPoolId=pages.pool, Username="anna", TemporaryPassword="Temporary-1")
    pages.open()
    pages.fill(username="anna", password="Temporary-1")
    pages.press()
    pages.see("new-password")
    pages.fill(password=PASSWORD, repeat=PASSWORD)
    pages.press()
    assert pages.heading() == "Set up an authenticator app"
    pages.see("mfa-setup")
    import base64

    secret = chromium.find_element(By.TAG_NAME, "code").text
    seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    now = server.advance_clock(0)
    pages.fill(code="000000")
    pages.press()
    assert chromium.find_element(By.CSS_SELECTOR, "[role=alert]").text == "Code mismatch"
    pages.fill(code=totp.code(seed, int(now) // 30))
    pages.press()
    pages.wait_for_callback()
    now = server.advance_clock(60)
    pages.open("oauth2/authorize", prompt="login")
    pages.fill(username="anna", password=PASSWORD)
    pages.press()
    pages.see("mfa-code")
    pages.fill(code=totp.code(seed, int(now) // 30))
    pages.press()
    pages.wait_for_callback()


def test_passkeys(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(
        chromium, server, Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN", "EMAIL_OTP"]}}
    )
    pages.idp.set_user_pool_mfa_config(
        UserPoolId=pages.pool, WebAuthnConfiguration={"RelyingPartyId": "localhost", "UserVerification": "required"}
    )
    make_user(pages.idp, pages.pool, email="pass@page.example.com", email_verified="true")
    chromium.add_virtual_authenticator(
        VirtualAuthenticatorOptions(
            protocol="ctap2",
            transport="internal",
            has_resident_key=True,
            has_user_verification=True,
            is_user_verified=True,
        )
    )
    pages.open()
    pages.see("login-passwordless")
    pages.fill(username="anna", password=PASSWORD)
    pages.press()
    pages.wait_for_callback()
    pages.open("passkeys/add")
    WebDriverWait(chromium, 10).until(lambda driver: "The passkey was added." in driver.page_source)
    pages.see("message")
    pages.open("login")
    pages.fill(username="anna")
    chromium.find_element(By.CSS_SELECTOR, "button[value=WEB_AUTHN]").click()
    pages.wait_for_callback()
    pages.open("login")
    pages.fill(username="anna")
    pages.press("button[value=EMAIL_OTP]")
    pages.see("email-code")
    pages.fill(code=pages.code("pass@page.example.com"))
    pages.press()
    pages.wait_for_callback()
    # A device that lost the passkey: the page says so, and lets the user try again or go back.
    chromium.remove_all_credentials()
    pages.open("login")
    pages.fill(username="anna")
    chromium.find_element(By.CSS_SELECTOR, "button[value=WEB_AUTHN]").click()
    WebDriverWait(chromium, 10).until(lambda driver: driver.find_element(By.ID, "passkey-failed").is_displayed())
    pages.see("passkey")
    chromium.remove_virtual_authenticator()


def test_choosing_a_factor_and_remembering_the_device(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(
        chromium,
        server,
        EmailConfiguration={
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/pets@example.com",
        },
        DeviceConfiguration={"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True},
    )
    pages.idp.set_user_pool_mfa_config(
        UserPoolId=pages.pool,
        MfaConfiguration="ON",
        EmailMfaConfiguration={},
        SmsMfaConfiguration={
            "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "x"}
        },
    )
    make_user(pages.idp, pages.pool, "ben")
    pages.open()
    pages.fill(username="ben", password=PASSWORD)
    pages.press()
    assert pages.heading() == "Secure your account"
    pages.see("mfa-address")
    mail, phone = "device@page.example.com", "+15555550199"
    make_user(
        pages.idp, pages.pool, email=mail, email_verified="true", phone_number=phone, phone_number_verified="true"
    )
    pages.open()
    pages.fill(username="anna", password=PASSWORD)
    pages.press()
    pages.see("select")
    chromium.find_element(By.CSS_SELECTOR, "input[value=EMAIL_OTP]").click()
    pages.press()
    pages.fill(code=pages.code(mail))
    pages.press()
    pages.see("device")
    pages.press("button[value=yes]")
    pages.wait_for_callback()
    pages.open("oauth2/authorize", prompt="login")
    pages.fill(username="anna", password=PASSWORD)
    pages.press()
    assert "code=" in pages.wait_for_callback()
    assert {cookie["httpOnly"] for cookie in _cookies(chromium, pages)} == {True}


@pytest.mark.parametrize(("lang", "heading"), [("de", "Bei app anmelden"), ("fr", "Se connecter à app")])
def test_languages(chromium: webdriver.Chrome, server: Forecourt, lang: str, heading: str) -> None:
    pages = Pages(chromium, server)
    pages.open(lang=lang)
    assert pages.heading() == heading
    pages.see(f"login-{lang}")
    pages.fill(username="nobody", password=PASSWORD)
    pages.press()
    told = chromium.find_element(By.CSS_SELECTOR, "[role=alert]").text
    assert told == {"de": "Diesen Benutzer gibt es nicht.", "fr": "Cet utilisateur n’existe pas."}[lang]


def test_branding(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(chromium, server)

    def drawn(width: int) -> bytes:
        return f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='40'><rect/></svg>".encode()

    def asset(category: str, mode: str, width: int) -> dict[str, Any]:
        return {"Category": category, "ColorMode": mode, "Extension": "SVG", "Bytes": drawn(width)}

    button = {"lightMode": {"defaults": {"backgroundColor": "aa0000ff", "textColor": "ffffffff"}}}
    pages.idp.create_managed_login_branding(
        UserPoolId=pages.pool,
        ClientId=pages.client_id,
        Settings={"components": {"primaryButton": button}, "categories": {"global": {"colorSchemeMode": "DYNAMIC"}}},
        Assets=[asset("FORM_LOGO", "LIGHT", 160), asset("FORM_LOGO", "DARK", 120), asset("FAVICON_SVG", "DYNAMIC", 32)],
    )
    pages.open()
    shown = chromium.find_element(By.CSS_SELECTOR, "button[value=PASSWORD]").value_of_css_property("background-color")
    deadline = time.monotonic() + 5
    while shown != "rgba(170, 0, 0, 1)" and time.monotonic() < deadline:
        shown = chromium.find_element(By.CSS_SELECTOR, "button[value=PASSWORD]").value_of_css_property(
            "background-color"
        )
    assert shown == "rgba(170, 0, 0, 1)"
    assert chromium.execute_script("return document.querySelector('.logo').naturalWidth") == 160
    with emulated(chromium, "dark"):
        pages.open()
        assert chromium.execute_script("return document.querySelector('.logo').naturalWidth") == 120
    icon = chromium.find_element(By.CSS_SELECTOR, "link[rel=icon]").get_attribute("href")
    served = httpx.get(str(icon))
    assert (served.headers["content-type"], served.content) == ("image/svg+xml", drawn(32))
    pages.see("branded")


@pytest.mark.parametrize("look", ["plain", "classic", "branded", "dynamic"])
def test_a_dark_desktop(chromium: webdriver.Chrome, server: Forecourt, look: str) -> None:
    """Dark where the browser prefers it, unless CSS of the classic UI, or branding that says nothing else, is light."""
    pages = Pages(chromium, server)
    if look == "classic":
        css = ".banner-customizable { background-color: white; }"
        pages.idp.set_ui_customization(UserPoolId=pages.pool, ClientId=pages.client_id, CSS=css)
    if look in ("branded", "dynamic"):
        mode = {"categories": {"global": {"colorSchemeMode": "DYNAMIC"}}} if look == "dynamic" else {}
        pages.idp.create_managed_login_branding(UserPoolId=pages.pool, ClientId=pages.client_id, Settings=mode)
    with emulated(chromium, "dark"):
        pages.open()
        colour = chromium.find_element(By.TAG_NAME, "h1").value_of_css_property("color")
    pages.see(f"dark-{look}")
    assert colour == ("rgba(237, 241, 246, 1)" if look in ("plain", "dynamic") else "rgba(22, 32, 44, 1)")


class Keyboard:
    """Keys and nothing else: no pointer, no element found by the test and worked on."""

    def __init__(self, pages: Pages) -> None:
        self._browser = pages.browser
        # A window that nobody looks at has the focus of no desktop.
        self._browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})

    def type(self, *keys: str) -> None:
        ActionChains(self._browser).send_keys(*keys).perform()

    def chord(self, held: str, key: str, times: int = 1) -> None:
        ActionChains(self._browser).key_down(held).send_keys(key * times).key_up(held).perform()

    def go_to(self, selector: str) -> None:
        """By Tab, whose every stop has to show that it has the focus."""
        for _ in range(20):
            if self._browser.execute_script("return document.activeElement.matches(arguments[0])", selector):
                return
            self.type(Keys.TAB)
        pytest.fail(f"{selector} can not be reached by Tab")

    def submit(self) -> None:
        old = self._browser.find_element(By.TAG_NAME, "html")
        self.type(Keys.ENTER)
        WebDriverWait(self._browser, 10).until(lambda driver: _gone(old))

    def check_order(self) -> None:
        """Tab stops at everything, in the order of the page, and each stop is seen to have the focus (2.1.1, 2.4.7)."""
        stops = self._browser.find_elements(By.CSS_SELECTOR, STOPS)
        start = next(n for n, stop in enumerate(stops) if stop == self._browser.switch_to.active_element)
        for expected in stops[start:]:
            focused = self._browser.switch_to.active_element
            assert focused == expected, f"{focused.get_attribute('outerHTML')} has the focus"
            assert focused.value_of_css_property("outline-style") == "solid"
            assert focused.value_of_css_property("outline-width") == "3px"
            self.type(Keys.TAB)
        self.chord(Keys.SHIFT, Keys.TAB, len(stops) - start)


def test_by_keyboard_alone(chromium: webdriver.Chrome, server: Forecourt) -> None:
    """Signing up, confirming, a wrong password, choosing a factor, its code: back at the client."""
    pages = Pages(
        chromium,
        server,
        AutoVerifiedAttributes=["email"],
        EmailConfiguration={
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/pets@example.com",
        },
    )
    keyboard, mail = Keyboard(pages), "keys@page.example.com"
    pages.open()
    keyboard.check_order()
    keyboard.go_to("a[href*=signup]")
    keyboard.submit()
    keyboard.check_order()
    keyboard.type("anna", Keys.TAB)
    keyboard.go_to("#email")
    keyboard.type(mail)
    keyboard.go_to("#password")
    keyboard.type(PASSWORD)
    keyboard.submit()
    keyboard.check_order()
    keyboard.type(pages.code(mail))
    keyboard.submit()
    pages.idp.set_user_pool_mfa_config(
        UserPoolId=pages.pool,
        MfaConfiguration="ON",
        EmailMfaConfiguration={},
        SmsMfaConfiguration={
            "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "x"}
        },
    )
    phone = [{"Name": "phone_number", "Value": "+15555550123"}, {"Name": "phone_number_verified", "Value": "true"}]
    pages.idp.admin_update_user_attributes(UserPoolId=pages.pool, Username="anna", UserAttributes=phone)
    keyboard.go_to("#username")
    keyboard.chord(Keys.CONTROL, "a")
    keyboard.type("anna", Keys.TAB, "Wrong-one-1")
    keyboard.submit()
    # What went wrong is read with the field that has the focus.
    focused = chromium.switch_to.active_element
    assert chromium.find_element(By.ID, "error").text == "Incorrect username or password."
    assert "error" in str(focused.get_attribute("aria-describedby")).split()
    keyboard.go_to("#password")
    keyboard.type(PASSWORD)
    keyboard.submit()
    assert pages.heading() == "Choose how to go on"
    keyboard.go_to("input[type=radio]")
    keyboard.check_order()
    keyboard.type(Keys.ARROW_DOWN)
    assert chromium.switch_to.active_element.get_attribute("value") == "EMAIL_OTP"
    keyboard.submit()
    keyboard.check_order()
    keyboard.type(pages.code(mail))
    keyboard.submit()
    assert "code=" in pages.wait_for_callback()


def test_errors_are_shown_and_go_nowhere(chromium: webdriver.Chrome, server: Forecourt) -> None:
    pages = Pages(chromium, server)
    chromium.get(
        f"{server.url}/_aws/cognito/{pages.domain}/oauth2/authorize"
        f"?client_id={pages.client_id}&response_type=code&redirect_uri=https://evil.example.com"
    )
    assert "redirect_mismatch" in chromium.find_element(By.CSS_SELECTOR, "[role=alert]").text
    pages.see("error")
