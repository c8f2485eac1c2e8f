"""How a worker is started: command line and environment variables, per runtime.

There is no container, so that `/var/task`, `/opt` and `/tmp` are folders elsewhere: `LAMBDA_TASK_ROOT`, the search
paths of each language and `TMPDIR` say where. Nothing of Forecourt's own environment is passed on but `PATH`, and
`NODE_PATH` to Node.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from forecourt.base.ports import Credentials
from forecourt.services.functions.runtime.spec import FunctionSpec, family

_BOOTSTRAPS = Path(__file__).parent.parent / "bootstrap"
# A function's own values for these may name the folders of a container.
_SEARCH_PATHS = frozenset(("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH"))
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class Folders(msgspec.Struct, frozen=True):
    """Where a container would have `/var/task`, `/opt` and `/tmp`."""

    task: Path
    opt: Path
    tmp: Path


class InvalidEntrypoint(Exception):
    """There is nothing to start."""


def command(spec: FunctionSpec, folders: Folders) -> list[str]:
    """Raises `InvalidEntrypoint`."""
    return _wrapped(spec, folders, _COMMANDS[family(spec.runtime)](spec, folders))


def _python(spec: FunctionSpec, folders: Folders) -> list[str]:
    return [_python_interpreter(spec.runtime), "-S", str(_BOOTSTRAPS / "bootstrap.py")]


def _node(spec: FunctionSpec, folders: Folders) -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise InvalidEntrypoint(f"{spec.runtime} needs `node` on the PATH of Forecourt")
    # As on AWS, so that a function meets its memory limit inside V8 and not only from outside.
    heap_mb = max(spec.memory_mb * 9 // 10, 64)
    return [node, f"--max-old-space-size={heap_mb}", str(_BOOTSTRAPS / "bootstrap.mjs")]


def _provided(spec: FunctionSpec, folders: Folders) -> list[str]:
    for folder in (folders.task, folders.opt):
        if (folder / "bootstrap").is_file():
            return [str(folder / "bootstrap")]
    raise InvalidEntrypoint("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")


_COMMANDS: Mapping[str, Callable[[FunctionSpec, Folders], list[str]]] = {
    "python": _python,
    "nodejs": _node,
    "provided": _provided,
}


def _wrapped(spec: FunctionSpec, folders: Folders, argv: list[str]) -> list[str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper"""
    wrapper = spec.variables.get("AWS_LAMBDA_EXEC_WRAPPER")
    return [_relocated(wrapper, folders), *argv] if wrapper else argv


def _relocated(path: str, folders: Folders) -> str:
    for prefix, folder in (("/opt", folders.opt), ("/var/task", folders.task)):
        if path == prefix or path.startswith(prefix + "/"):
            return str(folder) + path.removeprefix(prefix)
    return path


@cache
def _python_interpreter(runtime: str) -> str:
    """The version that the runtime names if it is there, or the interpreter that runs Forecourt."""
    wanted = runtime.removeprefix("python")
    if wanted != f"{sys.version_info.major}.{sys.version_info.minor}":
        found = shutil.which(f"python{wanted}")
        # A shim on the PATH may stand for a version that is not installed.
        if found and subprocess.run([found, "-S", "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return sys.executable


def variables(
    spec: FunctionSpec,
    folders: Folders,
    *,
    runtime_api: str,
    endpoint_url: str,
    log_stream: str,
    credentials: Credentials | None,
) -> dict[str, str]:
    """The worker's environment: AWS's documented variables, the function's own, and what finds our folders."""
    own = {
        name: ":".join(_relocated(path, folders) for path in value.split(":")) if name in _SEARCH_PATHS else value
        for name, value in spec.variables.items()
    }
    paths = _PATHS.get(family(spec.runtime), _no_paths)(spec, folders, own)
    base = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": f"{folders.opt}/bin:{os.environ.get('PATH', _SYSTEM_PATH)}",
        "LD_LIBRARY_PATH": f"{folders.task}:{folders.task}/lib:{folders.opt}/lib",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "AWS_ENDPOINT_URL": endpoint_url,
    }
    reserved = {
        "_HANDLER": spec.handler,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_LOG_FORMAT": spec.log_format,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(folders.task),
        "LAMBDA_RUNTIME_DIR": str(_BOOTSTRAPS),
        "FORECOURT_OPT": str(folders.opt),
        # A container's home and /tmp are its own; the developer's ~/.aws must not reach a function either.
        "TMPDIR": str(folders.tmp),
        "HOME": str(folders.tmp),
    }
    if spec.log_level:
        reserved["AWS_LAMBDA_LOG_LEVEL"] = spec.log_level
    if credentials is not None:
        reserved["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
        reserved["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
        reserved["AWS_SESSION_TOKEN"] = credentials.session_token
    return {**base, **own, **paths, **reserved}


def _python_paths(spec: FunctionSpec, folders: Folders, own: Mapping[str, str]) -> dict[str, str]:
    # Where the packages are that AWS's runtime brings along (boto3); the bootstrap lets only those through.
    return {"FORECOURT_SITE_PACKAGES": sysconfig.get_path("purelib")}


def _node_paths(spec: FunctionSpec, folders: Folders, own: Mapping[str, str]) -> dict[str, str]:
    major = spec.runtime.removeprefix("nodejs").removesuffix(".x")
    layers = f"{folders.opt}/nodejs/node{major}/node_modules:{folders.opt}/nodejs/node_modules"
    # Where Forecourt's own NODE_PATH leads may be what AWS's runtime brings along: its SDK.
    brought = os.environ.get("NODE_PATH")
    return {"NODE_PATH": ":".join(filter(None, (own.get("NODE_PATH"), layers, str(folders.task), brought)))}


def _no_paths(spec: FunctionSpec, folders: Folders, own: Mapping[str, str]) -> dict[str, str]:
    return {}


_PATHS: Mapping[str, Callable[[FunctionSpec, Folders, Mapping[str, str]], dict[str, str]]] = {
    "python": _python_paths,
    "nodejs": _node_paths,
}
