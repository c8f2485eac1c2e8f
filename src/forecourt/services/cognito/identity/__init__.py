"""Identity pools: from a login elsewhere, or none, to temporary AWS credentials.

    pools = IdentityPools(store=…, sealer=…, caller=…, sessions=…, clock=…, ids=…, token_verifiers=[…])
    pools.apis      # the operations of `cognito-identity`
    pools.tokens    # base.ports.TokenVerifier for STS: the classic flow

Read on in `logins` (what is believed of a token), `roles` (which role follows from it) and `api/`.
"""

from __future__ import annotations

from collections.abc import Sequence

from forecourt.auth.issuer_keys import Fetch, IssuerKeys, fetch_json
from forecourt.base.call import Caller
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import TokenVerifier, WebIdentitySessions
from forecourt.services.cognito.identity.api.developers import DevelopersApi
from forecourt.services.cognito.identity.api.identities import IdentitiesApi
from forecourt.services.cognito.identity.api.pools import PoolsApi
from forecourt.services.cognito.identity.logins import Logins
from forecourt.services.cognito.identity.records import Records
from forecourt.services.cognito.identity.tokens import OpenIdTokens
from forecourt.store import Store
from forecourt.store.sealing import Sealer

__all__ = ["IdentityPools"]


class IdentityPools:
    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        caller: Caller,
        sessions: WebIdentitySessions,
        clock: Clock,
        ids: Ids,
        token_verifiers: Sequence[TokenVerifier],
        fetch: Fetch | None = None,
    ) -> None:
        """`sessions` is IAM's `role_sessions`; `token_verifiers` may be filled later."""
        records = Records(store)
        self.tokens = tokens = OpenIdTokens(store, sealer, clock)
        logins = Logins(token_verifiers, IssuerKeys(clock, fetch or fetch_json), caller, clock)
        self.apis: tuple[object, ...] = (
            PoolsApi(records, clock, ids),
            IdentitiesApi(records, logins, tokens, sessions, clock, ids),
            DevelopersApi(records, logins, tokens, clock, ids),
        )

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def reset(self) -> None:
        self.tokens.forget()
