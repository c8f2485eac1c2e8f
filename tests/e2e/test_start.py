"""What a start costs: no library is loaded that only some requests need."""

from __future__ import annotations

import subprocess
import sys

# A tenth of a second and ten megabytes each, or more
HEAVY = ("botocore", "moto", "lxml", "yaml", "OpenSSL", "boto3")


def test_a_start_waits_for_no_library_that_only_some_requests_need() -> None:
    program = f"import sys, forecourt.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
