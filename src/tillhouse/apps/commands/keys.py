"""`till keys`: encryption keys."""

import asyncio

import click
from cryptography.fernet import Fernet

from tillhouse.apps.compose import build_house
from tillhouse.kernel.rotation import rotate_keys
from tillhouse.kernel.settings import KernelSettings


@click.group()
def command() -> None:
    """Make encryption keys and rotate them. docs/howto/keep-keys.md says when and how."""


@command.command()
def new() -> None:
    """Print a new key for the front of ENCRYPTION_KEYS."""
    click.echo(Fernet.generate_key().decode())


@command.command()
def rotate() -> None:
    """Rewrite everything sealed under the first of ENCRYPTION_KEYS. Safe to repeat, to interrupt, and while it runs."""
    asyncio.run(_rotate())


async def _rotate() -> None:
    house = build_house(KernelSettings.load(), process="keys")
    try:
        async for sealed, count in rotate_keys(house):
            click.echo(f"{sealed.table}.{sealed.column}: {count} rewritten")
    finally:
        await house.close()
