"""`till docs`: the reference pages that are generated from the code."""

from pathlib import Path

import click

from tillhouse.apps import reference
from tillhouse.apps.revisions import MIGRATIONS


@click.command()
def command() -> None:
    """Write the reference pages that are generated from the code, and `.env.example`."""
    written: list[Path] = reference.write(MIGRATIONS.parent)
    click.echo("\n".join(f"wrote {path}" for path in written) or "Everything is up to date.")
