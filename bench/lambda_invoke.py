"""Warm Lambda invocations: how many a second, and what they cost over calling the same handler through a pipe.

    python -m bench.lambda_invoke

Three ways to the same Python handler, in one run: lines through a pipe to a process that does nothing else, the Invoke
API, and a Lambda proxy integration of a REST API. Forecourt and whatever it starts run on the first core, this process
on the second. Requests are signed once and repeated, so that the client's work is a write and a read.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from forecourt.testing import Forecourt

SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
CONNECTIONS = 8
WARM_UP = 200
HANDLER = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"pet": event.get("pet", "Rex")})}
"""
PIPE = (
    HANDLER
    + """
import sys
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(json.dumps(handler(json.loads(line), None)).encode() + b"\\n")
    sys.stdout.buffer.flush()
"""
)
EVENT = json.dumps({"pet": "Max", "tags": ["a", "b", "c"], "owner": {"name": "Kim", "visits": 3}}).encode()

Call = Callable[[], None]


class Measured(NamedTuple):
    """Calls a second with one caller and with several; latencies of the one caller in microseconds."""

    alone: float
    together: float
    p50_us: float
    p99_us: float


def measure(open_call: Callable[[], contextlib.AbstractContextManager[Call]]) -> Measured:
    with open_call() as call:
        for _ in range(WARM_UP):
            call()
        latencies: list[float] = []
        deadline = time.perf_counter() + SECONDS
        while (started := time.perf_counter()) < deadline:
            call()
            latencies.append(time.perf_counter() - started)
    latencies.sort()
    p99 = latencies[int(len(latencies) * 0.99)]
    return Measured(len(latencies) / SECONDS, crowd(open_call), statistics.median(latencies) * 1e6, p99 * 1e6)


def crowd(open_call: Callable[[], contextlib.AbstractContextManager[Call]]) -> float:
    """Calls a second of several callers at once."""
    counts = [0] * CONNECTIONS
    barrier = threading.Barrier(CONNECTIONS)

    def run(index: int) -> None:
        with open_call() as call:
            for _ in range(20):
                call()
            barrier.wait()
            deadline = time.perf_counter() + SECONDS
            while time.perf_counter() < deadline:
                call()
                counts[index] += 1

    threads = [threading.Thread(target=run, args=(index,)) for index in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


@contextlib.contextmanager
def through_pipe() -> Iterator[Call]:
    command = [*pinned(0), sys.executable, "-S", "-c", PIPE]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    def call() -> None:
        stdin.write(EVENT + b"\n")
        stdin.flush()
        assert b"Max" in stdout.readline()

    yield call
    stdin.close()
    process.wait()


def over_http(forecourt: Forecourt, request: bytes, expected: bytes) -> Callable[[], Any]:
    @contextlib.contextmanager
    def opened() -> Iterator[Call]:
        with socket.create_connection(("127.0.0.1", forecourt.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def call() -> None:
                connection.sendall(request)
                answer = connection.recv(65536)
                while not complete(answer):
                    answer += connection.recv(65536)
                assert expected in answer, answer

            yield call

    return opened


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n")


def invoke_request(forecourt: Forecourt) -> bytes:
    url = f"{forecourt.url}/2015-03-31/functions/bench/invocations"
    request = AWSRequest("POST", url, data=EVENT, headers={"Host": f"127.0.0.1:{forecourt.port}"})
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    return raw(request)


def proxy_request(forecourt: Forecourt, api_id: str) -> bytes:
    url = f"{forecourt.url}/_aws/execute-api/{api_id}/bench/pets"
    return raw(AWSRequest("GET", url, headers={"Host": f"127.0.0.1:{forecourt.port}"}))


def raw(request: AWSRequest) -> bytes:
    path = "/" + str(request.url).split("/", 3)[3]
    body = request.data or b""
    headers = {**dict(request.headers.items()), **({"Content-Length": str(len(body))} if body else {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def make_function(forecourt: Forecourt) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", HANDLER)
    function = forecourt.client("lambda").create_function(
        FunctionName="bench",
        Runtime="python3.11",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/bench",
        Code={"ZipFile": buffer.getvalue()},
    )
    return str(function["FunctionArn"])


def make_api(forecourt: Forecourt, function_arn: str) -> str:
    apis = forecourt.client("apigateway")
    api = apis.create_rest_api(name="bench")
    resource = apis.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="pets")
    method = {"restApiId": api["id"], "resourceId": resource["id"], "httpMethod": "GET"}
    apis.put_method(**method, authorizationType="NONE")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    apis.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    forecourt.client("lambda").add_permission(
        FunctionName="bench", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    apis.create_deployment(restApiId=api["id"], stageName="bench")
    return str(api["id"])


CORES = sorted(os.sched_getaffinity(0))


def pinned(core: int) -> list[str]:
    return ["taskset", "-c", str(CORES[core])] if len(CORES) > 1 else []


def pin(core: int) -> None:
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[core]})


def main() -> None:
    pin(0)  # inherited by Forecourt and its workers
    with Forecourt(arguments=("--log-level", "warning")) as forecourt:
        pin(1)
        api_id = make_api(forecourt, make_function(forecourt))
        ways: dict[str, Any] = {
            "pipe": through_pipe,
            "Invoke": over_http(forecourt, invoke_request(forecourt), b"Max"),
            "REST API, Lambda proxy": over_http(forecourt, proxy_request(forecourt, api_id), b"Rex"),
        }
        results = {name: measure(way) for name, way in ways.items()}
    show(results)


def show(results: dict[str, Measured]) -> None:
    base = results["pipe"]
    columns = ("1 caller", f"{CONNECTIONS} callers", "p50", "p99", "added")
    print(f"{'warm calls of one Python handler':34}" + "".join(f"{column:>12}" for column in columns))
    for name, measured in results.items():
        print(
            f"{name:34}{measured.alone:>10.0f}/s{measured.together:>10.0f}/s{measured.p50_us:>9.0f} us"
            f"{measured.p99_us:>9.0f} us{measured.p50_us - base.p50_us:>9.0f} us"
        )


if __name__ == "__main__":
    main()
