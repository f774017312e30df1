"""`till worker`: background jobs."""

from typing import cast

import click

from tillhouse.apps import worker
from tillhouse.kernel.work import Lane
from tillhouse.kernel.work.registry import LANES


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--lane", "lanes", multiple=True, type=click.Choice(list(LANES)), help="Only this lane; repeatable.")
def command(modules: tuple[str, ...], lanes: tuple[str, ...]) -> None:
    """Run background jobs of all modules, or of the MODULES named."""
    worker.main(modules, cast("tuple[Lane, ...]", lanes) or LANES)
