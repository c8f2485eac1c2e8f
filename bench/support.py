"""What the benchmarks share: servers pinned to a core, wrk, tables, and a file of figures."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from forecourt.testing import Forecourt

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
SERVER_CORE = "0"
LOAD_CORE = "1"
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Load(NamedTuple):
    """What wrk saw. Latencies in milliseconds."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise SystemExit(f"The benchmarks need {name}. As root: apt-get install nginx-light wrk")
    return found


@contextmanager
def pinned(core: str, *command: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process (and its children) on one core, ended at the end."""
    process = subprocess.Popen(
        ["taskset", "-c", core, *command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class PinnedForecourt(Forecourt):
    """An ephemeral Forecourt on the servers' core."""

    def __init__(self, *arguments: str) -> None:
        super().__init__(arguments=("--log-level", "warning", *arguments))
        self._command = ["taskset", "-c", SERVER_CORE, *self._command]


def wait_for(port: int, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port} after {seconds:.0f} s")


@contextmanager
def nginx(folder: Path, name: str, core: str, port: int, server: str, http: str = "") -> Iterator[tuple[int, int]]:
    """One nginx worker with `server` as the body of its server block. Yields its port and its process's id."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        f"worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;\n"
        "events { worker_connections 8192; }\n"
        "http { access_log off; keepalive_requests 100000000; client_body_temp_path /tmp; proxy_temp_path /tmp;\n"
        f"{http}\nserver {{ listen 127.0.0.1:{port} backlog=4096; {server} }} }}\n"
    )
    with pinned(core, program("nginx"), "-e", f"{folder}/{name}.log", "-c", str(configuration)) as process:
        wait_for(port)
        yield port, process.pid


def wrk(url: str, *, connections: int = 32, seconds: float = 4, script: Path | None = None) -> Load:
    """wrk on the load core with one thread."""
    arguments = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script is not None:
        arguments += ["-s", str(script)]
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, program("wrk"), *arguments, url], capture_output=True, text=True, check=True
    )
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
    errors = int(refused[1]) if refused else 0
    errors += sum(int(count) for count in broken.groups()) if broken else 0
    return Load(
        int(_number(r"(\d+) requests in", done.stdout)),
        _number(r"Requests/sec:\s+([\d.]+)", done.stdout),
        *_latencies(done.stdout),
        errors,
    )


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"wrk said something unexpected:\n{text}")
    return float(found[1])


def _latencies(text: str) -> tuple[float, float]:
    found = {percent: float(number) * _MILLISECONDS[unit] for percent, number, unit in _percentiles(text)}
    return found["50"], found["99"]


def _percentiles(text: str) -> list[tuple[str, str, str]]:
    return re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", text)


def resident_mb(pid: int) -> float:
    """The resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def cpu_seconds(pid: int) -> float:
    """User and system time that a process and its living children have used: what a noisy machine does not change."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _own_cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in children)


def _own_cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table and writes it to build/bench/NAME.json."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(_shown(cell) for cell in row))
    Console(width=120).print(table)
    BUILD.mkdir(parents=True, exist_ok=True)
    content = [dict(zip(columns, row, strict=True)) for row in rows]
    (BUILD / f"{name}.json").write_text(json.dumps({"title": title, "rows": content}, indent=1))


def _shown(cell: Any) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell >= 100 else f"{cell:.2f}"
    return "" if cell is None else str(cell)
