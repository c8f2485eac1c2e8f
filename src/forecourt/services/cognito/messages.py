"""What messages to users say: AWS's default texts, the pool's templates, and their placeholders.

`{####}` stands for the code (or, in an invitation, the temporary password), `{username}` for the user's name, and
`{##text##}` for a link to follow. E-mails are HTML where a template has markup, and everything that comes from a user
is escaped there.
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-settings-message-customizations.html
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Kind = Literal["SignUp", "Invite", "ForgotPassword", "Resend", "Attribute", "Authentication", "Notify"]
CODE, USERNAME = "{####}", "{username}"
_LINK = re.compile(r"\{##([^#{}]+)##\}")

DEFAULT_VERIFICATION_EMAIL = "Your confirmation code is {####}"
DEFAULT_VERIFICATION_SUBJECT = "Your verification code"
DEFAULT_LINK_EMAIL = "Please click the link below to verify your email address. {##Verify Email##} "
DEFAULT_LINK_SUBJECT = "Your verification link"
DEFAULT_VERIFICATION_SMS = "Your confirmation code is {####}"
DEFAULT_INVITE_EMAIL = "Your username is {username} and temporary password is {####}."
DEFAULT_INVITE_SMS = "Your username is {username} and temporary password is {####}."
DEFAULT_INVITE_SUBJECT = "Your temporary password"
DEFAULT_AUTHENTICATION = "Your authentication code is {####}"
DEFAULT_AUTHENTICATION_SUBJECT = "Your authentication code"


class Template(msgspec.Struct, frozen=True):
    """Before the placeholders are filled: what a custom message trigger may replace."""

    sms: str
    email_subject: str
    email: str


class Message(msgspec.Struct, frozen=True):
    """One message on its way: `medium` is EMAIL or SMS."""

    medium: str
    to: str
    subject: str
    body: str
    code: str = ""
    # The pool's own, in place of the house's.
    sender: str = ""
    reply_to: str = ""


def template(settings: Mapping[str, Any], mfa: Mapping[str, Any], kind: Kind, *, link: bool = False) -> Template:
    """The pool's own template for a kind of message, or AWS's."""
    if kind == "Invite":
        return _invitation(settings)
    if kind == "Authentication":
        return _authentication(settings, mfa)
    return _verification(settings, link)


def _invitation(settings: Mapping[str, Any]) -> Template:
    own = settings.get("AdminCreateUserConfig", {}).get("InviteMessageTemplate", {})
    return Template(
        own.get("SMSMessage", DEFAULT_INVITE_SMS),
        own.get("EmailSubject", DEFAULT_INVITE_SUBJECT),
        own.get("EmailMessage", DEFAULT_INVITE_EMAIL),
    )


def _authentication(settings: Mapping[str, Any], mfa: Mapping[str, Any]) -> Template:
    email = mfa.get("EmailMfaConfiguration", {})
    sms = mfa.get("SmsMfaConfiguration", {}).get("SmsAuthenticationMessage")
    return Template(
        sms or settings.get("SmsAuthenticationMessage", DEFAULT_AUTHENTICATION),
        email.get("Subject", DEFAULT_AUTHENTICATION_SUBJECT),
        email.get("Message", DEFAULT_AUTHENTICATION),
    )


def _verification(settings: Mapping[str, Any], link: bool) -> Template:
    own = settings.get("VerificationMessageTemplate", {})
    sms = own.get("SmsMessage") or settings.get("SmsVerificationMessage", DEFAULT_VERIFICATION_SMS)
    if link:
        return Template(
            sms,
            own.get("EmailSubjectByLink", DEFAULT_LINK_SUBJECT),
            own.get("EmailMessageByLink", DEFAULT_LINK_EMAIL),
        )
    return Template(
        sms,
        own.get("EmailSubject") or settings.get("EmailVerificationSubject", DEFAULT_VERIFICATION_SUBJECT),
        own.get("EmailMessage") or settings.get("EmailVerificationMessage", DEFAULT_VERIFICATION_EMAIL),
    )


def by_link(settings: Mapping[str, Any]) -> bool:
    option: str = settings.get("VerificationMessageTemplate", {}).get("DefaultEmailOption", "")
    return option == "CONFIRM_WITH_LINK"


def fill(text: str, *, code: str, username: str, link: str = "", markup: bool) -> str:
    """`markup`: the text is HTML, so what is put in is escaped."""
    shown = html.escape if markup else str
    if link:
        text = _LINK.sub(lambda match: _anchor(match[1], link, markup), text)
    return text.replace(CODE, shown(code)).replace(USERNAME, shown(username))


def _anchor(text: str, link: str, markup: bool) -> str:
    return f'<a href="{html.escape(link)}">{html.escape(text)}</a>' if markup else f"{text} {link}"


def mask(medium: str, address: str) -> str:
    """As CodeDeliveryDetails shows a destination: `j***@e***`, `+*******1234`."""
    if medium == "SMS":
        return "+" + "*" * max(0, len(address) - 5) + address[-4:]
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain[:1]}***"
