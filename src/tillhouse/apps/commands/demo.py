"""`till demo`: believable data to look at and work with."""

import asyncio
import dataclasses
import json
from pathlib import Path

import click

from tillhouse.apps.compose import build_house
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.manifest import DemoSignIn
from tillhouse.kernel.settings import KernelSettings


@click.command()
def command() -> None:
    """Fill the database with believable data. Safe to repeat; refused in production."""
    settings = KernelSettings.load()
    if settings.production:
        raise Conflict("Demo data does not belong into production: nothing was changed.")
    people = asyncio.run(_seed(settings))
    path = Path(settings.data_folder) / "demo.json"
    path.write_text(json.dumps([dataclasses.asdict(person) for person in people], indent=2))
    click.echo(f"{len(people)} people to sign in as: {path}")


async def _seed(settings: KernelSettings) -> list[DemoSignIn]:
    house = build_house(settings, process="demo")
    people: list[DemoSignIn] = []
    try:
        for module in house.modules:
            if module.demo:
                async with house.database.transaction() as session:
                    people += await module.demo().seed(session)
    finally:
        await house.close()
    return people
