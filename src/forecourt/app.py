"""The composition root: `Settings` -> a running process. The only module that imports every service.

Read `Application.__init__` top to bottom: what is made first is used by what is made later, and the services know one
another only through the dispatcher.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

from forecourt import __version__, wire
from forecourt.absent import Absent
from forecourt.auth.authenticate import Authenticator
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.sessions import Sessions
from forecourt.base.call import operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.ports import TokenVerifier
from forecourt.dispatch import Dispatcher
from forecourt.edge.aws import AwsApi
from forecourt.edge.own import OwnPages
from forecourt.edge.router import Router
from forecourt.edge.server import PortTaken, Server, check_port
from forecourt.services.apigateway.rest.control import RestControlPlane
from forecourt.services.apigateway.service import ApiGateway
from forecourt.services.backing.backing import Backing, Keep
from forecourt.services.functions import Functions, Limits
from forecourt.services.iam import Iam
from forecourt.services.logs import Logs
from forecourt.settings import Settings, load
from forecourt.store import Document, StoreUnavailable, open_store
from forecourt.store.blobs import Blobs
from forecourt.store.sealing import COMMAND_VARIABLE, VARIABLE, Sealer, load_master_key
from forecourt.telemetry.log_store import LogStore
from forecourt.telemetry.metrics import Metrics
from forecourt.telemetry.prometheus import exposition

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
        self._scratch = Path(tempfile.mkdtemp(prefix="forecourt-"))
        try:
            self._store = open_store(settings.data_folder, self._clock)
            master_key = load_master_key(settings.data_folder, _key_source(settings))
        except StoreUnavailable as error:
            raise CannotStart(error.message) from error
        self._sealer = Sealer(master_key)
        self._blobs = Blobs((settings.data_folder or self._scratch) / "blobs")
        self._compose(master_key)

    def _compose(self, master_key: bytes) -> None:
        settings, clock, ids, store = self.settings, self._clock, self._ids, self._store
        self._metrics = metrics = Metrics(clock)
        log_events = LogStore(settings.data_folder / "logs" if settings.data_folder else None, clock)
        logs = Logs(store=store, events=log_events, clock=clock)
        sessions = Sessions(master_key, ids)
        absent = Absent(sessions)
        verifiers: list[TokenVerifier] = []
        self._iam = iam = Iam(
            store=store,
            sealer=self._sealer,
            sessions=sessions,
            clock=clock,
            ids=ids,
            mode=settings.iam_mode,
            token_verifiers=verifiers,
        )
        authorizer = PolicyAuthorizer(identities=iam.caller_policies, clock=clock, mode=settings.iam_mode)
        self.dispatcher = Dispatcher(authorizer, lambda *_: (), wire.check, metrics)
        self.dispatcher.register("iam", operations(*iam.apis))
        self.dispatcher.register("sts", operations(*iam.sts_apis))
        self.dispatcher.register("logs", operations(*logs.apis))
        keep = None if settings.ephemeral else Keep(store, self._blobs, self._sealer)
        backing = Backing(clock=clock, keep=keep, endpoints=settings.backing)
        self.dispatcher.register_backing(backing)
        self._services: list[Service] = [iam, logs, backing]
        functions = Functions(
            store=store,
            blobs=self._blobs,
            sealer=self._sealer,
            caller=self.dispatcher,
            roles=iam.role_sessions,
            clock=clock,
            ids=ids,
            logs=log_events,
            metrics=metrics,
            work_dir=(settings.data_folder or self._scratch) / "work",
            endpoint_url=settings.local_url,
            concurrency=settings.lambda_concurrency,
            limits=Limits(idle_seconds=settings.lambda_idle_seconds),
        )
        self.dispatcher.register("lambda", operations(*functions.apis))
        self._services.append(functions)
        control = RestControlPlane(
            store=store,
            clock=clock,
            ids=ids,
            caller=self.dispatcher,
            sealer=self._sealer,
            tester=absent,
            usage=absent,
            caches=absent,
        )
        self.dispatcher.register("apigateway", operations(*control.apis))
        apis = ApiGateway(
            store=store,
            caller=self.dispatcher,
            clock=clock,
            ids=ids,
            logs=log_events,
            metrics=metrics,
            roles=iam.role_sessions,
        )
        self._services.append(apis)

        trusting = Authenticator(
            source=iam.credential_source, sessions=sessions, clock=clock, trust_unknown=settings.iam_mode != "enforce"
        )
        strict = Authenticator(source=iam.credential_source, sessions=sessions, clock=clock, trust_unknown=False)
        aws = AwsApi(
            dispatcher=self.dispatcher,
            backing=backing,
            trusting=trusting,
            strict=strict,
            public_url=settings.base_url,
            body_timeout_seconds=settings.client_timeout,
        )
        own = OwnPages(self, clock, on_loopback=settings.on_loopback, ephemeral=settings.ephemeral)
        self._router = Router(aws=aws, apis=apis, hosted_ui=absent, own=own, ids=ids)
        self._server = Server(self._router, settings.host, settings.port, settings.client_timeout)

    async def start(self) -> None:
        """Returns once everything that is deployed is served. Raises `CannotStart`."""
        try:
            check_port(self.settings.host, self.settings.port)
            await self._restore_clock()
            for service in self._services:
                await service.start()
            if self.settings.iam_mode == "enforce":
                self.new_administrator = await self._iam.first_administrator(self._given_administrator())
            await self._server.start()
        except (PortTaken, StoreUnavailable) as error:
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
            await service.stop()
        await self._store.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _given_administrator(self) -> tuple[str, str] | None:
        keys = self.settings.root_access_key_id, self.settings.root_secret_access_key
        return keys if all(keys) else None

    async def _drain(self) -> None:
        deadline = time.monotonic() + self.settings.drain_seconds
        while self._router.in_flight and time.monotonic() < deadline:  # noqa: ASYNC110 - once in a process' life, and requests stay lean
            await asyncio.sleep(0.01)
        if self._router.in_flight:
            _log.warning("%d requests were still under way at the end", self._router.in_flight)

    # --- What Forecourt's own pages show and do (`edge.own.Inside`) ---

    async def health(self) -> dict[str, Any]:
        services = dict.fromkeys(self.dispatcher.implemented(), "running")
        return {"status": "running", "version": __version__, "services": services}

    def metrics(self) -> str:
        return exposition(self._metrics)

    async def mailbox(self) -> list[dict[str, Any]]:
        return []

    async def advance_clock(self, seconds: float) -> None:
        moved = ClockOffset(name=_CLOCK, seconds=self._clock.offset_seconds + seconds)
        await self._store.write(lambda tx: tx.put(moved))
        self._clock.advance(seconds)

    async def reset(self) -> None:
        await self._store.reset()
        self._metrics.reset()
        for service in self._services:
            await service.reset()

    async def _restore_clock(self) -> None:
        moved = await self._store.get(ClockOffset, _CLOCK)
        if moved is not None:
            self._clock.advance(moved.seconds)


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
