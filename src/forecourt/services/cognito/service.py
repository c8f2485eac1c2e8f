"""User pools as the composition root sees them: the API's handlers, the hosted pages and the token port.

pools = UserPools(store=…, sealer=…, caller=…, clock=…, ids=…, public_url="http://localhost:4566")
dispatcher.register("cognito-idp", operations(*pools.apis))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from forecourt.base.asgi import Receive, Scope, Send
from forecourt.base.call import CallContext, Caller, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import LogSink, MetricSink
from forecourt.services.cognito import tokens
from forecourt.services.cognito.auth.api import AuthApi
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.codes import Codes
from forecourt.services.cognito.courier import Courier, Mailbox
from forecourt.services.cognito.credentials import Passwords
from forecourt.services.cognito.hashing import Hashing
from forecourt.services.cognito.hosted_ui.app import HostedApp
from forecourt.services.cognito.issuer import Issuer
from forecourt.services.cognito.messenger import Messenger
from forecourt.services.cognito.pools.appearance import AppearanceApi
from forecourt.services.cognito.pools.clients import ClientsApi
from forecourt.services.cognito.pools.domains import DomainsApi
from forecourt.services.cognito.pools.groups import GroupsApi
from forecourt.services.cognito.pools.imports import ImportsApi
from forecourt.services.cognito.pools.mfa_config import MfaConfigApi
from forecourt.services.cognito.pools.pools import PoolsApi
from forecourt.services.cognito.pools.protection import ProtectionApi
from forecourt.services.cognito.pools.session_settings import SessionSettingsApi
from forecourt.services.cognito.quotas import DEFAULT_RATES, Home, Quotas
from forecourt.services.cognito.resource_quotas import ResourceQuotas
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.sweeper import Sweeper
from forecourt.services.cognito.threat import Threat
from forecourt.services.cognito.threat.delivery import Delivery
from forecourt.services.cognito.triggers import Triggers
from forecourt.services.cognito.turns import Turns
from forecourt.services.cognito.users.admin import AdminUsersApi
from forecourt.services.cognito.users.attributes import Attributes
from forecourt.services.cognito.users.bearer import Bearers
from forecourt.services.cognito.users.devices import Devices
from forecourt.services.cognito.users.own import OwnAccountApi
from forecourt.services.cognito.users.passkeys import PasskeysApi
from forecourt.services.cognito.users.recovery import RecoveryApi
from forecourt.services.cognito.users.sign_up import SignUpApi
from forecourt.services.cognito.verifier import PoolTokenVerifier
from forecourt.store import Store
from forecourt.store.sealing import Sealer

# Hosts by which the AWS API is called: an address, AWS's names, this machine.
_NEVER_OURS = re.compile(r"\.(\d+|localhost|amazonaws\.com(\.cn)?|on\.aws)$")


class UserPools:
    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        caller: Caller,
        clock: Clock,
        ids: Ids,
        metrics: MetricSink | None = None,
        logs: LogSink | None = None,
        public_url: str,
        token_issuer: str = "public",
        smtp_url: str = "",
        mail_from: str = "no-reply@verificationemail.com",
        sms_webhook: str = "",
        enforce_quotas: bool = False,
        quotas: Mapping[str, int] | None = None,
        compromised_password_range_url: str = "",
    ) -> None:
        public_url = public_url.rstrip("/")
        self._public_host = urlsplit(public_url).hostname or ""
        rates, resources = _split(quotas or {})
        self.records = Records(store, sealer, clock, ids, resources)
        self._hashing = Hashing()
        delivery = Delivery(self.records, logs, caller, ids)
        self.courier = Courier(
            clock=clock, failed=delivery.not_delivered, smtp_url=smtp_url, mail_from=mail_from, sms_webhook=sms_webhook
        )
        triggers = Triggers(caller)
        turns = Turns()
        self.issuer = Issuer(self.records, triggers, clock, ids, turns, public_url, token_issuer)
        self._messenger = messenger = Messenger(
            self.records, triggers, self.courier, delivery.not_delivered, public_url
        )
        self.kit = Kit(
            records=self.records,
            passwords=Passwords(self.records, self._hashing, turns),
            triggers=triggers,
            messenger=messenger,
            issuer=self.issuer,
            threat=Threat(self.records, messenger, delivery, compromised_password_range_url),
            device_attempts={},
        )
        codes = Codes(self.records)
        bearers = Bearers(self.records, self.issuer)
        attributes = Attributes(self.records, codes, messenger)
        devices = Devices(self.records, self.kit.passwords)
        sign_up = SignUpApi(self.kit, codes)
        recovery = RecoveryApi(self.kit, codes, bearers, sign_up)
        own = OwnAccountApi(self.kit, bearers, attributes, devices)
        passkeys = PasskeysApi(self.kit, bearers)
        request_quotas = Quotas(clock, rates)
        self._imports = imports = ImportsApi(self.kit, logs, public_url)
        self._pools = PoolsApi(self.records, self._hashing)
        self.apis: tuple[object, ...] = (
            self._pools,
            MfaConfigApi(self.records),
            ClientsApi(self.records),
            DomainsApi(self.records),
            GroupsApi(self.records),
            AppearanceApi(self.records),
            ProtectionApi(self.records, request_quotas),
            SessionSettingsApi(self.records),
            imports,
            AuthApi(self.kit),
            sign_up,
            recovery,
            own,
            passkeys,
            AdminUsersApi(self.kit, attributes, devices, sign_up, recovery),
        )
        if enforce_quotas:
            _guard(self.apis, request_quotas, self._home)
        self.verifier = PoolTokenVerifier(bearers, self.records, self.issuer)
        self._hosted = HostedApp(
            kit=self.kit,
            bearers=bearers,
            sign_up=sign_up,
            recovery=recovery,
            passkeys=passkeys,
            imports=imports,
            quotas=request_quotas if enforce_quotas else None,
        )
        self.sweeper = Sweeper(self.records)

    @property
    def mailbox(self) -> Mailbox:
        """What the local mailbox holds: `mailbox.messages()`."""
        return self.courier.mailbox

    def owns(self, host: str) -> bool:
        """Whether a host name is a pool's custom domain. One account's domain takes the AWS API from no other."""
        return host in self.records.custom_domains and host != self._public_host and not _NEVER_OURS.search(host)

    async def serve(self, domain: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """The OAuth endpoints and pages of a pool, found by its domain or its id."""
        await self._hosted.serve(domain, raw_path, scope, receive, send)

    async def well_known(self, pool_id: str, raw_path: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """The key set and the discovery document."""
        await self._hosted.well_known(pool_id, raw_path, scope, receive, send)

    async def rotate_key(self, pool_id: str) -> str:
        """A new signing key for a pool, wherever it is. Returns the key's id. Raises where there is no such pool."""
        return await self._pools.rotate_key(pool_id)

    async def start(self) -> None:
        self.sweeper.start()
        await self.records.load_domains()
        await self.kit.threat.start()
        await self._imports.resume()

    async def stop(self) -> None:
        await self.sweeper.stop()
        await self._messenger.stop()
        await self.courier.stop()
        await self.kit.threat.stop()
        self._hashing.close()

    async def reset(self) -> None:
        """The store was emptied."""
        self.records.forget()
        self.kit.device_attempts.clear()
        self.kit.threat.forget()
        self.mailbox.clear()

    async def _home(self, context: CallContext, request: Mapping[str, Any]) -> tuple[str, str]:
        """The account and region of the pool that is called. A call without a signature may name any region."""
        client = await self.records.find_client(str(request["ClientId"])) if "ClientId" in request else None
        pool_id = client.pool_id if client else _claimed_pool(str(request.get("AccessToken", "")))
        pool = await self.records.find_pool(pool_id) if pool_id else None
        return (pool.account, pool.region) if pool else (context.account, context.region)


def _split(quotas: Mapping[str, int]) -> tuple[dict[str, int], ResourceQuotas]:
    """Request rates, and how many there may be of a thing."""
    rates = {name: value for name, value in quotas.items() if name in DEFAULT_RATES}
    return rates, ResourceQuotas(**{name: value for name, value in quotas.items() if name not in rates})


def _claimed_pool(token: str) -> str:
    try:
        return str(tokens.peek(token).get("iss", "")).rsplit("/", 1)[-1]
    except tokens.InvalidToken:
        return ""


def _guard(apis: tuple[object, ...], quotas: Quotas, home: Home) -> None:
    """Puts the quotas before every handler, where they are on."""
    for api in apis:
        for name, handler in operations(api).items():
            for attribute in dir(type(api)):
                if getattr(getattr(type(api), attribute), "__aws_operation__", None) == name:
                    setattr(api, attribute, quotas.guard(name, handler, home))
