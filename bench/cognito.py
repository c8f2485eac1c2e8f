"""User pools against the floor that cryptography sets, against MiniStack, and with many users.

    inside      the handlers in this process over a store on disk, without HTTP. What counts is processor time, of all
                threads, so that a busy machine does not spoil the figures; of one SRP sign-in alone also what the clock
                says, since it is written to the disk while its tokens are signed. Each is shown as a multiple of its
                floor: argon2id for a password; three modular exponentiations and two RSA signatures for SRP; two
                signatures for a refresh; one RSA verification for a verification
    loop        while 64 users sign in and pools are made: the longest that one turn of the event loop computed, and
                the longest that another request, which takes three turns, had to wait
    many users  sign-in and ListUsers at a thousand users, and at BENCH_USERS (50,000 unless said otherwise)
    HTTP        wrk with 32 connections against Forecourt and MiniStack in turns, each on one core

MiniStack keeps passwords as they are and compares them as text: its password sign-in has no floor. Without the package
`cryptography` it puts random bytes where a token's signature belongs; its environment here has that package.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import tempfile
import time
from asyncio import events
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pycognito import aws_srp
from pycognito.aws_srp import AWSSRP

from bench.support import BUILD, SERVER_CORE, Load, PinnedForecourt, cpu_seconds, pinned, report, wait_for, wrk
from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.principal import ANONYMOUS, root
from forecourt.services.cognito import UserPools, srp, tokens
from forecourt.services.cognito.credentials import NewPassword
from forecourt.services.cognito.model import User
from forecourt.store import Tx, open_store
from forecourt.store.sealing import Sealer
from forecourt.testing import free_port

PASSWORD = "Correct-horse-1"
FEW, MANY = 1000, int(os.environ.get("BENCH_USERS", "50000"))
CONCURRENT = 64
_SECONDS = 1.0
_FLOOR_SECONDS = 0.5
_TURNS = 5
_BATCH = 5000
_MINISTACK = BUILD.parent / "bench-ministack" / "bin" / "ministack"
# The client's part is not measured, and Python's own takes most of the benchmark's time.
aws_srp.pow = lambda base, exponent, modulus: srp.power(base, exponent)
Row = tuple[str, float, float, float]
TimeOf = Callable[[], float]
Measure = Callable[[TimeOf], Awaitable[float]]
Blocked = tuple[str, float, str, float]


def main() -> None:
    rows, blocked, many = asyncio.run(_inside())
    report(
        "cognito",
        "User pools by processor time, one core",
        ("what", "per core and second", "its floor", "x its floor"),
        rows,
    )
    columns = ("while", "longest turn, ms", "aim", "another request waits, ms")
    report("cognito_loop", "What the event loop is kept from", columns, blocked)
    report("cognito_users", "With many users", ("what", f"{FEW:,} users", f"{MANY:,} users"), many)
    _against_ministack()


# Inside this process ---------------------------------------------------------------------------------------------


class Bench:
    """A pool with a client, and users who all have the same password."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.ids = Clock(), Ids()
        self.store = open_store(folder, self.clock)
        self.pools = UserPools(
            store=self.store,
            sealer=Sealer(b"k" * 32),
            caller=None,  # type: ignore[arg-type]
            clock=self.clock,
            ids=self.ids,
            public_url="http://localhost:4566",
        )
        self._handlers = operations(*self.pools.apis)

    async def call(self, operation: str, signed: bool = False, **params: Any) -> Any:
        context = CallContext(principal=root() if signed else ANONYMOUS, region="us-east-1", request_id="r")
        return await self._handlers[operation](context, params)

    async def set_up(self) -> None:
        made = await self.call("CreateUserPool", True, PoolName="bench")
        self.pool = made["UserPool"]["Id"]
        flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
        client = await self.call(
            "CreateUserPoolClient", True, UserPoolId=self.pool, ClientName="bench", ExplicitAuthFlows=flows
        )
        self.client = client["UserPoolClient"]["ClientId"]
        found = await self.pools.records.find_pool(self.pool)
        assert found is not None
        self._document = found
        self.password_hash = (await self.pools.kit.passwords.prepare(found, "user-0", PASSWORD)).hash

    async def add_users(self, first: int, last: int) -> None:
        for start in range(first, last, _BATCH):
            await self.store.write(partial(self._add, first=start, last=min(start + _BATCH, last)))

    def _add(self, tx: Tx, first: int, last: int) -> None:
        for n in range(first, last):
            name = f"user-{n}"
            attributes = {"email": f"{name}@example.com", "email_verified": "true", "name": f"Name {n}"}
            user = User(
                pool_id=self.pool, key=name, username=name, sub=self.ids.uuid(), created_at=0, modified_at=0,
                attributes=attributes, status="CONFIRMED",
            )  # fmt: skip
            self.pools.kit.passwords.put(self._document, user, NewPassword(self.password_hash, b""))
            tx.put(user)

    async def add_srp(self, count: int) -> None:
        """Verifiers for the first users: each is his alone."""
        for n in range(count):
            verifier = await self.pools.kit.passwords.verifier(self._document, f"user-{n}", PASSWORD)
            await self.store.write(partial(self._put_verifier, name=f"user-{n}", verifier=verifier))

    def _put_verifier(self, tx: Tx, name: str, verifier: bytes) -> None:
        user = tx.get(User, self.pool, name)
        assert user is not None
        user.srp_verifier = verifier
        tx.put(user)

    async def password(self, name: str = "user-0") -> Any:
        given = {"USERNAME": name, "PASSWORD": PASSWORD}
        return await self.call(
            "InitiateAuth", ClientId=self.client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=given
        )

    async def refresh(self, token: str) -> Any:
        given = {"REFRESH_TOKEN": token}
        return await self.call(
            "InitiateAuth", ClientId=self.client, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=given
        )

    async def ask_srp(self, proof: AWSSRP) -> Any:
        return await self.call(
            "InitiateAuth", ClientId=self.client, AuthFlow="USER_SRP_AUTH", AuthParameters=proof.get_auth_params()
        )

    async def answer_srp(self, answer: dict[str, str]) -> Any:
        return await self.call(
            "RespondToAuthChallenge",
            ClientId=self.client,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses=answer,
        )

    async def list_users(self, text: str = "") -> Any:
        filtered = {"Filter": text} if text else {}
        return await self.call("ListUsers", True, UserPoolId=self.pool, **filtered)

    async def close(self) -> None:
        await self.pools.stop()
        await self.store.close()


async def _inside() -> tuple[list[Row], list[Blocked], list[tuple[Any, ...]]]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        await bench.set_up()
        await bench.add_users(0, FEW)
        await bench.add_srp(CONCURRENT)
        # What the benchmark itself made is left out of garbage collections, as the server does after its start.
        gc.collect()
        gc.freeze()
        try:
            rows = await _multiples(bench)
            blocked = await _blocked(bench)
            many = await _many(bench)
        finally:
            await bench.close()
    return rows, blocked, many


async def _multiples(bench: Bench) -> list[Row]:
    """Each in turns with its floor, since the machine's speed changes from second to second; the median counts."""
    signed_in = (await bench.password())["AuthenticationResult"]
    token, again = signed_in["IdToken"], signed_in["RefreshToken"]
    key = (await bench.pools.records.keys(bench.pool))[0]
    verify = bench.pools.verifier.verify_pool_token
    hashing = bench.pools.kit.passwords.hashing
    base, exponent = secrets.randbelow(srp.N), secrets.randbits(256)

    async def argon2id() -> None:
        await hashing.matches(bench.password_hash, PASSWORD)

    async def two_signatures() -> None:
        tokens.sign(key, {"a": "b" * 600})
        tokens.sign(key, {"a": "b" * 600})

    async def srp_floor() -> None:
        for _ in range(3):
            srp.power(base, exponent)
        await two_signatures()

    async def verification() -> None:
        tokens.verify(token, {key.kid: key}, 0.0)

    cases: tuple[tuple[str, Measure, Callable[[], Awaitable[None]], TimeOf], ...] = (
        ("password sign-in", lambda _: _rate(bench.password), argon2id, time.process_time),
        ("SRP sign-in, one at a time", partial(_srp_rate, bench, 1), srp_floor, time.process_time),
        ("the same, by the clock", partial(_srp_rate, bench, 1), srp_floor, time.perf_counter),
        (f"SRP sign-in, {CONCURRENT} at a time", partial(_srp_rate, bench, CONCURRENT), srp_floor, time.process_time),
        ("refresh", lambda _: _rate(lambda: bench.refresh(again)), two_signatures, time.process_time),
        ("verification", lambda _: _rate(partial(verify, token)), verification, time.process_time),
    )
    return [await _multiple(*case) for case in cases]


async def _multiple(name: str, measure: Measure, floor: Callable[[], Awaitable[None]], time_of: TimeOf) -> Row:
    turns = [(await _rate(floor, _FLOOR_SECONDS, time_of), await measure(time_of)) for _ in range(_TURNS)]
    multiples = sorted((floor_rate / rate, rate, floor_rate) for floor_rate, rate in turns)
    multiple, rate, floor_rate = multiples[len(multiples) // 2]
    return name, rate, floor_rate, multiple


async def _rate(
    work: Callable[[], Awaitable[Any]], seconds: float = _SECONDS, time_of: TimeOf = time.process_time
) -> float:
    await work()
    count, started = 0, time_of()
    while time_of() - started < seconds:
        await work()
        count += 1
    return count / (time_of() - started)


async def _srp_rate(bench: Bench, at_a_time: int, time_of: TimeOf) -> float:
    """Only the server's time counts: the client's part, which is Python's, is left out."""
    proofs = [_proof(bench, n) for n in range(CONCURRENT)]
    spent, count = 0.0, 0
    while spent < _SECONDS:
        took, asked = await _served([partial(bench.ask_srp, proof) for proof in proofs], at_a_time, time_of)
        answers = [_proven(proof, told) for proof, told in zip(proofs, asked, strict=True)]
        took_too, _ = await _served([partial(bench.answer_srp, answer) for answer in answers], at_a_time, time_of)
        spent, count = spent + took + took_too, count + CONCURRENT
    return count / spent


async def _served(
    calls: list[Callable[[], Awaitable[Any]]], at_a_time: int, time_of: TimeOf
) -> tuple[float, list[Any]]:
    """The time of the calls, so many at a time, and what they returned."""
    started, results = time_of(), list[Any]()
    if at_a_time == 1:
        for call in calls:
            results.append(await call())
    else:
        for at in range(0, len(calls), at_a_time):
            results += await asyncio.gather(*(call() for call in calls[at : at + at_a_time]))
    return time_of() - started, results


def _proof(bench: Bench, n: int) -> AWSSRP:
    return AWSSRP(f"user-{n}", PASSWORD, bench.pool, bench.client, client=object())


def _proven(proof: AWSSRP, asked: Any) -> dict[str, str]:
    answer: dict[str, str] = proof.process_challenge(asked["ChallengeParameters"], proof.get_auth_params())
    return answer


async def _blocked(bench: Bench) -> list[Blocked]:
    """Processor time of the loop's own thread in one callback: a busy machine does not lengthen it."""
    proofs = [_proof(bench, n) for n in range(CONCURRENT)]
    token = (await bench.password())["AuthenticationResult"]["RefreshToken"]
    asked: list[Any] = []

    async def ask() -> None:
        asked.extend(await asyncio.gather(*(bench.ask_srp(proof) for proof in proofs)))

    async def password() -> None:
        await asyncio.gather(*(bench.password(f"user-{n}") for n in range(CONCURRENT)))

    async def refresh() -> None:
        await asyncio.gather(*(bench.refresh(token) for _ in range(CONCURRENT)))

    async def pools() -> None:
        await asyncio.gather(*(bench.call("CreateUserPool", True, PoolName=f"pool-{n}") for n in range(8)))

    rows = [await _kept_from(name, work) for name, work in (
        (f"{CONCURRENT} password sign-ins", password), (f"{CONCURRENT} refreshes", refresh),
        ("8 pools made, each with an RSA key", pools), (f"{CONCURRENT} SRP challenges", ask),
    )]  # fmt: skip
    answers = [_proven(proof, told) for proof, told in zip(proofs, asked, strict=True)]

    async def answer() -> None:
        await asyncio.gather(*(bench.answer_srp(answer) for answer in answers))

    return [*rows, await _kept_from(f"{CONCURRENT} SRP proofs", answer)]


async def _kept_from(name: str, work: Callable[[], Awaitable[None]]) -> Blocked:
    turns, waits = [0.0], [0.0]
    with _timed_turns(turns):
        await asyncio.sleep(0)
        working = asyncio.ensure_future(work())
        while not working.done():
            started = time.thread_time()
            for _ in range(3):
                await asyncio.sleep(0)
            waits.append(time.thread_time() - started)
        await working
    return name, max(turns) * 1000, "< 10", max(waits) * 1000


@contextmanager
def _timed_turns(taken: list[float]) -> Iterator[None]:
    handle_class: Any = events.Handle
    run = handle_class._run

    def timed(handle: events.Handle) -> None:
        started = time.thread_time()
        run(handle)
        taken.append(time.thread_time() - started)

    handle_class._run = timed
    try:
        yield
    finally:
        handle_class._run = run


async def _many(bench: Bench) -> list[tuple[Any, ...]]:
    few = await _by_number(bench, FEW)
    started = time.monotonic()
    await bench.add_users(FEW, MANY)
    print(f"{MANY - FEW:,} users added in {time.monotonic() - started:.0f} s", flush=True)
    many = await _by_number(bench, MANY)
    return [(name, few[name], many[name]) for name in few]


async def _by_number(bench: Bench, users: int) -> dict[str, float]:
    last = f"user-{users - 1}"
    filters = {
        "a page of 60": "",
        "an exact filter": f'email = "{last}@example.com"',
        "a prefix": 'username ^= "user-99"',
        "a status": 'cognito:user_status = "CONFIRMED"',
    }
    lists = {f"ListUsers/s, {name}": await _rate(partial(bench.list_users, text)) for name, text in filters.items()}
    return {"password sign-ins/s": await _rate(lambda: bench.password(last)), **lists}


# Over HTTP ---------------------------------------------------------------------------------------------------------


class Contender(NamedTuple):
    name: str
    url: str
    pid: int


def _against_ministack() -> None:
    """Turns are interleaved and the best of two is kept."""
    if not _MINISTACK.exists():
        print("MiniStack is not installed; `python -m bench gateway` does that. Nothing to compare with.")
        return
    with ExitStack() as servers:
        forecourt = servers.enter_context(PinnedForecourt())
        port = free_port()
        environment = {"GATEWAY_PORT": str(port), "LOG_LEVEL": "WARNING"}
        peer = servers.enter_context(pinned(SERVER_CORE, str(_MINISTACK), environment=environment))
        wait_for(port)
        contenders = (
            Contender("Forecourt", forecourt.url, forecourt.pid),
            Contender("MiniStack", f"http://127.0.0.1:{port}", peer.pid),
        )
        scripts = {contender.name: _scripts(contender) for contender in contenders}
        rows = [_turns(what, contenders, scripts) for what in ("password sign-in", "refresh", "ListUsers, 60 users")]
    columns = ("what", "Forecourt/s", "CPU ms", "p99 ms", "MiniStack/s", "CPU ms ", "p99 ms ", "x MiniStack", "errors")
    report("cognito_http", "User pools over HTTP, one core, 32 connections", columns, rows)


def _turns(what: str, contenders: tuple[Contender, ...], scripts: dict[str, dict[str, Path]]) -> tuple[Any, ...]:
    best: dict[str, tuple[Load, float]] = {}
    for _ in range(2):
        for contender in contenders:
            before = cpu_seconds(contender.pid)
            load = wrk(contender.url + "/", seconds=3, script=scripts[contender.name][what])
            cost = (cpu_seconds(contender.pid) - before) / max(load.requests, 1) * 1000
            if contender.name not in best or load.per_second > best[contender.name][0].per_second:
                best[contender.name] = load, cost
    (ours, our_cost), (theirs, their_cost) = best["Forecourt"], best["MiniStack"]
    return (
        what, ours.per_second, our_cost, ours.p99_ms, theirs.per_second, their_cost, theirs.p99_ms,
        ours.per_second / theirs.per_second, ours.errors + theirs.errors,
    )  # fmt: skip


def _scripts(contender: Contender) -> dict[str, Path]:
    """The requests for wrk, against a pool with sixty users."""
    client: Any = boto3.client(
        "cognito-idp",
        endpoint_url=contender.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    pool = client.create_user_pool(PoolName="bench")["UserPool"]["Id"]
    flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    app = client.create_user_pool_client(UserPoolId=pool, ClientName="bench", ExplicitAuthFlows=flows)
    app_id = app["UserPoolClient"]["ClientId"]
    for n in range(60):
        client.admin_create_user(UserPoolId=pool, Username=f"user-{n}", MessageAction="SUPPRESS")
    client.admin_set_user_password(UserPoolId=pool, Username="user-0", Password=PASSWORD, Permanent=True)
    given = {"USERNAME": "user-0", "PASSWORD": PASSWORD}
    sign_in = {"ClientId": app_id, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": given}
    token = client.initiate_auth(**sign_in)["AuthenticationResult"]["RefreshToken"]
    refresh = {"ClientId": app_id, "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": {"REFRESH_TOKEN": token}}
    return {
        "password sign-in": _script(contender, "sign-in", "InitiateAuth", sign_in),
        "refresh": _script(contender, "refresh", "InitiateAuth", refresh),
        "ListUsers, 60 users": _script(contender, "list", "ListUsers", {"UserPoolId": pool}),
    }


def _script(contender: Contender, name: str, operation: str, params: dict[str, Any]) -> Path:
    """Signed once: a signature is good for five minutes."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
    }
    body = msgspec.json.encode(params)
    request = AWSRequest("POST", contender.url + "/", headers, body)
    SigV4Auth(Credentials("test", "test"), "cognito-idp", "us-east-1").add_auth(request)
    lines = ['wrk.method = "POST"', f"wrk.body = {_lua(body.decode())}"]
    lines += [f"wrk.headers[{_lua(key)}] = {_lua(value)}" for key, value in request.headers.items()]
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"cognito-{contender.name.lower()}-{name}.lua"
    path.write_text("\n".join(lines) + "\n")
    return path


def _lua(text: str) -> str:
    return msgspec.json.encode(text).decode()
