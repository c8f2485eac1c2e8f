"""A worker: one process group, its output in one pipe, its end as a future.

Started in a session of its own, so that a time-out kills whatever the function started besides. It inherits no file
descriptor of ours but the pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_READ_BYTES = 64 * 1024


class Process:
    """Raises `OSError` where the command can't be started."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, on_output: Callable[[bytes], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_output = on_output
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            self._popen = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self.pid = self._popen.pid
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._output: int | None = read_end
        self._loop.add_reader(read_end, self.read_output)
        self._watch_exit()

    def read_output(self) -> None:
        """Passes on what the worker has written so far. Called by the loop, and before a result is reported: what the
        worker wrote before it answered is already in the pipe."""
        while self._output is not None:
            try:
                data = os.read(self._output, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self.close_output()
                return
            self._on_output(data)
            if len(data) < _READ_BYTES:
                return

    def close_output(self) -> None:
        if self._output is not None:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = None

    @property
    def alive(self) -> bool:
        """Asks the system: the loop may not have heard of its end yet."""
        if not hasattr(os, "waitid"):
            return not self.exited.done()
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def kill(self) -> None:
        """Ends the whole group. Idempotent: once the worker is reaped its number may be another process's."""
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def resident_bytes(self) -> int:
        """Memory of the worker and its direct children. 0 where the system does not tell."""
        return sum(_resident_bytes(pid) for pid in (self.pid, *_children(self.pid)))

    def _watch_exit(self) -> None:
        if not hasattr(os, "pidfd_open"):
            threading.Thread(target=self._wait_in_thread, daemon=True).start()
            return
        pidfd = os.pidfd_open(self.pid)

        def ended() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            # Whatever else the function started goes with it; the number is still the worker's.
            self.kill()
            self._reaped(self._popen.wait())

        self._loop.add_reader(pidfd, ended)

    def _wait_in_thread(self) -> None:
        status = self._popen.wait()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._reaped, status)

    def _reaped(self, status: int) -> None:
        if not self.exited.done():
            self.exited.set_result(status)


def describe_exit(status: int) -> str:
    """The words of AWS for the end of a runtime."""
    if status == 0:
        return "Runtime exited without providing a reason"
    if status > 0:
        return f"Runtime exited with error: exit status {status}"
    name = {signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGTERM: "terminated"}.get(
        signal.Signals(-status), (signal.strsignal(-status) or str(-status)).lower()
    )
    return f"Runtime exited with error: signal: {name}"


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []
