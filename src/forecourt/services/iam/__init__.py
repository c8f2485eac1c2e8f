"""IAM and STS: who there is, what they may do, and credentials for a while.

iam = Iam(store=…, sessions=…, …)
iam.credential_source      # auth.authenticate.CredentialSource
iam.caller_policies        # auth.supplies.IdentityPolicies
iam.role_sessions          # base.ports.RoleSessions and WebIdentitySessions
iam.encode_denial          # auth.supplies.EncodeDenial
iam.unknown                # auth.stored_policies.Unknown
iam.accesses.note          # dispatch.NoteAccess
iam.policy_dates           # auth.supplies.GivenSince, auth.stored_policies.Dates
iam.apis, iam.sts_apis     # the operations
"""

from __future__ import annotations

from collections.abc import Sequence

from forecourt.auth.issuer_keys import Fetch
from forecourt.auth.sessions import LONG_TERM, Sessions
from forecourt.auth.supplies import Mode
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import TokenVerifier
from forecourt.base.principal import DEFAULT_ACCOUNT
from forecourt.services.iam.accesses import Accesses
from forecourt.services.iam.api.account import AccountApi
from forecourt.services.iam.api.advisor import AccessAdvisorApi
from forecourt.services.iam.api.certificates import ServerCertificatesApi, SigningCertificatesApi
from forecourt.services.iam.api.groups import GroupsApi
from forecourt.services.iam.api.keys import AccessKeysApi, purpose
from forecourt.services.iam.api.kit import Kit
from forecourt.services.iam.api.managed import ManagedPoliciesApi
from forecourt.services.iam.api.mfa import MfaApi
from forecourt.services.iam.api.policies_of import PoliciesOfApi
from forecourt.services.iam.api.providers import OidcProvidersApi, SamlProvidersApi
from forecourt.services.iam.api.roles import RolesApi
from forecourt.services.iam.api.service_credentials import ServiceCredentialsApi
from forecourt.services.iam.api.simulate import SimulationApi
from forecourt.services.iam.api.ssh_keys import SshKeysApi
from forecourt.services.iam.api.tags import TagsApi
from forecourt.services.iam.api.users import UsersApi
from forecourt.services.iam.grants import AccessKeys, CallerPolicies
from forecourt.services.iam.key_uses import KeyUses
from forecourt.services.iam.model import AccessKey
from forecourt.services.iam.policy_dates import PolicyDates
from forecourt.services.iam.role_sessions import RoleSessions
from forecourt.services.iam.store import Directory
from forecourt.services.iam.sts import StsApi
from forecourt.services.iam.web_identity import WebIdentities
from forecourt.services.iam.whole_arns import WholeArns
from forecourt.store import Store
from forecourt.store.sealing import Sealer


class Iam:
    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        sessions: Sessions,
        clock: Clock,
        ids: Ids,
        mode: Mode,
        token_verifiers: Sequence[TokenVerifier] = (),
        fetch: Fetch | None = None,
    ) -> None:
        """`token_verifiers` may be a list that is filled later: user pools and identity pools come after IAM."""
        directory = Directory(store)
        self._uses = KeyUses(store, clock)
        self._kit = kit = Kit(directory, clock, ids, sealer, sessions, self._uses)
        self.caller_policies = policies = CallerPolicies(directory)
        self.credential_source = AccessKeys(directory, sealer, self._uses)
        self.unknown = directory.unknown
        self.policy_dates = PolicyDates(store, clock)
        self.whole_arns = WholeArns(directory)
        self.accesses = Accesses(store, clock)
        self.role_sessions = roles = RoleSessions(
            directory=directory, policies=policies, sessions=sessions, clock=clock, mode=mode
        )
        self.web_identities = WebIdentities(store, token_verifiers, clock, fetch)
        self.apis: tuple[object, ...] = (
            UsersApi(kit),
            GroupsApi(kit),
            RolesApi(kit, mode),
            PoliciesOfApi(kit),
            ManagedPoliciesApi(kit),
            AccessKeysApi(kit),
            SshKeysApi(kit),
            ServiceCredentialsApi(kit),
            SigningCertificatesApi(kit),
            ServerCertificatesApi(kit),
            OidcProvidersApi(kit),
            SamlProvidersApi(kit),
            MfaApi(kit),
            TagsApi(kit),
            AccountApi(kit),
            SimulationApi(kit, policies),
            AccessAdvisorApi(kit, self.accesses),
        )
        sts = StsApi(kit, roles, self.web_identities, mode)
        self.sts_apis: tuple[object, ...] = (sts,)
        self.encode_denial = sts.encode_authorization_message

    async def start(self) -> None:
        self._uses.start()
        self.accesses.start()

    async def stop(self) -> None:
        await self._uses.stop()
        await self.accesses.stop()

    async def reset(self) -> None:
        self.caller_policies.forget()
        self.credential_source.forget()
        self._uses.forget()
        self.accesses.forget()

    async def first_administrator(self, given: tuple[str, str] | None = None) -> tuple[str, str] | None:
        """Makes the root's access key at the first start: id and secret, to be shown once. None where there is one.

        `given` by the settings, the key is that one, and there is nothing to show.
        """
        if given is not None:
            await self._keep_root_key(*given)
            return None
        if await self._kit.directory.store.find(AccessKey, "by_user", DEFAULT_ACCOUNT, "", limit=1):
            return None
        made = self._kit.sessions.key_ids.make(LONG_TERM, DEFAULT_ACCOUNT, self._kit.ids), self._kit.ids.alnum(40)
        await self._keep_root_key(*made)
        return made

    async def _keep_root_key(self, id: str, secret: str) -> None:
        kit = self._kit
        key = AccessKey(
            id=id,
            account=DEFAULT_ACCOUNT,
            user="",
            sealed_secret=kit.sealer.seal(secret.encode(), purpose(id)),
            created_at=kit.clock.now(),
        )
        await kit.directory.store.write(lambda tx: tx.put(key))
