"""Invocations through real workers: results, AWS's error documents, the log, the surroundings of a handler."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.functions.harness import Lambda, zipped

from forecourt.base.errors import ServiceError
from forecourt.services.functions.errors import (
    InvalidRequestContentException,
    RequestEntityTooLargeException,
    RequestTooLargeException,
    ResourceNotFoundException,
    TooManyRequestsException,
)

PYTHON = """
import decimal, os, subprocess, sys, time, logging

def echo(event, context): return event
def decimals(event, context): return {"price": decimal.Decimal("1.5")}
def boom(event, context): raise ValueError("boom")
def unserializable(event, context): return {1, 2}
def exits(event, context): os._exit(3)
def leaves(event, context): sys.exit(0)
def killed(event, context): os.kill(os.getpid(), 9)
def greedy(event, context):
    data = b"x" * 400_000_000
    time.sleep(5)
def slow(event, context): time.sleep(30)
def large(event, context): return "x" * 6_291_556
def environment(event, context): return dict(os.environ)
def describe(event, context):
    return {
        "function_name": context.function_name, "function_version": context.function_version,
        "memory": context.memory_limit_in_mb, "arn": context.invoked_function_arn,
        "request_id": context.aws_request_id, "group": context.log_group_name, "stream": context.log_stream_name,
        "left": context.get_remaining_time_in_millis(),
        "custom": context.client_context.custom if context.client_context else None,
    }
def prints(event, context):
    print("one line")
    sys.stderr.write("no newline")
def logs(event, context):
    logging.getLogger("mine").warning("two\\nlines")
count = 0
def counts(event, context):
    global count
    count += 1
    return [os.getpid(), count]
def versions(event, context):
    import boto3
    return boto3.__name__
def undeclared(event, context):
    import msgspec
def descriptors(event, context):
    found = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    return sorted(os.readlink(fd).split(":")[0] for fd in found if os.path.lexists(fd))
def writes_tmp(event, context):
    import tempfile
    path = os.path.join(tempfile.gettempdir(), "note")
    found = os.path.exists(path)
    open(path, "w").write("x")
    return [found, tempfile.gettempdir()]
def leaves_a_child(event, context):
    child = subprocess.Popen(["sleep", "60"])
    if event == "hang":
        print("child", child.pid)
        time.sleep(60)
    return child.pid
"""
FILES = {"app.py": PYTHON, "broken.py": "def handler(:\n", "raises.py": "raise KeyError('k')\n", "pkg/mod.py": PYTHON}

# handler, errorType, errorMessage ({id}: the request's id), whether the platform describes it
ERRORS = [
    ("app.boom", "ValueError", "boom"),
    ("app.unserializable", "Runtime.MarshalError",
     "Unable to marshal response: Object of type set is not JSON serializable"),
    ("app.exits", "Runtime.ExitError", "RequestId: {id} Error: Runtime exited with error: exit status 3"),
    ("app.leaves", "Runtime.ExitError", "RequestId: {id} Error: Runtime exited without providing a reason"),
    ("app.killed", "Runtime.ExitError", "RequestId: {id} Error: Runtime exited with error: signal: killed"),
    ("app.greedy", "Runtime.ExitError", "RequestId: {id} Error: Runtime exited with error: signal: killed"),
    ("app.slow", "Sandbox.Timedout", "RequestId: {id} Error: Task timed out after 1.00 seconds"),
    ("app.large", "Function.ResponseSizeTooLarge",
     "Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
    ("app.undeclared", "ModuleNotFoundError", "No module named 'msgspec'"),
    ("app.missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'app'"),
    ("absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
    ("handler", "Runtime.MalformedHandlerName",
     "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"),
    ("sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ("broken.handler", "Runtime.UserCodeSyntaxError",
     "Syntax error in module 'broken': invalid syntax (broken.py, line 1)"),
    ("raises.handler", "KeyError", "'k'"),
    ("app.null\x00", "Runtime.InvalidEntrypoint", "RequestId: {id} Error: fork/exec {python}: embedded null byte"),
]  # fmt: skip


# These run into their time-out; the others get enough for a busy machine.
ENDLESS = ("app.slow", "app.leaves_a_child")


async def run(functions: Lambda, handler: str, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
    """A function of its own per handler, created when first needed."""
    name = re.sub("[^a-z_]", "-", handler)
    try:
        await functions.call("GetFunction", FunctionName=name)
    except ResourceNotFoundException:
        await functions.create(name, FILES, handler, Timeout=1 if handler in ENDLESS else 10)
    return await functions.invoke(name, event, **more)


@pytest.mark.parametrize(("handler", "error_type", "message"), ERRORS, ids=[case[0] for case in ERRORS])
async def test_errors_are_awss(functions: Lambda, handler: str, error_type: str, message: str) -> None:
    payload, answer = await run(functions, handler)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    log = functions.records.text
    request_id = log.partition("START RequestId: ")[2][:36]
    assert payload["errorType"] == error_type
    assert payload["errorMessage"] == message.format(id=request_id, python=sys.executable)
    assert f"END RequestId: {request_id}\n" in log
    # Whatever happened, the next invocation is served.
    assert (await run(functions, handler))[0]["errorType"] == error_type


async def test_a_raised_exception_has_its_stack_trace(functions: Lambda) -> None:
    payload, _ = await run(functions, "app.boom")
    assert list(payload) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert len(payload["stackTrace"]) == 1
    assert 'app.py", line 6, in boom' in payload["stackTrace"][0]


@pytest.mark.parametrize(
    "event", [None, {}, [1, 2.5, None, True], "grüße ✓ \ud800", {"a": {"b": ["c"]}}, "x" * 3_000_000]
)
async def test_events_arrive_and_results_return_unchanged(functions: Lambda, event: Any) -> None:
    payload, answer = await run(functions, "app.echo", event)
    assert payload == event
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer


async def test_no_payload_is_an_empty_event(functions: Lambda) -> None:
    await functions.create("echo", FILES, "app.echo")
    answer = await functions.call("Invoke", FunctionName="echo")
    assert answer["Payload"] == b"{}"


async def test_handlers_in_packages_and_decimals(functions: Lambda) -> None:
    assert (await run(functions, "pkg/mod.echo", 1))[0] == 1
    assert (await run(functions, "pkg.mod.echo", 1))[0] == 1
    assert (await run(functions, "app.decimals"))[0] == {"price": 1.5}


async def test_the_environment_is_the_documented_one(functions: Lambda) -> None:
    await functions.create(
        "env", FILES, "app.environment", MemorySize=256, Environment={"Variables": {"MINE": "1", "TZ": "Asia/Tokyo"}}
    )
    os.environ["NOT_FOR_FUNCTIONS"] = "secret"
    variables, _ = await functions.invoke("env")
    expected = {
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ASIAFUNCTION",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_LAMBDA_FUNCTION_NAME": "env",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/env",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "_HANDLER": "app.environment",
        "MINE": "1",
        "TZ": "Asia/Tokyo",
        "LANG": "en_US.UTF-8",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert variables["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert variables["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert (Path(variables["LAMBDA_TASK_ROOT"]) / "app.py").exists()
    assert "NOT_FOR_FUNCTIONS" not in variables
    assert not [name for name in variables if name.startswith("FORECOURT")]


async def test_the_context_object(functions: Lambda) -> None:
    context = base64.b64encode(json.dumps({"custom": {"k": "ü"}}).encode()).decode()
    seen, _ = await run(functions, "app.describe", ClientContext=context)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:app-describe"
    assert seen["arn"] == arn
    assert (seen["function_name"], seen["function_version"], seen["memory"]) == ("app-describe", "$LATEST", "128")
    assert 0 < seen["left"] <= 10_000
    assert seen["custom"] == {"k": "ü"}
    assert seen["group"] == "/aws/lambda/app-describe"
    assert seen["stream"] == functions.records.events[0][1]
    assert seen["request_id"] in functions.records.text
    assert (await run(functions, "app.describe", Qualifier="$LATEST"))[0]["arn"] == arn + ":$LATEST"


async def test_the_log_of_an_invocation(functions: Lambda) -> None:
    _, answer = await run(functions, "app.prints", LogType="Tail")
    messages = [message for _, _, message in functions.records.events]
    request_id = messages[1][17:53]
    assert messages[0].startswith("INIT_START Runtime Version: python3.11")
    assert messages[1:5] == [
        f"START RequestId: {request_id} Version: $LATEST\n",
        "one line\n",
        "no newline\n",
        f"END RequestId: {request_id}\n",
    ]
    assert messages[5].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "\tBilled Duration: " in messages[5]
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in messages[5]
    assert "\tInit Duration: " in messages[5]
    assert base64.b64decode(answer["LogResult"]).decode() == "".join(messages[1:])
    group, stream, _ = functions.records.events[0]
    assert group == "/aws/lambda/app-prints"
    assert stream[:11].count("/") == 3
    assert stream[11:20] == "[$LATEST]"
    await run(functions, "app.prints")
    assert "Init Duration" not in functions.records.events[-1][2]


async def test_a_log_record_of_several_lines_is_one_event(functions: Lambda) -> None:
    await run(functions, "app.logs")
    [message] = [message for _, _, message in functions.records.events if message.startswith("[WARNING]")]
    assert message.endswith("\ttwo\nlines\n")


async def test_the_tail_is_the_last_4_kb(functions: Lambda) -> None:
    await functions.create("chatty", {"app.py": "def handler(e, c):\n  for i in range(999): print('line', i)\n"})
    _, answer = await functions.invoke("chatty", LogType="Tail")
    tail = base64.b64decode(answer["LogResult"])
    assert len(tail) == 4096
    assert b"line 998\nEND RequestId" in tail


async def test_json_log_format(functions: Lambda) -> None:
    await functions.create("json", FILES, "app.logs", LoggingConfig={"LogFormat": "JSON"})
    await functions.invoke("json")
    entries = [json.loads(message) for _, _, message in functions.records.events]
    assert [entry["type"] for entry in entries if "type" in entry] == [
        "platform.initStart", "platform.start", "platform.report",
    ]  # fmt: skip
    [entry] = [entry for entry in entries if "level" in entry]
    assert (entry["level"], entry["message"], entry["logger"]) == ("WARNING", "two\nlines", "mine")
    assert entry["requestId"] == entries[-1]["record"]["requestId"]


async def test_a_warm_environment_is_reused_by_one_invocation_at_a_time(functions: Lambda) -> None:
    first, _ = await run(functions, "app.counts")
    second, _ = await run(functions, "app.counts")
    assert second == [first[0], 2]
    await functions.create("app-slow", FILES, "app.slow", Timeout=1)
    together = await asyncio.gather(*(run(functions, "app.slow") for _ in range(3)))
    assert functions.records.text.count("Task timed out") == 3
    assert all(payload["errorType"] == "Sandbox.Timedout" for payload, _ in together)


async def test_boto3_is_there_and_nothing_else_of_ours(functions: Lambda) -> None:
    await functions.create("boto", FILES, "app.versions", Timeout=20)
    assert (await functions.invoke("boto"))[0] == "boto3"


async def test_a_worker_inherits_no_socket_of_ours(functions: Lambda) -> None:
    kinds, _ = await run(functions, "app.descriptors")
    # /dev/null, its log (twice the same pipe) and its own connection to the Runtime API
    assert [kind for kind in kinds if kind not in ("/dev/null", "pipe")].count("socket") == 1
    assert kinds.count("pipe") == 2


async def test_each_environment_has_its_own_tmp_that_goes_with_it(functions: Lambda) -> None:
    (found, folder), _ = await run(functions, "app.writes_tmp")
    assert not found
    assert (await run(functions, "app.writes_tmp"))[0] == [True, folder]
    await functions.call("UpdateFunctionConfiguration", FunctionName="app-writes_tmp", Description="new")
    (found, other), _ = await run(functions, "app.writes_tmp")
    assert not found
    assert other != folder
    for _ in range(100):
        if not os.path.exists(folder):
            break
        await asyncio.sleep(0.02)
    assert not os.path.exists(folder)


async def test_a_time_out_kills_the_whole_process_group(functions: Lambda) -> None:
    payload, _ = await run(functions, "app.leaves_a_child", "hang")
    assert payload["errorType"] == "Sandbox.Timedout"
    child = int(functions.records.text.partition("child ")[2].split()[0])
    for _ in range(100):
        if not _alive(child):
            break
        await asyncio.sleep(0.02)
    assert not _alive(child)


async def test_what_a_function_started_ends_with_its_worker(functions: Lambda) -> None:
    await functions.create("parent", FILES, "app.leaves_a_child", Timeout=5)
    child, _ = await functions.invoke("parent")
    assert _alive(child)
    await functions.call("DeleteFunction", FunctionName="parent")
    for _ in range(100):
        if not _alive(child):
            break
        await asyncio.sleep(0.02)
    assert not _alive(child)


async def test_a_child_ends_when_the_worker_crashes(functions: Lambda) -> None:
    code = (
        "import os, subprocess\ndef handler(e, c):\n"
        "  print('child', subprocess.Popen(['sleep', '60']).pid, flush=True)\n  os._exit(1)\n"
    )
    await functions.create("crash", {"app.py": code}, Timeout=5)
    await functions.invoke("crash")
    child = int(functions.records.text.partition("child ")[2].split()[0])
    for _ in range(100):
        if not _alive(child):
            break
        await asyncio.sleep(0.02)
    assert not _alive(child)


async def test_an_init_that_takes_too_long_is_started_over(functions: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecourt.services.functions.runtime.environment.INIT_SECONDS", 0.4)
    slow_once = (
        "import os, time\nnote = os.environ['TMPDIR'] + '/once'\n"
        "if not os.path.exists(note):\n  open(note, 'w').close()\n  time.sleep(30)\n"
        "def handler(event, context): return 'at last'\n"
    )
    await functions.create("slow-init", {"app.py": slow_once}, Timeout=5)
    assert (await functions.invoke("slow-init"))[0] == "at last"
    assert "Phase: init\tStatus: timeout" in functions.records.text
    await functions.create("never-init", {"app.py": "import time\ntime.sleep(30)\n"}, Timeout=1)
    payload, _ = await functions.invoke("never-init")
    assert payload["errorType"] == "Sandbox.Timedout"


async def test_memory_is_watched_during_initialization_too(functions: Lambda) -> None:
    await functions.create("greedy-init", {"app.py": "import time\nx = b'x' * 400_000_000\ntime.sleep(5)\n"})
    payload, _ = await functions.invoke("greedy-init")
    assert payload["errorMessage"].endswith("Runtime exited with error: signal: killed")


async def test_who_gives_up_waiting_does_not_stop_the_function(functions: Lambda) -> None:
    await functions.create(
        "patient", {"app.py": "import time\ndef handler(e, c):\n  time.sleep(.3)\n  print('done')\n"}
    )
    impatient = asyncio.ensure_future(functions.invoke("patient"))
    while "START RequestId" not in functions.records.text:
        await asyncio.sleep(0.01)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    while "REPORT" not in functions.records.text:
        await asyncio.sleep(0.01)
    assert "done\n" in functions.records.text


async def test_a_worker_that_dies_while_idle_is_replaced(functions: Lambda) -> None:
    (pid, _), _ = await run(functions, "app.counts")
    os.kill(pid, signal.SIGKILL)
    while _alive(pid):
        time.sleep(0.001)
    (other, count), _ = await run(functions, "app.counts")
    assert other != pid
    assert count == 1


REFUSED: list[tuple[dict[str, Any], type[ServiceError], str]] = [
    ({"FunctionName": "nobody"}, ResourceNotFoundException,
     "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"),
    ({"FunctionName": "echo", "Qualifier": "7"}, ResourceNotFoundException,
     "Function not found: arn:aws:lambda:us-east-1:000000000000:function:echo:7"),
    ({"Payload": b"{nope"}, InvalidRequestContentException, "Could not parse request body into json: "),
    ({"Payload": b'"' + b"x" * 6_291_456 + b'"'}, RequestTooLargeException, "Request must be smaller than 6291456"),
    ({"Payload": b'"' + b"x" * 1_048_576 + b'"', "InvocationType": "Event"}, RequestEntityTooLargeException,
     "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)"),
    ({"ClientContext": "%%"}, InvalidRequestContentException, "Client context must be a valid Base64-encoded JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("params", "error", "message"), REFUSED)
async def test_refused_invocations(
    functions: Lambda, params: dict[str, Any], error: type[ServiceError], message: str
) -> None:
    await functions.create("echo", FILES, "app.echo")
    with pytest.raises(error) as refused:
        await functions.call("Invoke", **{"FunctionName": "echo", **params})
    assert refused.value.message.startswith(message)


async def test_a_dry_run_runs_nothing(functions: Lambda) -> None:
    await functions.create("echo", FILES, "app.echo")
    assert await functions.call("Invoke", FunctionName="echo", InvocationType="DryRun") == {
        "StatusCode": 204, "Payload": b"",
    }  # fmt: skip
    assert functions.records.events == []


async def test_reserved_concurrency_throttles(functions: Lambda) -> None:
    await functions.create("slow", FILES, "app.slow", Timeout=1)
    await functions.call("PutFunctionConcurrency", FunctionName="slow", ReservedConcurrentExecutions=1)
    busy = asyncio.ensure_future(functions.invoke("slow"))
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequestsException) as throttled:
        await functions.invoke("slow")
    assert throttled.value.members["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert (throttled.value.message, throttled.value.status) == ("Rate Exceeded.", 429)
    await busy
    assert ("Throttles", 1) in functions.records.metrics
    await functions.call("PutFunctionConcurrency", FunctionName="slow", ReservedConcurrentExecutions=0)
    with pytest.raises(TooManyRequestsException):
        await functions.invoke("slow")
    await functions.call("DeleteFunctionConcurrency", FunctionName="slow")
    assert (await functions.invoke("slow"))[0]["errorType"] == "Sandbox.Timedout"


async def test_metrics(functions: Lambda) -> None:
    await run(functions, "app.echo")
    await run(functions, "app.boom")
    counted = [(name, value) for name, value in functions.records.metrics if name != "Duration"]
    assert counted == [
        ("ConcurrentExecutions", 1), ("Invocations", 1), ("Errors", 0),
        ("ConcurrentExecutions", 1), ("Invocations", 1), ("Errors", 1),
    ]  # fmt: skip


async def test_a_symbolic_link_or_path_out_of_the_zip_is_refused(functions: Lambda) -> None:
    with pytest.raises(ServiceError) as refused:
        await functions.create("escape", zipped({"../evil.py": ""}))
    assert refused.value.message.startswith("Could not unzip uploaded file.")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
