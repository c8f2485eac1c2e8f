"""`python -m forecourt.cli.wait`: returns once a Forecourt at --endpoint-url is ready. For scripts."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request

import click

from forecourt.cli.options import endpoint_option


@click.command()
@endpoint_option
@click.option("--seconds", default=30.0, help="How long to wait. [default: 30]")
@click.option("--pid", type=int, help="The process that is to serve: when it has ended, it has said why.")
def wait(endpoint_url: str, seconds: float, pid: int | None) -> None:
    """Wait until Forecourt serves everything that is deployed."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(endpoint_url.rstrip("/") + "/_forecourt/ready", timeout=2):
                return
        except OSError as error:
            if pid is not None and not _runs(pid):
                raise SystemExit(1) from error
            if time.monotonic() > deadline:
                raise click.ClickException(f"No Forecourt is ready at {endpoint_url} after {seconds:.0f} s") from error
            time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    wait()
