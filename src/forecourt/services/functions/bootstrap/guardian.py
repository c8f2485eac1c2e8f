"""Outlives Forecourt by a moment: when its parent ends in whatever way, it kills the workers that are left.

Reads lines from standard input, `+PID FOLDER` for a worker's process group with its folder and `-PID` once it is gone.
At the end of input (the parent is dead: nobody else holds the pipe) it kills what is still listed and removes folders.
"""

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    workers: dict[int, str] = {}
    for line in sys.stdin:
        pid, _, folder = line[1:].rstrip("\n").partition(" ")
        if line[0] == "+":
            workers[int(pid)] = folder
        else:
            workers.pop(int(pid), None)
    for pid in workers:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    for folder in workers.values():
        shutil.rmtree(folder, ignore_errors=True)


main()
