"""The JSONata library must not raise the recursion limit for everybody: nesting is bounded by it elsewhere."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from forecourt.services.stepfunctions.asl import jsonata
jsonata.Expression(" (((1))) ")
assert sys.getrecursionlimit() == 1000, sys.getrecursionlimit()
"""


def test_the_recursion_limit_is_as_usual() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
