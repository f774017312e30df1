"""`till payments`: providers' events as they stand, and another look at one of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import click

from tillhouse.apps.compose import build_house
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import Session
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api as payments

T = TypeVar("T")
_as_json = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


@click.group()
def command() -> None:
    """List and replay providers' events."""


@command.command("events")
@click.option("--state", type=click.Choice(["received", "processed", "ignored", "parked"]), help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@_as_json
def list_events(state: str | None, limit: int, as_json: bool) -> None:
    """List events, newest first; `parked` ones were put aside, with the reason."""

    async def find(session: Session) -> list[payments.EventView]:
        return list((await payments.events(session, state=state, limit=limit))[0])

    found = _in_transaction(find)
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found], indent=2))
    elif not found:
        click.echo("No such events.")
    else:
        for one in found:
            click.echo(f"{one.id}  {one.state:<9}  {one.provider:<10}  {one.name}  {one.reason or ''}".rstrip())


@command.command("replay")
@click.argument("event_id", type=click.UUID)
@_as_json
def replay(event_id: UUID, as_json: bool) -> None:
    """Have a stored event looked at again: the provider is asked, and old news changes nothing."""

    async def again(session: Session) -> payments.EventView:
        event = await payments.replay_event(session, event_id)
        await identity.audit(session, SYSTEM, "payments.replay", f"event:{event.id}", {"provider": event.provider})
        return event

    event = _in_transaction(again)
    click.echo(json.dumps(_plain(event)) if as_json else f"{event.name} of {event.provider} is looked at again.")


def _plain(event: payments.EventView) -> dict[str, str | None]:
    return {
        "id": str(event.id),
        "provider": event.provider,
        "event_id": event.event_id,
        "name": event.name,
        "state": event.state,
        "reason": event.reason,
        "received_at": event.received_at.isoformat(),
    }


def _in_transaction(work: Callable[[Session], Awaitable[T]]) -> T:
    async def run() -> T:
        house = build_house(KernelSettings.load(), process="payments")
        try:
            async with house.database.transaction() as session:
                return await work(session)
        finally:
            await house.close()

    return asyncio.run(run())
