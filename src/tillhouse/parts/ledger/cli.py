"""`till ledger`: closing a period, and the heads of the sealed chain.

The context's object is a function that builds a house for this command; `apps/commands/ledger.py` puts it there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from pydantic import TypeAdapter

from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.house import House
from tillhouse.parts.ledger.domain import Head
from tillhouse.parts.ledger.flows import keep_head
from tillhouse.parts.ledger.ports import Anchors
from tillhouse.parts.ledger.service import closing

T = TypeVar("T")
_HEAD = TypeAdapter(Head)

app = typer.Typer(no_args_is_help=True, help="Close a period of the books; keep the head of their seal elsewhere.")


@app.command("close-period")
def close_period(
    context: typer.Context,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC; not included.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the closing.")],
) -> None:
    """Let nothing take effect before a time any more. It is not taken back."""

    async def close(house: House) -> None:
        async with house.database.transaction() as session:
            await closing.close_period(session, until.replace(tzinfo=UTC), by=SYSTEM, reason=reason)

    _run(context, close)
    typer.echo(f"The books are closed up to {until:%Y-%m-%d %H:%M:%S} UTC.")


@app.command("anchor")
def anchor(context: typer.Context) -> None:
    """Keep the head of the sealed chain with every anchor, and print it: for a place out of reach."""
    head = _run(context, keep_head)
    if head is None:
        typer.echo("Nothing is sealed yet: the worker does that once a minute.", err=True)
        raise typer.Exit(1)
    typer.echo(_HEAD.dump_json(head).decode())


@app.command("export-anchors")
def export_anchors(context: typer.Context) -> None:
    """Print every head that the anchors keep, a JSON object a line."""

    async def kept(house: House) -> Sequence[Head]:
        lists = [await one.kept() for one in house.the(Anchors).places]
        return [head for heads in lists for head in heads or ()]

    for head in _run(context, kept):
        typer.echo(_HEAD.dump_json(head).decode())


def _run(context: typer.Context, work: Callable[[House], Awaitable[T]]) -> T:
    async def run() -> T:
        house: House = context.obj()
        try:
            return await work(house)
        finally:
            await house.close()

    return asyncio.run(run())
