"""`forecourt coverage`: what is implemented, as Markdown; `docs/coverage.md` is its output."""

from __future__ import annotations

import click


@click.command()
def coverage() -> None:
    """List every operation of our services, implemented or not, as Markdown."""
    # Composing the application imports every service, which no other command should wait for.
    from forecourt.app import implemented_operations
    from forecourt.coverage import OUR_SERVICES
    from forecourt.coverage import coverage as page
    from forecourt.wire.models import model

    modeled = {service: sorted(model(service).operations) for service in OUR_SERVICES}
    click.echo(page(implemented_operations(), modeled), nl=False)
