"""`forecourt mailbox`: the mail and text messages that user pools sent, where no SMTP server and no webhook is set."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from forecourt.cli.options import endpoint_option
from forecourt.cli.remote import ask


@click.command()
@endpoint_option
@click.option("--to", "recipient", help="Only messages to this address or number.")
@click.option("--last", is_flag=True, help="Only the newest one.")
def mailbox(endpoint_url: str, recipient: str | None, last: bool) -> None:
    """Show what user pools of a running Forecourt sent, newest first."""
    messages = ask(endpoint_url, "/_forecourt/mailbox")["messages"]
    shown = [message for message in messages if recipient in (None, message["To"])]
    if not shown:
        click.echo("The mailbox is empty." if recipient is None else f"Nothing was sent to {recipient}.")
    console = Console(highlight=False, soft_wrap=True)
    for message in shown[:1] if last else shown:
        _show(console, message)


def _show(console: Console, message: dict[str, Any]) -> None:
    for name, value in message.items():
        if name != "Body":
            console.print(f"[bold]{name}:[/] ", end="")
            console.print(str(value), markup=False)
    console.print()
    console.print(str(message.get("Body", "")), markup=False)
    console.print("─" * 60)
