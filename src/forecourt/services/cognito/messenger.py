"""Writes to a user: takes the template, lets the custom message trigger change it, fills it in, hands it to the courier
or to the pool's own sender function.

Nobody waits for a sender function, as nobody waits for a mail server: how long a call takes must not tell whether there
was anybody to write to. A message that could not be sent is told to whoever delivers the pool's own logs.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from forecourt.base.errors import ServiceError
from forecourt.services.cognito import encrypted_code, messages
from forecourt.services.cognito.courier import Courier
from forecourt.services.cognito.errors import (
    CodeDeliveryFailureException,
    InvalidLambdaResponseException,
    InvalidParameterException,
    NotAuthorizedException,
)
from forecourt.services.cognito.messages import Message, Template
from forecourt.services.cognito.model import Pool, User
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.triggers import Occasion, Triggers, user_attributes, with_metadata

_MEDIUM = {"email": "EMAIL", "phone_number": "SMS"}
_SENDERS = {"EMAIL": "CustomEmailSender", "SMS": "CustomSMSSender"}
_log = logging.getLogger("forecourt.cognito.messenger")
MOST_SENDING = 1000
_LAST_MOMENT_SECONDS = 10.0
# What a custom message may measure, as the pool's own templates may.
_LONGEST = {"smsMessage": 140, "emailMessage": 20_000, "emailSubject": 140}


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent: `source` is the suffix of the triggers' sources (`SignUp`, `ForgotPassword`, …)."""

    source: str
    kind: messages.Kind
    attribute: str
    to: str
    code: str
    link_path: str = ""

    @property
    def medium(self) -> str:
        return _MEDIUM[self.attribute]


class Messenger:
    def __init__(
        self,
        records: Records,
        triggers: Triggers,
        courier: Courier,
        failed: Callable[[str, str], Awaitable[None]],
        public_url: str,
    ) -> None:
        """`failed` is told the pool's id and what happened."""
        self._records = records
        self._failed = failed
        self._sending: set[asyncio.Task[None]] = set()
        self._triggers = triggers
        self._courier = courier
        self._public_url = public_url
        self._encrypt = encrypted_code.Encryption(triggers, records.ids)

    async def send(self, occasion: Occasion, user: User, errand: Errand) -> dict[str, str]:
        """CodeDeliveryDetails."""
        sender = _SENDERS[errand.medium]
        if self._triggers.configured(occasion.pool, sender):
            self._hand_over(occasion, user, errand, sender)
        else:
            message = await self._compose(occasion, user, errand)
            self._courier.send(message, occasion.pool.id)
        return delivery_details(errand.attribute, errand.to)

    def page(self, pool_id: str, path: str, query: Mapping[str, str]) -> str:
        """The address of a page of a pool that may have no domain."""
        return f"{self._public_url}/_aws/cognito/{pool_id}/{path}?{urlencode(query)}"

    def notify(self, occasion: Occasion, user: User, message: Message) -> None:
        """A message that is no code: a notice of a risky sign-in."""
        sender = _SENDERS[message.medium]
        if not self._triggers.configured(occasion.pool, sender):
            self._courier.send(message, occasion.pool.id)
            return
        errand = Errand(
            source="AccountTakeOverNotification", kind="Notify", attribute="email", to=message.to, code=message.body
        )
        self._hand_over(occasion, user, errand, sender)

    async def stop(self) -> None:
        """Gives what is under way a moment, then gives up."""
        sending = list(self._sending)
        if sending:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*sending, return_exceptions=True), _LAST_MOMENT_SECONDS)

    async def _compose(self, occasion: Occasion, user: User, errand: Errand) -> Message:
        link = await self._link(occasion, user, errand)
        pool = occasion.pool
        template = await self._customized(
            occasion, user, errand, messages.template(pool.settings, pool.mfa, errand.kind, link=bool(link))
        )
        mail = errand.medium == "EMAIL"
        text = template.email if mail else template.sms
        body = messages.fill(text, code=errand.code, username=user.username, link=link, markup=mail)
        subject = messages.fill(template.email_subject, code=errand.code, username=user.username, markup=False)
        return Message(errand.medium, errand.to, subject if mail else "", body, errand.code, *sender(pool, mail))

    async def _link(self, occasion: Occasion, user: User, errand: Errand) -> str:
        """Where the pool verifies by link and has a domain for the link to lead to."""
        pool = occasion.pool
        wanted = errand.kind in ("SignUp", "Resend") and errand.medium == "EMAIL" and messages.by_link(pool.settings)
        domains = await self._records.domain_of(pool.id) if wanted else []
        if not domains:
            return ""
        query = {"client_id": occasion.client_id, "user_name": user.username, "confirmation_code": errand.code}
        return f"{self._public_url}/_aws/cognito/{domains[0].name}/confirmUser?{urlencode(query)}"

    async def _customized(self, occasion: Occasion, user: User, errand: Errand, template: Template) -> Template:
        if not self._triggers.configured(occasion.pool, "CustomMessage"):
            return template
        request = with_metadata(
            occasion,
            {
                "userAttributes": user_attributes(user),
                "codeParameter": messages.CODE,
                "linkParameter": "{##Click Here##}",
                "usernameParameter": messages.USERNAME if errand.kind == "Invite" else None,
            },
        )
        empty = {"smsMessage": None, "emailMessage": None, "emailSubject": None}
        source = f"CustomMessage_{errand.source}"
        answer = await self._triggers.fire(occasion, "CustomMessage", source, user.username, request, empty)
        _check_lengths(answer)
        return Template(
            _custom(answer, "smsMessage", template.sms),
            answer.get("emailSubject") or template.email_subject,
            _custom(answer, "emailMessage", template.email),
        )

    def _hand_over(self, occasion: Occasion, user: User, errand: Errand, sender: str) -> None:
        if len(self._sending) >= MOST_SENDING:
            raise CodeDeliveryFailureException("The message could not be delivered, please try again later.")
        task = asyncio.create_task(self._see_to_it(occasion, user, errand, sender))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _see_to_it(self, occasion: Occasion, user: User, errand: Errand, sender: str) -> None:
        try:
            await self._send_by_function(occasion, user, errand, sender)
        except ServiceError as error:
            _log.warning("%s did not take a message: %s", sender, error.code)
            await self._failed(occasion.pool.id, f"{errand.medium} message was not delivered: {error.message}")

    async def _send_by_function(self, occasion: Occasion, user: User, errand: Errand, sender: str) -> None:
        kind = "customEmailSenderRequestV1" if errand.medium == "EMAIL" else "customSMSSenderRequestV1"
        code = await self._encrypt(occasion, errand.code)
        request = with_metadata(occasion, {"type": kind, "code": code, "userAttributes": user_attributes(user)})
        source = f"{sender}_{errand.source}"
        await self._triggers.fire(occasion, sender, source, user.username, request, {})


def sender(pool: Pool, mail: bool) -> tuple[str, str]:
    """From whom the pool's mail is, and who gets the answers."""
    own = pool.settings.get("EmailConfiguration", {}) if mail else {}
    return own.get("From", ""), own.get("ReplyToEmailAddress", "")


def _check_lengths(answer: Mapping[str, Any]) -> None:
    for name, longest in _LONGEST.items():
        given = answer.get(name)
        if given is not None and not (isinstance(given, str) and len(given) <= longest):
            raise InvalidLambdaResponseException("Unrecognizable lambda output")


def _custom(answer: Mapping[str, Any], key: str, default: str) -> str:
    """A function that forgets the code's place would make a message that helps nobody: AWS falls back as well."""
    text = answer.get(key)
    return text if isinstance(text, str) and (messages.CODE in text or "{##" in text) else default


def delivery_details(attribute: str, to: str) -> dict[str, str]:
    medium = _MEDIUM[attribute]
    return {"Destination": messages.mask(medium, to), "DeliveryMedium": medium, "AttributeName": attribute}


def sign_up_attribute(settings: Mapping[str, Any], attributes: Mapping[str, str]) -> str:
    """Which address of a user is verified at sign-up."""
    for attribute in sign_up_attributes(settings):
        if attributes.get(attribute) and attributes.get(f"{attribute}_verified") != "true":
            return attribute
    return ""


def sign_up_attributes(settings: Mapping[str, Any]) -> list[str]:
    """The addresses that a pool verifies: the phone number first, as AWS does."""
    return [name for name in ("phone_number", "email") if name in settings.get("AutoVerifiedAttributes", ())]


def recovery_attribute(settings: Mapping[str, Any], user: User) -> str:
    """Which address a password is recovered by. Raises where there is none.

    Where the pool says how, an address that is the user's second factor does not recover the first one as well.
    """
    attributes = recovery_attributes(settings)
    if not attributes:
        raise NotAuthorizedException("Contact administrator to reset password.")
    taken = _second_factors(settings, user)
    for attribute in attributes:
        verified = user.attributes.get(attribute) and user.attributes.get(f"{attribute}_verified") == "true"
        if verified and attribute not in taken:
            return attribute
    raise InvalidParameterException(
        "Cannot reset password for the user as there is no registered/verified email or phone_number"
    )


def _second_factors(settings: Mapping[str, Any], user: User) -> set[str]:
    if settings.get("MfaConfiguration", "OFF") == "OFF" or "AccountRecoverySetting" not in settings:
        return set()
    enabled = {*user.mfa.enabled, *(["SMS_MFA"] if user.mfa_options else [])}
    return {attribute for attribute, factor in _FACTOR_OF.items() if factor in enabled}


def recovery_attributes(settings: Mapping[str, Any]) -> list[str]:
    """In the pool's order; none where only an administrator may."""
    setting = settings.get("AccountRecoverySetting", {}).get("RecoveryMechanisms")
    mechanisms = sorted(setting or _LEGACY_RECOVERY, key=lambda mechanism: mechanism["Priority"])
    return [m["Name"].removeprefix("verified_") for m in mechanisms if m["Name"] != "admin_only"]


_FACTOR_OF = {"phone_number": "SMS_MFA", "email": "EMAIL_OTP"}
_LEGACY_RECOVERY = [{"Name": "verified_phone_number", "Priority": 1}, {"Name": "verified_email", "Priority": 2}]
