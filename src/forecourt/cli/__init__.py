"""The command line: `forecourt start | doctor | version | clock | settings | …`.

Commands other than `start` talk to a running Forecourt over HTTP. A mistake of the user's ends with a sentence that
says what to do and exit status 1 or 2, never with a traceback.
"""

from __future__ import annotations

import click

from forecourt import __version__
from forecourt.cli.clock import clock
from forecourt.cli.coverage import coverage
from forecourt.cli.doctor import doctor
from forecourt.cli.settings import settings
from forecourt.cli.start import start


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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


for command in (start, doctor, clock, settings, coverage):
    main.add_command(command)
