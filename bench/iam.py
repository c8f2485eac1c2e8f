"""What it costs to know who is calling and whether they may.

    decision   SigV4 verification and a decision over ten policies of 20 statements each, in one process
    AWS API    the same call, signed by the same user (who has ten such policies), with enforcement and without
    AWS_IAM    `HTTP_PROXY` through a REST API whose method asks for a signature, beside nginx `proxy_pass`

wrk sends requests that were signed once: a signature is good for 15 minutes. Servers take turns, and the least
processor time for a request is kept, since a shared machine only ever makes a server slower than it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.support import BUILD, LOAD_CORE, SERVER_CORE, Load, PinnedForecourt, cpu_seconds, nginx, report, wrk
from forecourt.auth import sigv4
from forecourt.auth.authenticate import Authenticator
from forecourt.auth.authorize import PolicyAuthorizer
from forecourt.auth.policy import compile_policy
from forecourt.auth.sessions import Sessions
from forecourt.auth.sigv4 import SignedRequest
from forecourt.auth.supplies import Grants
from forecourt.base.clock import Clock
from forecourt.base.ids import Ids
from forecourt.base.principal import Principal
from forecourt.testing import Forecourt, free_port

_POLICIES, _STATEMENTS = 10, 20
_HOME, _REGION = "000000000000", "us-east-1"
_ROOT = Credentials("AKIAROOTROOTROOTROOT", "root-secret-of-the-benchmark")
_ANN = Principal(kind="user", account=_HOME, arn=f"arn:aws:iam::{_HOME}:user/ann", user_id="AIDA1", name="ann")
_BODY = r"{\"id\":7,\"name\":\"Rex\",\"kind\":\"dog\"}"
# An account of AWS may send 10,000 requests a second; here the server is what is measured.
_UNLIMITED = ("--quotas", "apigateway.throttle_rate=1000000", "--quotas", "apigateway.throttle_burst=1000000")
_ROUNDS = 4
_SECONDS = 3
_DECISIONS = 3000


def main() -> None:
    _decisions()
    os.environ["FORECOURT_ROOT_ACCESS_KEY_ID"] = _ROOT.access_key
    os.environ["FORECOURT_ROOT_SECRET_ACCESS_KEY"] = _ROOT.secret_key
    with ExitStack() as servers:
        backend = servers.enter_context(_backend())
        floor = servers.enter_context(_floor(backend))
        enforcing = servers.enter_context(PinnedForecourt("--enforce-iam", "enforce", *_UNLIMITED))
        lenient = servers.enter_context(PinnedForecourt("--enforce-iam", "off", *_UNLIMITED))
        _calls(enforcing, lenient)
        _invocations(enforcing, backend, floor)


# --- Verification and decision ------------------------------------------------------------------------------------


def documents() -> list[str]:
    """Ten policies of 20 statements; the last statement of the last one is the one that allows."""
    found = [[_statement(policy, number) for number in range(_STATEMENTS)] for policy in range(_POLICIES)]
    found[-1][-1] = {"Effect": "Allow", "Action": ["states:List*", "execute-api:Invoke"], "Resource": "*"}
    return [json.dumps({"Version": "2012-10-17", "Statement": statements}) for statements in found]


def _statement(policy: int, number: int) -> dict[str, Any]:
    return {
        "Effect": ("Allow", "Allow", "Allow", "Deny")[number % 4],
        "Action": [("dynamodb:Get*", "s3:*", "states:Describe*", "sqs:SendMessage")[(policy + number) % 4]],
        "Resource": f"arn:aws:*:*:{_HOME}:thing/p{policy}-{number}/*",
        "Condition": {"StringLike": {"aws:PrincipalTag/team": [f"team-{number}"]}},
    }


class _Key:
    """An access key, as IAM gives it from memory."""

    def __init__(self, key: Credentials) -> None:
        self._key = key

    def remembered(self, access_key_id: str) -> tuple[str, Principal] | None:
        return (self._key.secret_key, _ANN) if access_key_id == self._key.access_key else None

    async def access_key(self, access_key_id: str) -> tuple[str, Principal] | None:
        return self.remembered(access_key_id)

    def used(self, access_key_id: str, service: str, region: str) -> None:
        """What IAM notes is a write to a dictionary."""


class _Policies:
    """Its owner's policies, as IAM gives them from memory."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._grants = Grants(identity=[compile_policy(json.loads(text), "identity") for text in documents()])

    def remembered(self, principal: Principal) -> Grants:
        return self._grants

    async def grants(self, principal: Principal) -> Grants:
        return self._grants


def _decisions() -> None:
    key = Credentials("AKIAANNANNANNANNANN1", "secret-of-ann")
    policies, clock = _Policies(), Clock()
    sessions = Sessions(b"m" * 32, Ids())
    authenticator = Authenticator(source=_Key(key), sessions=sessions, clock=clock, trust_unknown=False)
    authorizer = PolicyAuthorizer(identities=policies, clock=clock, mode="enforce")
    request = _arrived(_signed_call("http://127.0.0.1:4566/", key))

    async def once() -> None:
        identity = await authenticator.authenticate(request, "json")
        await authorizer.authorize(identity.principal, "states:ListActivities", "*", {"aws:SourceIp": "127.0.0.1"})

    def new_policies() -> None:
        policies.forget()
        sigv4.signing_key.cache_clear()

    rows = [
        ("warm", _microseconds(once, _DECISIONS, lambda: None), "below 60"),
        ("signing key of another day", _microseconds(once, _DECISIONS, sigv4.signing_key.cache_clear), "below 60"),
        ("and policies that were just changed", _microseconds(once, 100, new_policies), None),
    ]
    title = f"SigV4 verification and a decision over {_POLICIES} policies of {_STATEMENTS} statements, microseconds"
    report("iam", title, ("memory", "CPU us each", "aim"), rows)


def _microseconds(once: Callable[[], Any], count: int, before: Callable[[], None]) -> float:
    """The best of three turns' means, of the processor's time, without that of `before`."""

    async def turn() -> float:
        spent = 0.0
        for _ in range(count):
            before()
            started = time.process_time()
            await once()
            spent += time.process_time() - started
        return spent / count

    return min(asyncio.run(turn()) for _ in range(3)) * 1e6


def _arrived(request: AWSRequest) -> SignedRequest:
    headers = [(name.lower().encode(), _text(value).encode()) for name, value in request.headers.items()]
    return SignedRequest("POST", b"/", b"", headers, request.data or b"")


# --- Over the network ---------------------------------------------------------------------------------------------


class _Contender(NamedTuple):
    url: str
    pid: int
    script: Path | None


def _calls(enforcing: Forecourt, lenient: Forecourt) -> None:
    found = _in_turns(
        {
            "unknown credentials, off": _call(lenient, Credentials("test", "test"), "unknown"),
            "a user's, off": _call(lenient, _user(lenient, Credentials("test", "test")), "off"),
            "a user's, enforce": _call(enforcing, _user(enforcing, _ROOT), "enforce"),
        }
    )
    _tell("iam_calls", "ListActivities, one core, 32 connections", found, "a user's, off")


def _invocations(enforcing: Forecourt, backend: int, floor: tuple[int, int]) -> None:
    key = _user(enforcing, _ROOT, "caller")
    contenders = {"nginx": _Contender(f"http://127.0.0.1:{floor[0]}/pets/7", floor[1], None)}
    for kind in ("NONE", "AWS_IAM"):
        api = _deploy(_client(enforcing, "apigateway", _ROOT), backend, kind)
        url = f"{enforcing.url}/_aws/execute-api/{api}/dev/pets/7"
        contenders[kind] = _Contender(
            url, enforcing.pid, _script(kind, _signed("GET", url, b"", {}, key, "execute-api"))
        )
    found = _in_turns(contenders)
    _tell("iam_api", "HTTP_PROXY through a REST API by its authorization, enforced, one core", found, "nginx")


def _in_turns(contenders: Mapping[str, _Contender]) -> dict[str, tuple[Load, float]]:
    """The best turn of each, and the least processor time that it took for a request."""
    found: dict[str, tuple[Load, float]] = {}
    for contender in contenders.values():
        wrk(contender.url, seconds=1, script=contender.script)
    for _ in range(_ROUNDS):
        for name, contender in contenders.items():
            before = cpu_seconds(contender.pid)
            load = wrk(contender.url, seconds=_SECONDS, script=contender.script)
            cost = (cpu_seconds(contender.pid) - before) / load.requests
            best, least = found.get(name, (load, cost))
            found[name] = (max(best, load, key=lambda turn: turn.per_second), min(least, cost))
    return found


def _tell(name: str, title: str, found: Mapping[str, tuple[Load, float]], base: str) -> None:
    of_load, of_cost = found[base]
    rows = [
        (label, load.per_second, load.per_second / of_load.per_second, cost * 1e6, of_cost / cost, load.errors)
        for label, (load, cost) in found.items()
    ]
    report(name, title, ("who", "requests/s", f"of {base}", "CPU us each", f"of {base} by CPU", "errors"), rows)


def _call(forecourt: Forecourt, key: Credentials, name: str) -> _Contender:
    return _Contender(forecourt.url, forecourt.pid, _script(name, _signed_call(f"{forecourt.url}/", key)))


def _signed_call(url: str, key: Credentials) -> AWSRequest:
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AWSStepFunctions.ListActivities"}
    return _signed("POST", url, b"{}", headers, key, "states")


def _signed(method: str, url: str, body: bytes, headers: dict[str, str], key: Credentials, service: str) -> AWSRequest:
    host = url.split("/")[2]
    request = AWSRequest(method, url, headers={"host": host, **headers}, data=body)
    SigV4Auth(key, service, _REGION).add_auth(request)
    return request


def _script(name: str, request: AWSRequest) -> Path:
    """What wrk sends besides `Host`, which is its own. Lua's long brackets take any text as it is."""
    lines = [f"wrk.method = [[{request.method}]]", f"wrk.body = [[{_text(request.data or b'')}]]"]
    lines += [
        f"wrk.headers[ [[{header}]] ] = [[{_text(value)}]]"
        for header, value in request.headers.items()
        if header != "host"
    ]
    path = BUILD / f"iam-{name}.lua"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


# --- What is called -----------------------------------------------------------------------------------------------


def _client(forecourt: Forecourt, service: str, key: Credentials) -> Any:
    return forecourt.client(service, aws_access_key_id=key.access_key, aws_secret_access_key=key.secret_key)


def _user(forecourt: Forecourt, administrator: Credentials, name: str = "ann") -> Credentials:
    """A user with the ten policies; the access key."""
    iam = _client(forecourt, "iam", administrator)
    iam.create_user(UserName=name)
    for number, document in enumerate(documents()):
        made = iam.create_policy(PolicyName=f"{name}-{number}", PolicyDocument=document)
        iam.attach_user_policy(UserName=name, PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def _deploy(apis: Any, backend: int, authorization: str) -> str:
    """A REST API with `ANY /{proxy+}` forwarded to the backend, on stage `dev`. Returns its id."""
    api: str = apis.create_rest_api(name=f"bench-{authorization}")["id"]
    root = next(item["id"] for item in apis.get_resources(restApiId=api)["items"] if item["path"] == "/")
    proxy = apis.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    method = {"restApiId": api, "resourceId": proxy, "httpMethod": "ANY"}
    apis.put_method(**method, authorizationType=authorization, requestParameters={"method.request.path.proxy": True})
    apis.put_integration(
        **method,
        type="HTTP_PROXY",
        integrationHttpMethod="ANY",
        uri=f"http://127.0.0.1:{backend}/{{proxy}}",
        requestParameters={"integration.request.path.proxy": "method.request.path.proxy"},
    )
    apis.create_deployment(restApiId=api, stageName="dev")
    return api


@contextmanager
def _backend() -> Iterator[int]:
    answer = f'location / {{ default_type application/json; return 200 "{_BODY}"; }}'
    with nginx(BUILD, "iam-backend", LOAD_CORE, free_port(), answer) as (port, _):
        yield port


@contextmanager
def _floor(backend: int) -> Iterator[tuple[int, int]]:
    upstream = f"upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; }}"
    forward = 'location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    with nginx(BUILD, "iam-floor", SERVER_CORE, free_port(), forward, upstream) as server:
        yield server
