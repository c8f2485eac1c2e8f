"""The composition root: `Settings` -> a running process. The only module that imports every service.

Read `Application.__init__` top to bottom: what is made first is used by what is made later, and the services know one
another only through the dispatcher.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from forecourt import __version__, wire
from forecourt.auth.actions import describe
from forecourt.auth.authenticate import Authenticator
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.encryption import Encryption
from forecourt.auth.explain import explain, principal_of
from forecourt.auth.lookups import Lookups
from forecourt.auth.sessions import Sessions
from forecourt.auth.stored_policies import StoredPolicies
from forecourt.base.call import CallContext, Demand, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import TokenVerifier
from forecourt.dispatch import Dispatcher
from forecourt.edge.aws import AwsApi
from forecourt.edge.http1 import Server
from forecourt.edge.internal import InternalAws
from forecourt.edge.listen import PortTaken, check_port
from forecourt.edge.own import OwnPages, Question
from forecourt.edge.router import Router
from forecourt.scratch import Scratch
from forecourt.services.apigateway.http.control import HttpControlPlane
from forecourt.services.apigateway.limits import ACCOUNT_LIMIT, Limit
from forecourt.services.apigateway.rest.control import RestControlPlane
from forecourt.services.apigateway.rest.quotas import Quotas
from forecourt.services.apigateway.rest.usage import CountedUsage
from forecourt.services.apigateway.service import ApiGateway
from forecourt.services.backing.backing import Backing, Keep
from forecourt.services.cloudformation import CloudFormation
from forecourt.services.cloudwatch import CloudWatch
from forecourt.services.cognito import UserPools
from forecourt.services.cognito.identity import IdentityPools
from forecourt.services.cognito.quotas import DEFAULT_RATES
from forecourt.services.cognito.resource_quotas import ResourceQuotas
from forecourt.services.functions import Functions, Limits
from forecourt.services.iam import Iam
from forecourt.services.logs import Logs
from forecourt.services.stepfunctions import StepFunctions
from forecourt.services.stepfunctions.integrations.mocks import BadMocks, Mocks
from forecourt.settings import Settings, load
from forecourt.store import Document, StoreUnavailable, open_store
from forecourt.store.blobs import Blobs
from forecourt.store.key_proof import check_key
from forecourt.store.sealing import COMMAND_VARIABLE, VARIABLE, Sealer, load_master_key
from forecourt.telemetry.log_store import LogStore
from forecourt.telemetry.metrics import Metrics
from forecourt.telemetry.prometheus import exposition
from forecourt.wire.index import index
from forecourt.wire.models import model

_log = logging.getLogger("forecourt")

# A clock offset is kept in the store: tokens and histories assume that time does not run backwards.
_CLOCK = "clock"


class CannotStart(Exception):
    """Forecourt cannot start here. The message says why and what to do."""


class ClockOffset(Document):
    __kind__ = "forecourt.ClockOffset"
    __key__ = ("name",)

    name: str
    seconds: float


class Service(Protocol):
    """What the composition root asks of a service."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def reset(self) -> None: ...


class Application:
    def __init__(self, settings: Settings) -> None:
        """Raises `CannotStart`."""
        self.settings = settings
        self.ready = False
        self.new_administrator: tuple[str, str] | None = None
        self._clock = Clock()
        self._ids = Ids()
        self._scratch = Scratch()
        try:
            self._store = open_store(settings.data_folder, self._clock)
            master_key = load_master_key(settings.data_folder, _key_source(settings))
            self._blobs = Blobs(self._folder / "blobs")
        except StoreUnavailable as error:
            self._scratch.remove()
            raise CannotStart(error.message) from error
        self._sealer = Sealer(master_key)
        self._metrics = Metrics(self._clock)
        self._log_events = LogStore(None if settings.ephemeral else self._folder / "logs", self._clock)
        self._sessions = Sessions(master_key, self._ids)
        # Started in this order, stopped in the opposite one
        self._services: list[Service] = []
        # User pools and identity pools vouch for their tokens to IAM, which is made before them.
        self._verifiers: list[TokenVerifier] = []
        self._iam = self._make_iam()
        self._authorizer = PolicyAuthorizer(
            identities=self._iam.caller_policies,
            clock=self._clock,
            mode=settings.iam_mode,
            encode=self._iam.encode_denial,
        )
        self.dispatcher = Dispatcher(self._authorizer, _demands, wire.check, self._metrics)
        # What the policy engine asks of services: resource policies, whole ARNs, leading keys
        self._lookups = Lookups(self.dispatcher)
        self._lookups.register(self._authorizer)
        self.dispatcher.watch(self._lookups.changed)
        self.dispatcher.note_access(self._iam.accesses.note)
        enforced = settings.iam_mode == "enforce"
        stored = StoredPolicies(self._iam.policy_dates, self._iam.unknown if enforced else None)
        self.dispatcher.inspect(stored.operations, stored.inspect)
        encryption = Encryption(self._lookups.ask, self._authorizer)
        self.dispatcher.inspect(encryption.operations, encryption.inspect)
        self._authorizer.register_policy_dates(self._iam.policy_dates.since)
        self._authorizer.register_finish("iam", self._iam.whole_arns.finish)
        self._add(self._iam, {"iam": self._iam.apis, "sts": self._iam.sts_apis})
        self._add_telemetry()
        self._backing = self._add_backing()
        self._functions = self._add_functions()
        self._pools = self._add_user_pools()
        self._add_identity_pools()
        self._apis = self._add_api_gateway()
        self._add_step_functions()
        self._stacks = self._add_cloudformation()
        self._check_backing()
        self._router = self._make_router()
        self._server = Server(self._router, settings.host, settings.port, settings.client_timeout)

    @property
    def _folder(self) -> Path:
        """The data folder, or one that goes with the process."""
        return self.settings.data_folder or self._scratch.folder

    def _add(self, service: Service, apis: Mapping[str, Sequence[object]]) -> None:
        """`apis` holds, by botocore's name of a service, the objects whose methods answer its operations."""
        for name, objects in apis.items():
            self.dispatcher.register(name, operations(*objects))
        self._services.append(service)

    def _make_iam(self) -> Iam:
        return Iam(
            store=self._store,
            sealer=self._sealer,
            sessions=self._sessions,
            clock=self._clock,
            ids=self._ids,
            mode=self.settings.iam_mode,
            token_verifiers=self._verifiers,
        )

    def _add_telemetry(self) -> None:
        logs = Logs(
            store=self._store,
            events=self._log_events,
            metrics=self._metrics,
            caller=self.dispatcher,
            roles=self._iam.role_sessions,
            clock=self._clock,
            ids=self._ids,
        )
        self._add(logs, {"logs": logs.apis})
        cloudwatch = CloudWatch(
            store=self._store, metrics=self._metrics, caller=self.dispatcher, clock=self._clock, ids=self._ids
        )
        self._add(cloudwatch, {"cloudwatch": cloudwatch.apis})

    def _check_backing(self) -> None:
        """Raises `CannotStart`: an endpoint for nobody would never be asked."""
        for name in self.settings.backing:
            if name not in index().by_name:
                raise CannotStart(f"--backing names {name}, but AWS has no such service. boto3's names are meant.")
            if self.dispatcher.owns(name):
                raise CannotStart(f"--backing names {name}, but that is a service of Forecourt's own.")

    def _add_backing(self) -> Backing:
        keep = None if self.settings.ephemeral else Keep(self._store, self._blobs, self._sealer)
        backing = Backing(
            clock=self._clock,
            keep=keep,
            endpoints=self.settings.backing,
            caller=self.dispatcher,
            roles=self._iam.role_sessions,
            ids=self._ids,
            mode=self.settings.iam_mode,
        )
        self.dispatcher.register_backing(backing)
        self._add(backing, {})
        return backing

    def _add_functions(self) -> Functions:
        functions = Functions(
            store=self._store,
            blobs=self._blobs,
            sealer=self._sealer,
            caller=self.dispatcher,
            roles=self._iam.role_sessions,
            clock=self._clock,
            ids=self._ids,
            logs=self._log_events,
            metrics=self._metrics,
            work_dir=self._folder / "work",
            endpoint_url=self.settings.local_url,
            concurrency=self.settings.lambda_concurrency,
            limits=Limits(idle_seconds=self.settings.lambda_idle_seconds),
        )
        self._add(functions, {"lambda": functions.apis})
        return functions

    def _add_user_pools(self) -> UserPools:
        settings = self.settings
        pools = UserPools(
            store=self._store,
            sealer=self._sealer,
            caller=self.dispatcher,
            clock=self._clock,
            ids=self._ids,
            metrics=self._metrics,
            logs=self._log_events,
            public_url=settings.base_url,
            token_issuer=settings.token_issuer,
            smtp_url=settings.smtp_url,
            mail_from=settings.mail_from,
            sms_webhook=settings.sms_webhook,
            enforce_quotas=settings.cognito_quotas_apply,
            quotas=_quotas_of(settings, "cognito"),
            compromised_password_range_url=settings.password_range_url,
        )
        self._verifiers.append(pools.verifier)
        self._add(pools, {"cognito-idp": pools.apis})
        return pools

    def _add_identity_pools(self) -> None:
        identities = IdentityPools(
            store=self._store,
            sealer=self._sealer,
            caller=self.dispatcher,
            sessions=self._iam.role_sessions,
            clock=self._clock,
            ids=self._ids,
            token_verifiers=self._verifiers,
        )
        self._verifiers.append(identities.tokens)
        self._add(identities, {"cognito-identity": identities.apis})

    def _add_api_gateway(self) -> ApiGateway:
        quotas = _quotas(self.settings)
        apis = ApiGateway(
            store=self._store,
            caller=self.dispatcher,
            clock=self._clock,
            ids=self._ids,
            logs=self._log_events,
            metrics=self._metrics,
            roles=self._iam.role_sessions,
            tokens=self._pools.verifier,
            authenticator=self._make_authenticator(),
            authorizer=self._authorizer,
            aws=InternalAws(dispatcher=self.dispatcher, backing=self._backing),
            sealer=self._sealer,
            account_limit=_account_limit(self.settings),
            quotas=quotas,
        )
        rest = RestControlPlane(
            store=self._store,
            clock=self._clock,
            ids=self._ids,
            caller=self.dispatcher,
            sealer=self._sealer,
            tester=apis.tester,
            usage=CountedUsage(apis.usage),
            caches=apis,
            quotas=quotas,
        )
        http = HttpControlPlane(
            store=self._store, clock=self._clock, ids=self._ids, caches=apis, issuers=apis, quotas=quotas
        )
        self._add(apis, {"apigateway": rest.apis, "apigatewayv2": http.apis})
        return apis

    def _add_step_functions(self) -> None:
        machines = StepFunctions(
            store=self._store,
            caller=self.dispatcher,
            clock=self._clock,
            ids=self._ids,
            logs=self._log_events,
            metrics=self._metrics,
            roles=self._iam.role_sessions,
            authorizer=self._authorizer,
            api_url=self.settings.local_url,
            mocks=_mocks(self.settings.mock_config),
        )
        self._add(machines, {"stepfunctions": machines.apis})

    def _add_cloudformation(self) -> CloudFormation:
        stacks = CloudFormation(
            store=self._store,
            sealer=self._sealer,
            caller=self.dispatcher,
            roles=self._iam.role_sessions,
            clock=self._clock,
            ids=self._ids,
        )
        self._add(stacks, {"cloudformation": stacks.apis})
        return stacks

    def _make_router(self) -> Router:
        settings = self.settings
        authenticator = self._make_authenticator()
        aws = AwsApi(
            dispatcher=self.dispatcher,
            backing=self._backing,
            authenticator=authenticator,
            public_url=settings.base_url,
            body_timeout_seconds=settings.client_timeout,
        )
        own = OwnPages(self, self._clock, on_loopback=settings.on_loopback, ephemeral=settings.ephemeral)
        return Router(
            aws=aws,
            apis=self._apis,
            function_urls=self._functions.urls(authenticator, self._authorizer),
            hosted_ui=self._pools,
            stacks=self._stacks,
            own=own,
            ids=self._ids,
            api_header_bytes=_quotas(settings).header_bytes,
        )

    def _make_authenticator(self) -> Authenticator:
        return Authenticator(
            source=self._iam.credential_source,
            sessions=self._sessions,
            clock=self._clock,
            trust_unknown=self.settings.iam_mode != "enforce",
        )

    async def start(self) -> None:
        """Returns once everything that is deployed is served. Raises `CannotStart`."""
        try:
            check_port(self.settings.host, self.settings.port)
            await check_key(self._store, self._sealer)
            await self._restore_clock()
            for service in self._services:
                await service.start()
            if self.settings.iam_mode == "enforce":
                self.new_administrator = await self._iam.first_administrator(self._given_administrator())
            await self._server.start()
        except (PortTaken, StoreUnavailable, OSError) as error:
            await self.stop()
            raise CannotStart(str(error)) from error
        self.ready = True
        _log.info("Forecourt %s serves on %s:%d", __version__, self.settings.host, self.settings.port)

    async def stop(self) -> None:
        """No new connections; what is under way gets `drain_seconds` to finish; then everything is closed."""
        self.ready = False
        await self._server.stop()
        await self._drain()
        for service in reversed(self._services):
            try:
                await service.stop()
            except (StoreUnavailable, OSError) as error:
                # A full disk, say: the others are stopped all the same, and what was acknowledged is kept already.
                _log.error("%s could not write what it wanted to at its end: %s", type(service).__name__, error)
        await self._store.close()
        self._scratch.remove()

    def _given_administrator(self) -> tuple[str, str] | None:
        keys = self.settings.root_access_key_id, self.settings.root_secret_access_key
        return keys if all(keys) else None

    async def _drain(self) -> None:
        deadline = time.monotonic() + self.settings.drain_seconds
        while self._server.in_flight and time.monotonic() < deadline:  # noqa: ASYNC110 - once in a process' life, and requests stay lean
            await asyncio.sleep(0.01)
        if self._server.in_flight:
            _log.warning("%d requests were still under way at the end", self._server.in_flight)

    # --- What Forecourt's own pages show and do (`edge.own.Inside`) ---

    async def health(self) -> dict[str, Any]:
        services = dict.fromkeys(self.dispatcher.implemented(), "running")
        return {"status": "running", "version": __version__, "services": services}

    def metrics(self) -> str:
        return exposition(self._metrics)

    async def mailbox(self) -> list[dict[str, Any]]:
        return list(reversed(self._pools.mailbox.messages()))

    async def advance_clock(self, seconds: float) -> None:
        moved = ClockOffset(name=_CLOCK, seconds=self._clock.offset_seconds + seconds)
        await self._store.write(lambda tx: tx.put(moved))
        self._clock.advance(seconds)

    async def explain(self, question: Question) -> dict[str, Any]:
        principal = principal_of(question.principal)
        asked = question.action, question.resource, question.context
        return (await explain(self._authorizer, principal, *asked))._asdict()

    async def rotate_key(self, pool_id: str) -> str:
        return await self._pools.rotate_key(pool_id)

    async def reset(self) -> None:
        await self._store.reset()
        self._metrics.reset()
        self._lookups.forget()
        for service in self._services:
            await service.reset()

    async def _restore_clock(self) -> None:
        moved = await self._store.get(ClockOffset, _CLOCK)
        if moved is not None:
            self._clock.advance(moved.seconds)


def _demands(service: str, operation: str, params: Mapping[str, Any], context: CallContext) -> Sequence[Demand]:
    """What a call needs. AWS asks no policy about an operation that takes no signature."""
    if model(service).operations[operation].unsigned:
        return ()
    return describe(service, operation, params, context)


# Requests per second and burst of an account in a region: quotas of API Gateway that its data plane keeps.
_RATE, _BURST = "throttle_rate", "throttle_burst"


def _known_quotas() -> dict[str, set[str]]:
    """The names of quotas by service, as `--quotas SERVICE.NAME=VALUE` takes them."""
    gateway = {field.name for field in dataclasses.fields(Quotas)}
    return {"apigateway": gateway | {_RATE, _BURST}, "cognito": {*DEFAULT_RATES, *ResourceQuotas.__struct_fields__}}


def _quotas_of(settings: Settings, service: str) -> dict[str, int]:
    """Raises `CannotStart` where a setting names a quota that is not there."""
    known = _known_quotas()
    for name in settings.quotas:
        prefix, _, quota = name.partition(".")
        if quota not in known.get(prefix, ()):
            names = [f"{prefix}.{quota}" for prefix, quotas in known.items() for quota in sorted(quotas)]
            raise CannotStart(f"There is no quota {name}. There are: {', '.join(names)}.")
    return {name.partition(".")[2]: n for name, n in settings.quotas.items() if name.startswith(f"{service}.")}


def _account_limit(settings: Settings) -> Limit:
    given = _quotas_of(settings, "apigateway")
    return Limit(given.get(_RATE, ACCOUNT_LIMIT.rate), given.get(_BURST, ACCOUNT_LIMIT.burst))


def _quotas(settings: Settings) -> Quotas:
    given = _quotas_of(settings, "apigateway")
    return Quotas(**{name: value for name, value in given.items() if name not in (_RATE, _BURST)})


def _mocks(path: str) -> dict[str, Any] | None:
    """The content of Step Functions Local's MockConfigFile.json. Raises `CannotStart`."""
    if not path:
        return None
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=dict[str, Any])
        Mocks(found)
    except (OSError, msgspec.MsgspecError, BadMocks) as error:
        raise CannotStart(f"--mock-config {path} cannot be used: {error}") from error
    return found


def _key_source(settings: Settings) -> dict[str, str]:
    given = {VARIABLE: settings.master_key, COMMAND_VARIABLE: settings.master_key_command}
    return {name: value for name, value in given.items() if value}


def implemented_operations() -> dict[str, list[str]]:
    """Operations by service, as `docs/coverage.md` lists them."""

    async def compose() -> dict[str, list[str]]:
        application = Application(load({"ephemeral": True}, {}))
        try:
            return application.dispatcher.implemented()
        finally:
            await application.stop()

    return asyncio.run(compose())
