"""`till payments`: events and reconciliation. The context's object is a function that builds a house."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click

from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.house import House
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api
from tillhouse.parts.payments.flows.reconciliation import reports_of

T = TypeVar("T")

_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
_provider = click.option("--provider", default="razorpay", show_default=True, help="Whose report.")
_day = click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Day of its calendar; yesterday when left out.")


@click.group()
def command() -> None:
    """Look at providers' events again; reconcile with providers and the bank."""


@command.command("events")
@click.option("--state", type=click.Choice(["received", "processed", "ignored", "parked"]), help="Only these.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@_as_json
@click.pass_context
def list_events(context: click.Context, state: str | None, limit: int, as_json: bool) -> None:
    """List providers' events, newest first; `parked` ones were put aside, with the reason."""

    async def find(house: House) -> Sequence[api.EventView]:
        async with house.database.reading() as session:
            return (await api.events(session, state=state, limit=limit))[0]

    found = _in_house(context, find)
    if as_json:
        click.echo(json.dumps({"items": [_event_json(one) for one in found]}, indent=2))
    elif not found:
        click.echo("No such events.")
    else:
        for one in found:
            click.echo(f"{one.id}  {one.state:<9}  {one.provider:<10}  {one.name}  {one.reason or ''}".rstrip())


@command.command("replay")
@click.argument("event_id", type=click.UUID)
@_as_json
@click.pass_context
def replay(context: click.Context, event_id: UUID, as_json: bool) -> None:
    """Have a stored event looked at again: the provider is asked, and old news changes nothing."""

    async def again(house: House) -> api.EventView:
        async with house.database.transaction() as session:
            event = await api.replay_event(session, event_id)
            await identity.audit(session, SYSTEM, "payments.replay", f"event:{event.id}", {"provider": event.provider})
            return event

    event = _in_house(context, again)
    said = f"{event.name} of {event.provider} is looked at again."
    click.echo(json.dumps(_event_json(event)) if as_json else said)


def _event_json(event: api.EventView) -> JsonObject:
    return {
        "id": str(event.id),
        "provider": event.provider,
        "event_id": event.event_id,
        "name": event.name,
        "state": event.state,
        "reason": event.reason,
        "received_at": event.received_at.isoformat(),
    }


@command.command("reconcile")
@_provider
@_day
@_as_json
@click.pass_context
def reconcile(context: click.Context, provider: str, day: datetime | None, as_json: bool) -> None:
    """Fetch a provider's report of a day and hold it against the books and the bank. Safe to run again.

    Exit code 1: something differs; `till payments reconciliation` says what.
    """
    found = _in_house(context, lambda house: api.reconcile(house, provider, _date(day), by=SYSTEM))
    _show_days(context, found, as_json)


@command.command("reconciliation")
@_provider
@_day
@_as_json
@click.pass_context
def reconciliation(context: click.Context, provider: str, day: datetime | None, as_json: bool) -> None:
    """Print a day three ways: what the provider reported, what is booked, what is in the bank."""

    async def read(house: House) -> list[api.DayStatement]:
        async with house.database.reading() as session:
            found = await api.day_statement(session, provider, _date(day))
        if not found:
            reports_of(house, provider)  # a misspelt provider is not one that had nothing to report
        return found

    _show_days(context, _in_house(context, read), as_json)


@command.command("import-statement")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["camt053", "mt940", "csv"]), help="Seen from the file if left out."
)
@click.option("--account", default="", help="The account's number, for CSV.")
@click.option("--currency", default="", help="The account's currency, for CSV without a column of it.")
@click.option("--column", multiple=True, help='What a CSV column is called: "date=Txn Date"; repeat for more.')
@_as_json
@click.pass_context
def import_statement(  # noqa: PLR0917  click passes parameters by name
    context: click.Context, file: Path, form: api.Form | None, account: str, currency: str, column: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Import a statement of our bank: camt.053, MT940 or CSV. The same lines again add nothing."""
    handed_in = api.StatementFile(file.read_bytes(), form, account, currency, column)
    found = _in_house(context, lambda house: api.import_statement(house, handed_in, by=SYSTEM))
    if as_json:
        click.echo(json.dumps({"items": [_imported_json(one) for one in found]}))
        return
    for one in found:
        click.echo(f"{one.account}, {one.first_day} to {one.last_day}:")
        click.echo(f"  {one.added} new lines, {one.matched} of them matched; {one.known} known before")
        if one.changed:
            click.secho(f"  {one.changed} contradict a closed day: see the exceptions", fg="red")


@command.command("ageing")
@_as_json
@click.pass_context
def ageing(context: click.Context, as_json: bool) -> None:
    """Print what is open in the accounts that have to return to zero, by age."""

    async def read(house: House) -> list[api.AgedAccount]:
        async with house.database.reading() as session:
            return await api.ageing(session)

    found = _in_house(context, read)
    if as_json:
        click.echo(json.dumps({"items": [_aged_json(one) for one in found]}))
        return
    for account in found:
        click.secho(f"{account.account}  {account.balance} {account.balance.unit}", bold=bool(account.items))
        for name, amount in account.sums().items():
            if amount:
                click.echo(f"  {name:>5} days  {amount!s:>18}")
        for item in account.items:
            click.echo(f"    {item.since:%Y-%m-%d}  {item.amount!s:>18}  {item.item}")


def _show_days(context: click.Context, found: Sequence[api.DayStatement], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"items": [_day_json(one) for one in found]}))
    elif not found:
        click.echo("Nothing was reported for that day.")
    else:
        for one in found:
            _show_day(one)
    context.exit(0 if all(one.agrees for one in found) else 1)


def _show_day(one: api.DayStatement) -> None:
    click.secho(f"{one.provider}, {one.day}, {one.reported.unit}", bold=True)
    for title, amount in (("reported", one.reported), ("booked", one.booked), ("in the bank", one.banked)):
        click.echo(f"  {title:<12}{amount!s:>18}")
    for title, lines in (("reported, not booked", one.not_booked), ("reported, not in the bank", one.not_banked)):
        if lines:
            click.echo(f"  {title}:")
        for line in lines:
            click.echo(f"    {line.what:<12}{line.amount!s:>16}  {line.subject}")
    if one.unexplained:
        click.secho(f"  unexplained {one.unexplained!s:>18}", fg="red")


def _day_json(one: api.DayStatement) -> JsonObject:
    return {
        "provider": one.provider,
        "day": one.day.isoformat(),
        "currency": one.reported.unit,
        "reported": str(one.reported),
        "booked": str(one.booked),
        "banked": str(one.banked),
        "not_booked": [_difference_json(line) for line in one.not_booked],
        "not_banked": [_difference_json(line) for line in one.not_banked],
        "unexplained": str(one.unexplained),
        "agrees": one.agrees,
    }


def _difference_json(one: api.Difference) -> JsonObject:
    return {"what": one.what, "subject": one.subject, "amount": str(one.amount)}


def _imported_json(one: api.Imported) -> JsonObject:
    days: JsonObject = {"first_day": one.first_day.isoformat(), "last_day": one.last_day.isoformat()}
    counts: JsonObject = {"added": one.added, "known": one.known, "changed": one.changed, "matched": one.matched}
    return {"account": one.account, **days, **counts}


def _aged_json(one: api.AgedAccount) -> JsonObject:
    return {
        "account": one.account,
        "currency": one.balance.unit,
        "balance": str(one.balance),
        "buckets": {name: str(amount) for name, amount in one.sums().items()},
        "items": [
            {"item": item.item, "amount": str(item.amount), "since": item.since.isoformat(), "bucket": item.bucket}
            for item in one.items
        ],
    }


def _date(day: datetime | None) -> date:
    return day.date() if day else clock.now().date() - timedelta(days=1)


def _in_house(context: click.Context, work: Callable[[House], Awaitable[T]]) -> T:
    async def run() -> T:
        house: House = context.obj()
        try:
            return await work(house)
        finally:
            await house.close()

    return asyncio.run(run())
