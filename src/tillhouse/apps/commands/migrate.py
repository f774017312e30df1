"""`till migrate`: the database, brought to the revision this build needs."""

import click

from tillhouse.apps import migrate
from tillhouse.apps.revisions import head
from tillhouse.kernel.settings import KernelSettings


@click.command()
@click.option("--check", is_flag=True, help="Only compare tables and models; exit 1 when they differ.")
def command(check: bool) -> None:
    """Bring the database to the revision this build needs, as the owner role (DATABASE_OWNER_URL)."""
    settings = KernelSettings.load()
    url = settings.database_owner_url or settings.database_url
    if check:
        migrate.check_drift(url)
    else:
        migrate.upgrade(url)
        click.echo(f"The database is at revision {head()}.")
