"""`till relay`: sends what is due to the workers."""

import click

from tillhouse.apps import relay


@click.command()
def command() -> None:
    """Send due jobs and events to the workers, and keep the schedules. One is enough; two are harmless."""
    relay.main()
