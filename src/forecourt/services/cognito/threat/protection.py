"""Threat protection at work: asked by the flows, it blocks, demands a second factor, notifies, and keeps the history.

The lock-out is always on. The rest follows the pool's AdvancedSecurityMode: OFF, AUDIT (everything is noted, nobody is
stopped) or ENFORCED, and its risk configuration, or the client's own.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from forecourt.services.cognito import errors, messages
from forecourt.services.cognito.messages import Message
from forecourt.services.cognito.model import AuthEvent, Pool, RiskConfiguration, User
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.threat import compromised, feedback, lockout, risk, sending
from forecourt.services.cognito.threat.delivery import Delivery
from forecourt.services.cognito.threat.journal import Journal
from forecourt.services.cognito.threat.lockout import Lockout
from forecourt.services.cognito.threat.sending import SendLimit
from forecourt.services.cognito.triggers import Occasion
from forecourt.store import Tx

if TYPE_CHECKING:
    from forecourt.services.cognito.auth.attempt import Attempt, Visit

BLOCKED = "Unable to login because of security reasons."
_HISTORY = 50
_KEPT_SECONDS = 90 * 86400
_DEFAULT_NOTICES = {
    "BlockEmail": ("Blocked sign-in attempt", "We blocked an unrecognized sign-in to your account."),
    "MfaEmail": ("New sign-in attempt", "We required you to use multi-factor authentication for a sign-in attempt."),
    "NoActionEmail": ("New sign-in attempt", "We observed an unrecognized sign-in to your account."),
}


class Notifier(Protocol):
    def page(self, pool_id: str, path: str, query: Mapping[str, str]) -> str: ...

    def notify(self, occasion: Occasion, user: User, message: Message) -> None: ...


class Threat:
    def __init__(self, records: Records, notifier: Notifier, delivery: Delivery, range_url: str = "") -> None:
        self._records = records
        self._notifier = notifier
        self.delivery = delivery
        self._range_url = range_url
        self._journal = Journal(records.store)
        self.lockout = Lockout(records.clock, self._journal)
        self.sending = SendLimit(records.clock, self._journal)
        self._writing: set[asyncio.Future[None]] = set()

    async def start(self) -> None:
        """Goes on counting where the last process stopped."""
        counters: dict[str, Lockout | SendLimit] = {lockout.PURPOSE: self.lockout, sending.PURPOSE: self.sending}
        for tally in await self._journal.tallies():
            counters[tally.purpose].load(tally)

    async def stop(self) -> None:
        await self._journal.stop()

    def forget(self) -> None:
        """The store was emptied."""
        self._journal.clear()
        self.lockout.clear()
        self.sending.clear()

    # The lock-out -----------------------------------------------------------------------------------------------

    def check_lockout(self, pool: Pool, name: str) -> None:
        self.lockout.check(pool.id, name.lower())

    async def failed(self, visit: Visit, name: str, user: User | None) -> None:
        """Counts a wrong proof by (or for) `name`."""
        self.lockout.failed(visit.pool.id, name.lower())
        if user is not None and mode(visit.pool) != "OFF":
            # Not waited for: how long a refusal takes must not tell whether there is such a user.
            self._later(visit.pool, user, self._event(visit, user, "SignIn", "Fail"))

    def _later(self, pool: Pool, user: User, event: AuthEvent) -> None:
        task = asyncio.ensure_future(self._records.store.write(lambda tx: tx.put(event)))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        self.delivery.deliver(pool, user, event)

    def succeeded(self, visit: Visit, user: User, event: AuthEvent | None = None) -> None:
        """`event` is what `record_success` wrote: it is delivered once it is sure."""
        if event is not None:
            self.delivery.deliver(visit.pool, user, event)
        self.lockout.succeeded(visit.pool.id, user.key.lower())

    # Passwords --------------------------------------------------------------------------------------------------

    async def check_compromised(self, visit: Visit, password: str, event: str, user: User | None = None) -> bool | None:
        """Whether everybody knows the password; None where nobody asked. Raises where the pool blocks that.

        `event` as in the configuration's filter: SIGN_IN, SIGN_UP, PASSWORD_CHANGE.
        """
        pool = visit.pool
        if mode(pool) == "OFF":
            return None
        settings = (await self.configuration(pool, visit.client.id)).get("CompromisedCredentialsRiskConfiguration", {})
        if event not in settings.get("EventFilter", [event]):
            return None
        if not await compromised.is_compromised(password, self._range_url):
            return False
        if settings.get("Actions", {}).get("EventAction") != "BLOCK" or mode(pool) != "ENFORCED":
            return True
        if event != "SIGN_IN":
            raise errors.InvalidPasswordException("Provided password cannot be used for security reasons.")
        if user is not None:
            blocked = self._event(visit, user, "SignIn", "Fail")
            await self._keep(pool, user, msgspec.structs.replace(blocked, compromised=True, risk_decision="Block"))
        raise errors.PasswordResetRequiredException("Password reset required for the user for security reasons")

    # Risk -------------------------------------------------------------------------------------------------------

    async def assess(self, visit: Visit, attempt: Attempt, user: User) -> None:
        """Judges a sign-in once its first factor is right. Raises where it is blocked; may demand a second factor."""
        if attempt.risk or mode(visit.pool, attempt.flow) == "OFF":
            return
        configuration = await self.configuration(visit.pool, visit.client.id)
        exceptions = configuration.get("RiskExceptionConfiguration", {})
        if risk.within(visit.ip, exceptions.get("BlockedIPRangeList", ())):
            await self._act(visit, attempt, user, "High", {"EventAction": "BLOCK"}, configuration)
        history = await self._records.store.list(AuthEvent, user.pool_id, user.key, limit=_HISTORY, reverse=True)
        here = risk.Circumstances(
            visit.ip, visit.user_agent, self._records.clock.now(), self.lockout.recent(visit.pool.id, user.key.lower())
        )
        skipped = risk.within(visit.ip, exceptions.get("SkippedIPRangeList", ()))
        level = "" if skipped else risk.level(history, here)
        attempt.risk = level or "None"
        await self._act(visit, attempt, user, level, risk.action(configuration, level), configuration)

    async def _act(
        self,
        visit: Visit,
        attempt: Attempt,
        user: User,
        level: str,
        action: Mapping[str, Any],
        configuration: Mapping[str, Any],
    ) -> None:
        from forecourt.services.cognito.auth.steps import configured_factors, default_factors

        decided = action.get("EventAction", "NO_ACTION")
        factors = configured_factors(visit.pool, user) or default_factors(visit.pool, user)
        block = decided == "BLOCK" or (decided == "MFA_REQUIRED" and not factors)
        if action.get("Notify"):
            attempt.event_id = self._records.ids.uuid()
            self._notify(visit, user, "BlockEmail" if block else _NOTICE[decided], configuration, attempt.event_id)
        if mode(visit.pool, attempt.flow) != "ENFORCED" or not level:
            return
        if block:
            event = msgspec.structs.replace(
                self._event(visit, user, "SignIn", "Fail", attempt.event_id), risk_level=level, risk_decision="Block"
            )
            await self._keep(visit.pool, user, event)
            raise errors.NotAuthorizedException(BLOCKED)
        attempt.mfa_demanded = decided in ("MFA_REQUIRED", "MFA_IF_CONFIGURED") and bool(factors)

    async def configuration(self, pool: Pool, client_id: str) -> Mapping[str, Any]:
        """The client's own risk configuration, or the pool's."""
        own = await self._records.store.get(RiskConfiguration, pool.id, client_id)
        found = own or await self._records.store.get(RiskConfiguration, pool.id, "ALL")
        return found.settings if found else {}

    # History ----------------------------------------------------------------------------------------------------

    def record_success(self, tx: Tx, visit: Visit, user: User, attempt: Attempt, event_id: str) -> AuthEvent | None:
        if mode(visit.pool) == "OFF":
            return None
        event = self._event(visit, user, "SignIn", "Pass", attempt.event_id or event_id)
        event.compromised = attempt.compromised
        if attempt.risk in risk.LEVELS[1:]:
            event.risk_level, event.risk_decision = attempt.risk, "AccountTakeover"
        names = ["Password", *("Mfa" for factor in attempt.passed if factor.endswith(("MFA", "OTP")))]
        event.challenges = [{"ChallengeName": name, "ChallengeResponse": "Success"} for name in names]
        tx.put(event)
        return event

    async def record(self, visit: Visit, user: User, event_type: str, compromised: bool | None = None) -> None:
        """Another event than a sign-in: SignUp, PasswordChange."""
        if mode(visit.pool) != "OFF":
            event = self._event(visit, user, event_type, "Pass")
            event.compromised = compromised
            await self._keep(visit.pool, user, event)

    async def _keep(self, pool: Pool, user: User, event: AuthEvent) -> None:
        await self._records.store.write(lambda tx: tx.put(event))
        self.delivery.deliver(pool, user, event)

    def record_unseen(self, visit: Visit, user: User, event_type: str, response: str) -> None:
        """As `record`, not waited for: how long the answer takes must not tell that there is such a user."""
        if mode(visit.pool) != "OFF":
            self._later(visit.pool, user, self._event(visit, user, event_type, response))

    def _event(self, visit: Visit, user: User, event_type: str, response: str, event_id: str = "") -> AuthEvent:
        now = self._records.clock.now()
        event_id = event_id or self._records.ids.uuid()
        return AuthEvent(
            pool_id=user.pool_id,
            user_key=user.key,
            id=f"{int(now * 1000):015d}-{event_id}",
            event_id=event_id,
            type=event_type,
            created_at=now,
            expires_at=now + _KEPT_SECONDS,
            response=response,
            ip=visit.ip,
            device_name=visit.user_agent,
        )

    def _notify(self, visit: Visit, user: User, kind: str, configuration: Mapping[str, Any], event_id: str) -> None:
        to = user.attributes.get("email")
        if not to:
            return
        takeover = configuration.get("AccountTakeoverRiskConfiguration", {})
        notify = takeover.get("NotifyConfiguration", {})
        own = notify.get(kind, {})
        subject, body = _DEFAULT_NOTICES[kind]
        plain = html.escape(own.get("TextBody", body))
        text = messages.fill(own.get("HtmlBody", plain), code="", username=user.username, markup=True)
        for placeholder, value in self._of_event(visit, user, event_id).items():
            text = text.replace(placeholder, html.escape(value))
        sender = {"sender": notify.get("From", ""), "reply_to": notify.get("ReplyTo", "")}
        self._notifier.notify(visit.occasion, user, Message("EMAIL", to, own.get("Subject", subject), text, **sender))

    def _of_event(self, visit: Visit, user: User, event_id: str) -> dict[str, str]:
        """What a notice's template may name of the event. Where an address lies on the map is not known here."""
        token = feedback.new_token(self._records, user, event_id)
        links = {
            f"{{one-click-link-{value.lower()}}}": self._notifier.page(
                user.pool_id, "feedback", {"token": token, "value": value}
            )
            for value in feedback.VALUES
        }
        moment = datetime.fromtimestamp(self._records.clock.now(), UTC).isoformat(timespec="seconds")
        unknown = {"{city}": "", "{country}": ""}
        return {
            "{ip-address}": visit.ip, "{device-name}": visit.user_agent, "{login-time}": moment, **unknown, **links
        }  # fmt: skip


_NOTICE = {"MFA_REQUIRED": "MfaEmail", "MFA_IF_CONFIGURED": "MfaEmail", "NO_ACTION": "NoActionEmail"}


def mode(pool: Pool, flow: str = "") -> str:
    """Flows of the pool's own functions are judged only where the pool says so."""
    add_ons = pool.settings.get("UserPoolAddOns", {})
    if flow == "CUSTOM_AUTH":
        return str(add_ons.get("AdvancedSecurityAdditionalFlows", {}).get("CustomAuthMode", "OFF"))
    return str(add_ons.get("AdvancedSecurityMode", "OFF"))
