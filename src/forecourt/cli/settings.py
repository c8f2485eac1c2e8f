"""`forecourt settings`: every setting as a Markdown table; `docs/settings.md` is its output."""

from __future__ import annotations

import click

from forecourt.settings import describe


@click.command()
def settings() -> None:
    """List every setting with its flag, its environment variable and its default, as Markdown."""
    click.echo(describe(), nl=False)
