"""The command line: `forecourt start | doctor | version | clock | settings | …`.

Commands other than `start` talk to a running Forecourt over HTTP. A mistake of the user's ends with a sentence that
says what to do and exit status 1 or 2, never with a traceback.
"""

from __future__ import annotations

import importlib

import click

from forecourt import __version__

# Each is the command of the same name in the module of the same name, loaded when it is called: `forecourt version`
# does not wait for Step Functions.
_COMMANDS = ("start", "doctor", "clock", "mailbox", "iam", "pools", "sfn", "settings", "coverage")


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(f"forecourt.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Amazon API Gateway, Amazon Cognito and AWS Step Functions on your own machine.

    \b
    forecourt start                 serve on http://localhost:4566, keep everything in ./data
    forecourt start --ephemeral     a throw-away run for tests
    forecourt doctor                is this machine, this folder and this port fit for it?

    Point any AWS tool at it: export AWS_ENDPOINT_URL=http://localhost:4566
    """


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"forecourt {__version__}")
