"""For users' tests: a throw-away Forecourt, boto3 clients for it, and a clock to move.

    from forecourt.testing import Forecourt

    with Forecourt() as forecourt:
        users = forecourt.client("cognito-idp")
        forecourt.advance_clock(2 * 86_400)
        forecourt.reset()

It runs in a process of its own (`forecourt start --ephemeral`) on a free port, as a user's application would meet it.
docs/testing.md has the fixtures.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from forecourt.edge.listen import free_port

__all__ = ["Forecourt", "free_port"]

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0


class Forecourt:
    """`data` is None for an ephemeral run. `arguments` are further ones of `forecourt start`."""

    def __init__(
        self,
        *,
        data: Path | None = None,
        port: int | None = None,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        where = ["--ephemeral"] if data is None else ["--data", str(data)]
        self._command = [sys.executable, "-m", "forecourt", "start", "--port", str(self.port), *where, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Forecourt:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("Forecourt has not been started")
        return self._process.pid

    @property
    def output(self) -> str:
        """What the process has printed so far."""
        self._output.flush()
        return os.pread(self._output.fileno(), 1 << 24, 0).decode(errors="replace")

    @property
    def aws_environment(self) -> dict[str, str]:
        """The variables by which an application's own AWS clients find this Forecourt."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def start(self) -> None:
        """Returns once everything deployed is served. Raises `RuntimeError` with the output where it does not start."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True
        )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"Forecourt ended with status {self._process.returncode}:\n{self.output}")
            try:
                self.ask("/_forecourt/ready", timeout_seconds=1)
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.kill()
        raise RuntimeError(f"Forecourt was not ready after {_START_SECONDS:.0f} s:\n{self.output}")

    def stop(self) -> int:
        """A graceful stop (SIGTERM). Returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL, as a power cut would do."""
        return self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def client(self, service: str, *, region: str = "us-east-1", account: str = "000000000000", **options: Any) -> Any:
        """A boto3 client. boto3 is not a dependency of Forecourt: install it to use this."""
        import boto3

        credentials = {"aws_access_key_id": account, "aws_secret_access_key": "test", **options}
        return boto3.client(service, endpoint_url=self.url, region_name=region, **credentials)  # type: ignore[call-overload]

    def ask(self, path: str, content: Any = None, timeout_seconds: float = 30) -> Any:
        """GET of one of Forecourt's own pages, or POST of `content` as JSON. Raises `OSError` (`HTTPError`)."""
        body = None if content is None else msgspec.json.encode(content)
        request = urllib.request.Request(self.url + path, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
            return msgspec.json.decode(response.read())

    def advance_clock(self, seconds: float) -> float:
        """Returns the new time in epoch seconds."""
        return float(self.ask("/_forecourt/clock/advance", {"seconds": seconds})["now"])

    def reset(self) -> None:
        """Forgets everything. Ephemeral runs only."""
        self.ask("/_forecourt/reset", {})

    def mailbox(self) -> list[dict[str, Any]]:
        """Mail and text messages that user pools sent, newest first."""
        messages: list[dict[str, Any]] = self.ask("/_forecourt/mailbox")["messages"]
        return messages

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
