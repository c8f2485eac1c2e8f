"""`forecourt iam explain`: may this principal do that, and which statement of which policy says so?"""

from __future__ import annotations

import click
from rich.console import Console

from forecourt.cli.options import endpoint_option
from forecourt.cli.remote import ask


@click.group()
def iam() -> None:
    """Ask the policy engine of a running Forecourt."""


@iam.command()
@endpoint_option
@click.argument("principal", metavar="PRINCIPAL-ARN")
@click.argument("action")
@click.argument("resource", default="*")
@click.option("--context", multiple=True, metavar="KEY=VALUE", help="A condition key: aws:SourceIp=10.0.0.1")
def explain(endpoint_url: str, principal: str, action: str, resource: str, context: tuple[str, ...]) -> None:
    """Explain whether PRINCIPAL-ARN (a user, a role, a root) may do ACTION on RESOURCE. Exit status 1: it may not.

    \b
    forecourt iam explain arn:aws:iam::000000000000:user/ann dynamodb:GetItem \\
        arn:aws:dynamodb:us-east-1:000000000000:table/pets
    """
    if not all("=" in pair for pair in context):
        raise click.UsageError("--context takes KEY=VALUE, as in aws:SourceIp=10.0.0.1")
    keys = dict(pair.split("=", 1) for pair in context)
    question = {"principal": principal, "action": action, "resource": resource, "context": keys}
    answer = ask(endpoint_url, "/_forecourt/iam/explain", question)
    console = Console(highlight=False, soft_wrap=True)
    console.print(answer["summary"], style="bold green" if answer["allowed"] else "bold red", markup=False)
    for step in answer["steps"]:
        console.print(f"  {step}", markup=False)
    if not answer["allowed"]:
        raise SystemExit(1)
