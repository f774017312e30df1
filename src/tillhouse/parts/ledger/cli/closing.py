"""Closing a period, and the heads of the sealed chain, from the command line."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click
from pydantic import TypeAdapter

from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.house import House
from tillhouse.parts.ledger.domain import Head
from tillhouse.parts.ledger.flows.sealing import keep_head
from tillhouse.parts.ledger.ports import Anchors
from tillhouse.parts.ledger.service import closing

T = TypeVar("T")
_HEAD = TypeAdapter(Head)


@click.command("close-period")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    required=True,
    help="In UTC; not included.",
)
@click.option("--reason", required=True, help="Why; it is kept with the closing.")
@click.pass_context
def close_period(context: click.Context, until: datetime, reason: str) -> None:
    """Let nothing take effect before a time any more. It is not taken back."""

    async def close(house: House) -> None:
        async with house.database.transaction() as session:
            await closing.close_period(session, until.replace(tzinfo=UTC), by=SYSTEM, reason=reason)

    _run(context, close)
    click.echo(f"The books are closed up to {until:%Y-%m-%d %H:%M:%S} UTC.")


@click.command("anchor")
@click.pass_context
def anchor(context: click.Context) -> None:
    """Keep the head of the sealed chain with every anchor, and print it: for a place out of reach."""
    head = _run(context, keep_head)
    if head is None:
        click.echo("Nothing is sealed yet: the worker does that once a minute.", err=True)
        context.exit(1)
    click.echo(_HEAD.dump_json(head).decode())


@click.command("export-anchors")
@click.pass_context
def export_anchors(context: click.Context) -> None:
    """Print every head that the anchors keep, a JSON object a line."""

    async def kept(house: House) -> Sequence[Head]:
        lists = [await one.kept() for one in house.the(Anchors).places]
        return [head for heads in lists for head in heads or ()]

    for head in _run(context, kept):
        click.echo(_HEAD.dump_json(head).decode())


def _run(context: click.Context, work: Callable[[House], Awaitable[T]]) -> T:
    async def run() -> T:
        house: House = context.obj()
        try:
            return await work(house)
        finally:
            await house.close()

    return asyncio.run(run())
