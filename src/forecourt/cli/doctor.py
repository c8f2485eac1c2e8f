"""`forecourt doctor`: is this machine, this folder and this port fit for Forecourt?"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console

from forecourt.cli.options import setting_options
from forecourt.edge.listen import PortTaken, check_port
from forecourt.settings import Settings, SettingsError, load

_LEAST_FREE_BYTES = 256 * 1024 * 1024


class Finding(NamedTuple):
    """`ok` None: worth knowing, not a fault."""

    ok: bool | None
    what: str


@click.command()
@setting_options
def doctor(**flags: Any) -> None:
    """Check Python, the data folder, the port and the runtimes of functions. Takes the same options as start."""
    try:
        settings = load(flags)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    console = Console(highlight=False)
    findings = list(examine(settings))
    for finding in findings:
        mark = {True: "[green]ok[/]", False: "[red]no[/]", None: "[yellow]--[/]"}[finding.ok]
        console.print(f" {mark}  {finding.what}", soft_wrap=True)
    if any(finding.ok is False for finding in findings):
        raise SystemExit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    version = sys.version.split()[0]
    yield Finding(sys.version_info >= (3, 11), f"Python {version} (3.11 or newer is needed)")
    yield _port(settings)
    if settings.data_folder is not None:
        yield from _folder(settings.data_folder)
    yield Finding(
        True if settings.on_loopback else None,
        f"listens on {settings.host}; IAM enforcement is {settings.iam_mode!r}",
    )
    for program, used_for in (("node", "functions with a nodejs runtime"), ("aws", "the AWS CLI")):
        where = shutil.which(program)
        yield Finding(bool(where) or None, f"{program}: {where or 'not found'} ({used_for})")


def _port(settings: Settings) -> Finding:
    try:
        check_port(settings.host, settings.port)
    except PortTaken as error:
        return Finding(False, str(error))
    return Finding(True, f"{settings.host}:{settings.port} is free")


def _folder(folder: Path) -> Iterator[Finding]:
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        yield Finding(False, f"{place} is a file, so {folder} cannot be the data folder. Choose another with --data.")
        return
    if os.access(place, os.W_OK | os.X_OK):
        yield Finding(True, f"{folder} can be written")
    else:
        yield Finding(False, f"{place} cannot be written by this user. Choose another folder with --data.")
    free = shutil.disk_usage(place).free
    yield Finding(free >= _LEAST_FREE_BYTES, f"{free // 1024 // 1024:,} MB free in {place}")
