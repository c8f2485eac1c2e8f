"""Node, executables of one's own, layers, wrappers, and workers that must not outlive Forecourt."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.functions.harness import Lambda, zipped
from tests.functions.test_invocations import _alive

COMMON_JS = """
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
exports.echo = async (event) => event
exports.callback = (event, context, callback) => { setTimeout(() => callback(null, event), 5) }
exports.waits = (event, context, callback) => { setTimeout(() => console.log('later'), 30); callback(null, 'now') }
exports.hasty = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false
  setTimeout(() => {}, 60000)
  callback(null, 'now')
}
exports.fails = (event, context, callback) => callback(new RangeError('far'))
exports.throws = async () => { throw new TypeError('wrong') }
exports.nothing = async () => {}
exports.never = () => new Promise(() => {})
exports.rejects = async () => { Promise.reject(new Error('lost')); await sleep(50) }
exports.uncaught = async () => { setTimeout(() => { throw new Error('loose') }, 1); await sleep(50) }
exports.exits = async () => { process.exit(4) }
exports.slow = async () => sleep(30000)
exports.logs = async () => { console.log('a %s', 'b'); console.error('two\\nlines') }
exports.context = async (event, context) => ({
  name: context.functionName, memory: context.memoryLimitInMB, arn: context.invokedFunctionArn,
  left: context.getRemainingTimeInMillis() > 0, custom: context.clientContext?.custom, id: context.awsRequestId
})
exports.stream = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain')
  for (const word of ['one', 'two']) { stream.write(word); await sleep(5) }
  if (event === 'fail') throw new Error('midway')
  stream.end()
})
exports.nested = { deep: async () => 'found' }
"""
FILES = {
    "index.js": COMMON_JS,
    "esm.mjs": "export const handler = async (event) => [import.meta.url.slice(-7), event]\n",
    "bad.js": "exports.handler = (\n",
    "module/package.json": '{"type": "module"}',
    "module/main.js": "export const handler = async () => 'esm'\n",
}
SYNTAX = "SyntaxError: Unexpected end of input"

SUCCESSES: list[tuple[str, Any, Any]] = [
    ("index.echo", {"a": ["ü"]}, {"a": ["ü"]}),
    ("index.callback", 5, 5),
    ("index.waits", 5, "now"),
    ("index.hasty", 5, "now"),
    ("index.nothing", 5, None),
    ("index.nested.deep", 5, "found"),
    ("esm.handler", 5, ["esm.mjs", 5]),
    ("module/main.handler", 5, "esm"),
]
FAILURES = [
    ("index.fails", "RangeError", "far"),
    ("index.throws", "TypeError", "wrong"),
    ("index.rejects", "Runtime.UnhandledPromiseRejection", "Error: lost"),
    ("index.uncaught", "Error", "loose"),
    ("index.exits", "Runtime.ExitError", "exit status 4"),
    ("index.slow", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
    ("index.never", "Runtime.NodeJsExit", "a Promise that was never settled"),
    ("index.missing", "Runtime.HandlerNotFound", "index.missing is undefined or not exported"),
    ("absent.handler", "Runtime.ImportModuleError", "Cannot find module 'absent'"),
    ("bad.handler", "Runtime.UserCodeSyntaxError", SYNTAX),
    ("index", "Runtime.MalformedHandlerName", "Bad handler"),
]


async def node(functions: Lambda, handler: str, event: Any = None, **more: Any) -> tuple[Any, dict[str, Any]]:
    seconds = 1 if handler == "index.slow" else 10
    await functions.create("node", FILES, handler, Runtime="nodejs20.x", Timeout=seconds)
    return await functions.invoke("node", event, **more)


@pytest.mark.parametrize(("handler", "event", "expected"), SUCCESSES, ids=[case[0] for case in SUCCESSES])
async def test_node_handlers(functions: Lambda, handler: str, event: Any, expected: Any) -> None:
    payload, answer = await node(functions, handler, event)
    assert payload == expected, functions.records.text
    assert "FunctionError" not in answer
    # The same worker serves again.
    assert (await functions.invoke("node", event))[0] == expected
    assert functions.records.text.count("INIT_START") == 1


@pytest.mark.parametrize(("handler", "error_type", "message"), FAILURES, ids=[case[0] for case in FAILURES])
async def test_node_errors(functions: Lambda, handler: str, error_type: str, message: str) -> None:
    payload, answer = await node(functions, handler)
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == error_type
    assert message in payload["errorMessage"]


async def test_node_waits_for_an_empty_event_loop(functions: Lambda) -> None:
    await node(functions, "index.waits")
    assert "INFO\tlater\n" in functions.records.text


async def test_node_console(functions: Lambda) -> None:
    await node(functions, "index.logs")
    lines = [message.split("\t", 1)[1] for _, _, message in functions.records.events if "\tINFO\t" in message]
    request_id = functions.records.text.partition("START RequestId: ")[2][:36]
    assert lines == [f"{request_id}\tINFO\ta b\n"]
    assert f"{request_id}\tERROR\ttwo\nlines\n" in functions.records.text


async def test_node_context(functions: Lambda) -> None:
    seen, _ = await node(functions, "index.context", ClientContext="eyJjdXN0b20iOiB7ImsiOiAxfX0=")
    request_id = functions.records.text.partition("START RequestId: ")[2][:36]
    assert seen == {
        "name": "node", "memory": "128", "arn": "arn:aws:lambda:us-east-1:000000000000:function:node",
        "left": True, "custom": {"k": 1}, "id": request_id,
    }  # fmt: skip


async def stream(functions: Lambda, event: Any) -> list[dict[str, Any]]:
    answer = await functions.call("InvokeWithResponseStream", FunctionName="node", Payload=json.dumps(event).encode())
    assert answer["StatusCode"] == 200
    return [event async for event in answer["EventStream"]]


async def test_a_streamed_response_comes_in_pieces(functions: Lambda) -> None:
    await functions.create("node", FILES, "index.stream", Runtime="nodejs20.x")
    assert await stream(functions, None) == [
        {"PayloadChunk": {"Payload": b"one"}}, {"PayloadChunk": {"Payload": b"two"}}, {"InvokeComplete": {}},
    ]  # fmt: skip
    failed = await stream(functions, "fail")
    assert failed[:2] == [{"PayloadChunk": {"Payload": b"one"}}, {"PayloadChunk": {"Payload": b"two"}}]
    assert failed[2]["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(failed[2]["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "midway"
    # Who asks for it in one piece gets it so.
    answer = await functions.call("Invoke", FunctionName="node", Payload=b"1")
    assert answer["Payload"] == b"onetwo"


# As a runtime of one's own would: the standard library's HTTP client, a connection per request.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, os
print("bootstrap in", os.getcwd() == os.environ["LAMBDA_TASK_ROOT"], flush=True)
def call(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, {{"Content-Type": "application/json"}})
    reply = connection.getresponse()
    return reply.headers, reply.read()
while True:
    headers, event = call("GET", "invocation/next")
    path = "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"]
    if event == b'"fail"':
        call("POST", path + "/error", b'{{"errorType": "Mine", "errorMessage": "as asked"}}')
    else:
        call("POST", path + "/response", b'{{"handler": "' + os.environ["_HANDLER"].encode() + b'"}}')
"""
SHELL = """#!/bin/sh
set -eu
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event=$(curl -sS -D "$TMPDIR/headers" "$api/next")
  id=$(grep -i aws-request-id "$TMPDIR/headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$api/$id/response" -d "{\\"shell\\": $event}" > /dev/null
done
"""


@pytest.mark.parametrize(
    ("bootstrap", "expected"), [(BOOTSTRAP, {"handler": "mine"}), (SHELL, {"shell": 7})], ids=["python", "shell"]
)
async def test_any_executable_is_a_runtime(functions: Lambda, bootstrap: str, expected: Any) -> None:
    code = zipped({"bootstrap": bootstrap}, executable=("bootstrap",))
    await functions.create("own", code, "mine", Runtime="provided.al2023", Timeout=20)
    for _ in range(3):
        assert (await functions.invoke("own", 7))[0] == expected


async def test_a_runtime_of_ones_own_reports_errors(functions: Lambda) -> None:
    code = zipped({"bootstrap": BOOTSTRAP}, executable=("bootstrap",))
    await functions.create("own", code, "mine", Runtime="provided.al2", Timeout=20)
    payload, answer = await functions.invoke("own", "fail")
    assert (payload, answer["FunctionError"]) == ({"errorType": "Mine", "errorMessage": "as asked"}, "Unhandled")
    assert "bootstrap in True\n" in functions.records.text
    # It asks again a moment after it answered: that is waited for, and nothing started anew.
    assert (await functions.invoke("own"))[0] == {"handler": "mine"}
    assert functions.records.text.count("INIT_START") == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (zipped({"other": ""}), "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        (zipped({"bootstrap": "#!/bin/sh\n"}), "permission denied"),
        (zipped({"bootstrap": "no executable"}, executable=("bootstrap",)), "exec format error"),
    ],
)
async def test_what_cannot_be_started_is_an_invalid_entrypoint(functions: Lambda, code: bytes, message: str) -> None:
    await functions.create("own", code, "mine", Runtime="provided.al2023")
    payload, _ = await functions.invoke("own")
    assert payload["errorType"] == "Runtime.InvalidEntrypoint"
    assert message in payload["errorMessage"]


async def publish(functions: Lambda, name: str, files: dict[str, str], executable: tuple[str, ...] = ()) -> str:
    content = {"ZipFile": zipped(files, executable)}
    layer = await functions.call("PublishLayerVersion", LayerName=name, Content=content)
    return str(layer["LayerVersionArn"])


async def test_layers_are_on_the_search_paths_later_over_earlier(functions: Lambda) -> None:
    first = await publish(
        functions, "one", {"python/common.py": "NAME = 'one'\n", "python/mine.py": "", "data.txt": "1"}
    )
    tool = {"python/common.py": "NAME = 'two'\n", "bin/tool": "#!/bin/sh\necho tool\n"}
    second = await publish(functions, "two", tool, ("bin/tool",))
    code = (
        "import common, subprocess, mine\n"
        "def handler(e, c): return [common.NAME, subprocess.check_output(['tool'], text=True)]\n"
    )
    await functions.create("layered", {"app.py": code}, Layers=[first, second], Timeout=10)
    assert (await functions.invoke("layered"))[0] == ["two", "tool\n"]
    await functions.call("UpdateFunctionConfiguration", FunctionName="layered", Layers=[second, first])
    assert (await functions.invoke("layered"))[0] == ["one", "tool\n"]


async def test_node_finds_modules_in_layers(functions: Lambda) -> None:
    layer = await publish(functions, "node", {"nodejs/node_modules/shared/index.js": "module.exports = 'shared'\n"})
    code = "const shared = require('shared'); exports.handler = async () => shared\n"
    await functions.create("layered", {"app.js": code}, Runtime="nodejs20.x", Layers=[layer], Timeout=10)
    assert (await functions.invoke("layered"))[0] == "shared"


async def test_search_paths_of_ones_own_name_a_containers_folders(functions: Lambda) -> None:
    layer = await publish(functions, "vendored", {"vendored/shared.py": "NAME = 'shared'\n"})
    files = {
        "app.py": "import local, shared\ndef handler(e, c): return [local.NAME, shared.NAME]\n",
        "lib/local.py": "NAME = 'local'\n",
    }
    variables = {"PYTHONPATH": "/var/task/lib:/opt/vendored"}
    await functions.create("paths", files, Layers=[layer], Environment={"Variables": variables}, Timeout=10)
    assert (await functions.invoke("paths"))[0] == ["local", "shared"]


async def test_an_exec_wrapper_from_a_layer(functions: Lambda) -> None:
    layer = await publish(functions, "wrap", {"wrapper": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'}, ("wrapper",))
    await functions.create(
        "wrapped",
        {"app.py": "import os\ndef handler(e, c): return os.environ['WRAPPED']\n"},
        Layers=[layer],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
        Timeout=10,
    )
    assert (await functions.invoke("wrapped"))[0] == "yes"


PARENT = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from forecourt.base.clock import Clock
from forecourt.store import open_store
from tests.functions.harness import Lambda

async def main():
    functions = Lambda(open_store(None, Clock()), Path({folder!r}), Clock())
    await functions.functions.start()
    await functions.create("f", {{"app.py": {code!r}}}, Timeout=60)
    asyncio.ensure_future(functions.invoke("f"))
    while "child" not in functions.records.text:
        await asyncio.sleep(0.01)
    print(functions.records.text.partition("child ")[2].split()[:2], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_workers_do_not_outlive_a_killed_forecourt(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, time\ndef handler(e, c):\n"
        "  print('child', os.getpid(), subprocess.Popen(['sleep', '60']).pid)\n  time.sleep(60)\n"
    )
    script = PARENT.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path), code=code)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    line = await asyncio.to_thread(parent.stdout.readline)
    pids = [int(pid) for pid in json.loads(line.replace("'", '"'))]
    assert len(pids) == 2
    assert all(_alive(pid) for pid in pids)
    parent.kill()
    parent.wait()
    for _ in range(200):
        if not any(_alive(pid) for pid in pids):
            break
        await asyncio.sleep(0.02)
    assert not any(_alive(pid) for pid in pids)
    for _ in range(100):
        if not os.listdir(tmp_path / "work" / "environments"):
            break
        await asyncio.sleep(0.02)
    assert os.listdir(tmp_path / "work" / "environments") == []
