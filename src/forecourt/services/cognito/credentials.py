"""Setting and checking passwords: the argon2id hash always, the SRP verifier only where a client of the pool uses SRP.

What is slow (hashing) happens before the transaction, which then only puts the results in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forecourt.services.cognito import errors, passwords, srp
from forecourt.services.cognito.hashing import Hashing
from forecourt.services.cognito.model import Client, Pool, User
from forecourt.services.cognito.store import Records
from forecourt.services.cognito.turns import Turns

_SRP_PURPOSE = "cognito.srp-verifier"
_DEFAULT_FLOWS = ("ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH")
_SRP_FLOWS = {"ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH", "ALLOW_CUSTOM_AUTH", "CUSTOM_AUTH_FLOW_ONLY"}
DAY = 86400


class NewPassword(msgspec.Struct, frozen=True):
    hash: str
    srp_verifier: bytes


def allowed_flows(client_settings: Mapping[str, Any]) -> set[str]:
    """The client's ExplicitAuthFlows, or AWS's default; names from before `ALLOW_` mean the same."""
    old = {"ADMIN_NO_SRP_AUTH": "ALLOW_ADMIN_USER_PASSWORD_AUTH", "USER_PASSWORD_AUTH": "ALLOW_USER_PASSWORD_AUTH"}
    given = client_settings.get("ExplicitAuthFlows") or _DEFAULT_FLOWS
    flows = {old.get(flow, flow) for flow in given}
    if any(not flow.startswith("ALLOW_") or flow in old for flow in given):
        # Before `ALLOW_` existed SRP and refresh needed no permission; CUSTOM_AUTH_FLOW_ONLY took SRP away.
        flows |= {"ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_CUSTOM_AUTH"}
        flows |= set() if "CUSTOM_AUTH_FLOW_ONLY" in flows else {"ALLOW_USER_SRP_AUTH"}
    return flows


class Passwords:
    def __init__(self, records: Records, hashing: Hashing, turns: Turns) -> None:
        self._records = records
        self.hashing = hashing
        self.turns = turns

    async def prepare(self, pool: Pool, username: str, password: str) -> NewPassword:
        """The slow part of setting a password that already passed the policy."""
        verifier = await self.verifier(pool, username, password) if await self.uses_srp(pool) else b""
        return NewPassword(await self.hashing.hash(password), verifier)

    async def uses_srp(self, pool: Pool) -> bool:
        """Whether a client allows SRP; a pool without clients may yet get one that does."""
        clients = await self._records.store.list(Client, pool.id, limit=100)
        return not clients or any(allowed_flows(client.settings) & _SRP_FLOWS for client in clients)

    async def verifier(self, pool: Pool, username: str, password: str) -> bytes:
        salt = srp.new_salt(self._records.ids.bytes(srp.SALT_BYTES))
        verifier = await self.turns.take(srp.make_verifier, pool.short_name, username, password, salt)
        return self._records.sealer.seal(verifier.encode(), _SRP_PURPOSE)

    def open_verifier(self, sealed: bytes) -> srp.Verifier:
        return srp.Verifier.decode(self._records.sealer.open(sealed, _SRP_PURPOSE))

    def seal_verifier(self, verifier: srp.Verifier) -> bytes:
        return self._records.sealer.seal(verifier.encode(), _SRP_PURPOSE)

    async def check_new(self, pool: Pool, password: str, user: User | None = None) -> None:
        """The policy, then the history: checking a password against twenty old ones is slow and off the loop."""
        passwords.check(pool.password_policy, password)
        size = pool.password_policy.get("PasswordHistorySize", 0)
        for old in user.password_history[-size:] if user and size else ():
            if await self.hashing.matches(old, password):
                raise errors.PasswordHistoryPolicyViolationException("Password has previously been used")

    async def matches(self, user: User | None, password: str) -> bool:
        """Takes as long for nobody as for somebody."""
        return await self.hashing.matches(user.password_hash if user else "", password)

    def put(self, pool: Pool, user: User, new: NewPassword, *, temporary: bool = False) -> None:
        """In place, within the transaction."""
        user.password_hash = new.hash
        user.srp_verifier = new.srp_verifier
        user.password_history = [*user.password_history, new.hash][-24:]
        days = pool.password_policy.get("TemporaryPasswordValidityDays", 7)
        user.password_expires_at = self._records.clock.now() + days * DAY if temporary else None
