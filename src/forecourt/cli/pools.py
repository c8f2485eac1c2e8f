"""`forecourt pools`: what an operator does to user pools that AWS's API has no call for."""

from __future__ import annotations

import click

from forecourt.cli.options import endpoint_option
from forecourt.cli.remote import ask


@click.group()
def pools() -> None:
    """Operate user pools."""


@pools.command("rotate-key")
@click.argument("pool_id")
@endpoint_option
def rotate_key(pool_id: str, endpoint_url: str) -> None:
    """Give POOL_ID a new signing key. New tokens are signed with it; the old keys go on verifying theirs."""
    told = ask(endpoint_url, "/_forecourt/pools/rotate-key", {"pool_id": pool_id})
    click.echo(f"{pool_id} now signs with key {told['kid']}")
