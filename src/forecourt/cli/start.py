"""`forecourt start`: serve until SIGINT or SIGTERM, then let what is under way finish."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import TYPE_CHECKING, Any

import click
import msgspec
import uvloop
from rich.console import Console

from forecourt.cli.options import setting_options
from forecourt.edge.listen import free_port
from forecourt.settings import Settings, SettingsError, load
from forecourt.telemetry import process_log

if TYPE_CHECKING:
    from forecourt.app import Application

# Requests free what they make by reference counts alone; the collector need only look now and then for the rare cycle.
_YOUNG_OBJECTS = 50_000


@click.command()
@setting_options
def start(**flags: Any) -> None:
    """Serve AWS's API and the APIs that are deployed to it.

    \b
    forecourt start                          keep everything in ./data
    forecourt start --data /srv/forecourt --host 0.0.0.0 --public-url https://aws.example.org
    forecourt start --ephemeral --port 0     a throw-away run on a free port
    """
    # What composing makes stays to the end: looking for garbage among it only costs time, until `settle_collector`.
    gc.disable()
    # Composing the application imports every service, which no other command should wait for.
    from forecourt.app import CannotStart

    try:
        settings = load(flags)
        if settings.port == 0:
            settings = msgspec.structs.replace(settings, port=free_port())
        process_log.configure(settings.log_level.upper(), form=settings.log_format)
        uvloop.run(_serve(settings))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except CannotStart as error:
        raise click.ClickException(str(error)) from error


async def _serve(settings: Settings) -> None:
    from forecourt.app import Application

    application = Application(settings)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await application.start()
    settle_collector()
    try:
        _banner(application)
        await stopped.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            # A second signal ends the process at once: who asks twice does not want to wait.
            loop.remove_signal_handler(number)
        await application.stop()


def settle_collector() -> None:
    """What was made to start stays to the end: it is not looked through again at every collection."""
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)
    gc.enable()


def _banner(application: Application) -> None:
    settings = application.settings
    console = Console(highlight=False, soft_wrap=True)
    keeps = "in memory only" if settings.ephemeral else f"in {settings.data}/"
    console.print(f"[bold green]Forecourt serves on {settings.base_url}[/]   (keeps everything {keeps})\n")
    console.print(f"  export AWS_ENDPOINT_URL={settings.base_url} AWS_DEFAULT_REGION=us-east-1")
    if settings.iam_mode == "enforce":
        _show_administrator(console, application)
    else:
        console.print("  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test      # any credentials will do here")
    console.print("\n  aws apigateway get-rest-apis                                  # ask it something")
    console.print(f"  curl {settings.base_url}/_forecourt/health")
    console.print("  Ctrl-C stops it.\n")


def _show_administrator(console: Console, application: Application) -> None:
    keys = application.new_administrator
    if keys is None:
        console.print("  Unknown credentials are refused: use the access keys of this Forecourt's users.")
        return
    console.print("  The first administrator's keys, shown only this once:")
    console.print(f"  export AWS_ACCESS_KEY_ID={keys[0]} AWS_SECRET_ACCESS_KEY={keys[1]}")
