"""User pools against the floor that cryptography sets: sign-ins, refreshes, verifications, and with many users.

    python bench/cognito.py [--users 1000000] [--seconds 3]

Everything runs in this process over a store on disk, one call after another, without HTTP. What counts is processor
time, of all threads, so that the figures are per core and a busy machine does not spoil them; waiting for the disk is
not in them. Each line shows calls per second and the multiple of its floor: argon2id for a password, the server's three
modular exponentiations for SRP, two RSA signatures for a refresh, one RSA verification for a verification.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pycognito.aws_srp import AWSSRP

from forecourt.base.call import CallContext, operations
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.principal import ANONYMOUS, root
from forecourt.services.cognito import UserPools, srp, tokens
from forecourt.services.cognito.credentials import NewPassword
from forecourt.services.cognito.model import User
from forecourt.store import Tx, open_store
from forecourt.store.sealing import Sealer

PASSWORD = "Correct-horse-1"
BATCH = 2000


class Bench:
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
        self.handlers = operations(*self.pools.apis)

    async def call(self, operation: str, signed: bool = False, **params: Any) -> Any:
        context = CallContext(principal=root() if signed else ANONYMOUS, region="us-east-1", request_id="r")
        return await self.handlers[operation](context, params)

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
        self.new = await self.pools.kit.passwords.prepare(found, "user-0", PASSWORD)
        self.pool_document = found

    async def add_users(self, first: int, last: int) -> None:
        for start in range(first, last, BATCH):
            await self.store.write(lambda tx, s=start: self._add(tx, s, min(s + BATCH, last)))

    def _add(self, tx: Tx, first: int, last: int) -> None:
        """All have the first one's password hash; his SRP verifier is his alone."""
        for n in range(first, last):
            name = f"user-{n}"
            attributes = {"email": f"{name}@example.com", "email_verified": "true", "name": f"Name {n}"}
            user = User(
                pool_id=self.pool, key=name, username=name, sub=self.ids.uuid(), created_at=0, modified_at=0,
                attributes=attributes, status="CONFIRMED",
            )  # fmt: skip
            self.pools.kit.passwords.put(self.pool_document, user, NewPassword(self.new.hash, self.new.srp_verifier))
            tx.put(user)

    async def password(self, name: str = "user-0") -> Any:
        parameters = {"USERNAME": name, "PASSWORD": PASSWORD}
        return await self.call(
            "InitiateAuth", ClientId=self.client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters
        )

    async def refresh(self) -> None:
        parameters = {"REFRESH_TOKEN": self.refresh_token}
        await self.call("InitiateAuth", ClientId=self.client, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=parameters)


async def rate(work: Callable[[], Awaitable[Any]], seconds: float) -> float:
    await work()
    count, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        await work()
        count += 1
    return count / (time.process_time() - started)


def floor_rate(work: Callable[[], Any], seconds: float = 0.7) -> float:
    count, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        work()
        count += 1
    return count / (time.process_time() - started)


async def srp_rate(bench: Bench, seconds: float) -> float:
    """Only the server's time counts: the client's part, in Python, is left out."""
    proof = AWSSRP("user-0", PASSWORD, bench.pool, bench.client, client=object())
    parameters, spent, count = proof.get_auth_params(), 0.0, 0
    while spent < seconds:
        started = time.process_time()
        asked = await bench.call(
            "InitiateAuth", ClientId=bench.client, AuthFlow="USER_SRP_AUTH", AuthParameters=parameters
        )
        spent += time.process_time() - started
        answer = proof.process_challenge(asked["ChallengeParameters"], parameters)
        started = time.process_time()
        await bench.call(
            "RespondToAuthChallenge",
            ClientId=bench.client,
            ChallengeName="PASSWORD_VERIFIER",
            ChallengeResponses=answer,
        )
        spent += time.process_time() - started
        count += 1
    return count / spent


def show(name: str, calls: float, floor: float) -> None:
    print(f"{name:34} {calls:9.1f}/s   floor {floor:9.1f}/s   {floor / calls:5.2f} x")


async def main(users: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        await bench.set_up()
        await bench.add_users(0, 1000)
        hasher = bench.pools.kit.passwords.hashing
        key = (await bench.pools.records.keys(bench.pool))[0]
        base, exponent = secrets.randbelow(srp.N), secrets.randbits(256)
        argon = await rate(lambda: hasher.matches(bench.new.hash, PASSWORD), seconds)
        signature = floor_rate(lambda: tokens.sign(key, {"a": "b" * 600}))
        power = floor_rate(lambda: srp.power(base, exponent))
        signed_in = (await bench.password())["AuthenticationResult"]
        bench.refresh_token = signed_in["RefreshToken"]
        show("password sign-in, 1000 users", await rate(bench.password, seconds), argon)
        # Two signatures belong to every sign-in.
        show("SRP sign-in", await srp_rate(bench, seconds), 1 / (3 / power + 2 / signature))
        show("refresh", await rate(bench.refresh, seconds), signature / 2)
        verified = floor_rate(lambda: tokens.verify(signed_in["IdToken"], {key.kid: key}, 0.0))
        verifier = bench.pools.verifier
        show("verify", await rate(lambda: verifier.verify_pool_token(signed_in["IdToken"]), seconds), verified)
        started = time.process_time()
        await bench.add_users(1000, users)
        print(f"{users - 1000} users added in {time.process_time() - started:.0f} s")
        last = f"user-{users - 1}"
        show(f"password sign-in, {users} users", await rate(lambda: bench.password(last), seconds), argon)
        for text in ("", f'email = "{last}@example.com"', 'email ^= "user-99"', 'name = "Name 17"'):
            filtered = {"Filter": text} if text else {}
            calls = await rate(lambda f=filtered: bench.call("ListUsers", True, UserPoolId=bench.pool, **f), seconds)
            print(f"ListUsers {text:40} {calls:9.1f}/s")
        await bench.pools.stop()
        await bench.store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    asyncio.run(main(options.users, options.seconds))
