"""`forecourt clock`: show the clock of a running Forecourt, or move it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from forecourt.cli.options import endpoint_option
from forecourt.cli.remote import ask

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)([smhdw])$")


class Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.findall(r"\d+(?:\.\d+)?[a-z]?", value)
        parts = [_DURATION.match(part) for part in found]
        if not parts or "".join(found) != value or not all(parts):
            self.fail(f"{value!r} is not a duration. Write 90s, 15m, 2h, 2d, 1w, or several: 1d12h.", param, ctx)
        return sum(float(part[1]) * _UNITS[part[2]] for part in parts if part)


@click.group(invoke_without_command=True)
@endpoint_option
@click.pass_context
def clock(context: click.Context, endpoint_url: str) -> None:
    """Show Forecourt's clock, or move it forward.

    \b
    forecourt clock                   what time is it there?
    forecourt clock advance 2d        two days pass now: tokens expire, Wait states end, caches run out
    """
    context.obj = endpoint_url
    if context.invoked_subcommand is None:
        _show(ask(endpoint_url, "/_forecourt/clock"))


@clock.command()
@click.argument("duration", type=Duration())
@click.pass_obj
def advance(endpoint_url: str, duration: float) -> None:
    """Move the clock forward by DURATION (90s, 15m, 2h, 2d, 1w, 1d12h). It cannot be moved back."""
    _show(ask(endpoint_url, "/_forecourt/clock/advance", {"seconds": duration}))


def _show(shown: dict[str, float]) -> None:
    now = datetime.fromtimestamp(shown["now"], UTC).isoformat(timespec="seconds")
    offset = timedelta(seconds=round(shown["offset_seconds"]))
    click.echo(now + (f"  ({offset} ahead of the machine's clock)" if offset else ""))
