"""Reports, exports and opening balances from the command line."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar, get_args

import click

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.sheets import cell, csv_line
from tillhouse.parts.ledger.domain.exporting import ExportFormat
from tillhouse.parts.ledger.domain.reports import BalanceSheet, IncomeStatement, ReportLine, TrialBalance
from tillhouse.parts.ledger.service.exporting import export
from tillhouse.parts.ledger.service.openings import Imported, import_openings
from tillhouse.parts.ledger.service.reporting import balance_sheet, income_statement, trial_balance

T = TypeVar("T")

_at = click.option("--at", metavar="DATE", help="Until the end of this day (UTC); default: now.")
_since = click.option("--since", metavar="DATE", help="First effective day (UTC).")
_until = click.option("--until", metavar="DATE", help="Last effective day (UTC).")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
_as_csv = click.option("--csv", "as_csv", is_flag=True, help="CSV, for spreadsheets.")


@click.group()
def command() -> None:
    """Reports, exports and opening balances of the books; closing and sealing them."""


class _Undone(Exception):  # leaves the transaction, carrying what was found
    def __init__(self, found: Imported) -> None:
        super().__init__()
        self.found = found


@command.command("trial-balance")
@_at
@_as_json
@_as_csv
@click.pass_context
def trial_balance_command(context: click.Context, at: str | None, as_json: bool, as_csv: bool) -> None:
    """Every account of the chart that is not at zero: debits and credits, which are equal in each unit."""
    found = _read(context, lambda session: trial_balance(session, at=_end_of(at)))
    if as_json:
        click.echo(json.dumps({"at": at, "units": [_trial_json(one) for one in found]}, indent=2))
    elif as_csv:
        click.echo(csv_line(["number", "account", "title", "type", "unit", "debit", "credit"]), nl=False)
        for line in (line for one in found for line in one.lines):
            click.echo(csv_line([*_names(line), line.total.unit, line.debit, line.credit]), nl=False)
    else:
        for one in found:
            rows = [(_label(line), _shown(line.debit), _shown(line.credit)) for line in one.lines]
            _table(one.unit, [*rows, ("", str(one.debit), str(one.credit))])


@command.command("balance-sheet")
@_at
@_as_json
@_as_csv
@click.pass_context
def balance_sheet_command(context: click.Context, at: str | None, as_json: bool, as_csv: bool) -> None:
    """What the house has, what it owes, and the result: assets = liabilities + equity + result in each unit."""
    found = _read(context, lambda session: balance_sheet(session, at=_end_of(at)))
    if as_json:
        click.echo(json.dumps({"at": at, "units": [_sheet_json(one) for one in found]}, indent=2))
    elif as_csv:
        _amounts_csv([(one.lines, one.result) for one in found])
    else:
        for one in found:
            rows = [(_label(line), str(line.natural)) for line in one.lines]
            _table(one.unit, [*rows, ("Result", str(one.result)), *_sheet_totals(one)])


@command.command("income-statement")
@click.option("--since", metavar="DATE", required=True, help="First effective day (UTC).")
@click.option("--until", metavar="DATE", required=True, help="Last effective day (UTC).")
@_as_json
@_as_csv
@click.pass_context
def income_statement_command(context: click.Context, since: str, until: str, as_json: bool, as_csv: bool) -> None:
    """What a period brought and cost: income − expenses = result in each unit."""
    first, last = _beginning_of(_day(since)), _last_of(_day(until))
    found = _read(context, lambda session: income_statement(session, since=first, until=last))
    if as_json:
        click.echo(json.dumps({"since": since, "until": until, "units": [_income_json(o) for o in found]}, indent=2))
    elif as_csv:
        _amounts_csv([(one.lines, one.result) for one in found])
    else:
        for one in found:
            rows = [(_label(line), str(line.natural)) for line in one.lines]
            _table(one.unit, [*rows, ("Result", str(one.result))])


@command.command("export")
@click.option(
    "--format", "form", type=click.Choice(get_args(ExportFormat)), default="csv", help="csv, jsonl or hledger."
)
@_since
@_until
@click.pass_context
def export_command(context: click.Context, form: ExportFormat, since: str | None, until: str | None) -> None:
    """Write the journal to standard output, in the order recorded. It may be larger than memory."""
    first = None if since is None else _beginning_of(_day(since))
    last = None if until is None else _beginning_of(_day(until) + timedelta(days=1))

    async def write(session: ReadSession) -> None:
        async for piece in export(session, form, since=first, until=last):
            sys.stdout.write(piece)

    _read(context, write)


@command.command("import-opening")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be booked; book nothing.")
@_as_json
@click.pass_context
def import_opening(context: click.Context, file: Path, dry_run: bool, as_json: bool) -> None:
    """Book opening balances against house/opening: all lines of the file, or none when one is wrong. Safe to repeat.

    FILE is CSV with the columns owner_kind,owner_id,code,unit,amount,date. An amount is what the account holds:
    positive for money in the bank and for what is owed to a person.
    """
    found = asyncio.run(_import(context.obj(), file, dry_run=dry_run))
    for line in _import_json(found, dry_run) if as_json else _import_text(found, dry_run):
        click.echo(line)
    if found.faults:
        context.exit(1)


async def _import(house: House, file: Path, *, dry_run: bool) -> Imported:
    try:
        rows = (await asyncio.to_thread(file.read_text, encoding="utf-8-sig")).splitlines(keepends=True)
        async with house.database.transaction() as session:
            found = await import_openings(session, file.name, rows)
            if dry_run or found.faults:
                raise _Undone(found)
    except _Undone as undone:
        return undone.found
    finally:
        await house.close()
    return found


def _import_text(found: Imported, dry_run: bool) -> Iterator[str]:
    for fault in found.faults:
        yield f"line {fault.number}: {fault.reason}"
    if found.faults:
        yield f"{len(found.faults)} lines are wrong. Nothing was booked."
    else:
        verb = "would be booked" if dry_run else "booked"
        yield f"{len(found.booked)} opening balances {verb}, {len(found.already)} were there already."


def _import_json(found: Imported, dry_run: bool) -> Iterator[str]:
    faults = [{"line": f.number, "code": f.reason.code, "message": str(f.reason)} for f in found.faults]
    booked = [] if found.faults else [line.number for line in found.booked]
    already = [] if found.faults else [line.number for line in found.already]
    yield json.dumps({"dry_run": dry_run, "booked": booked, "already": already, "faults": faults}, indent=2)


def _read(context: click.Context, work: Callable[[ReadSession], Awaitable[T]]) -> T:
    async def run() -> T:
        house: House = context.obj()
        try:
            async with house.database.reading() as session:
                return await work(session)
        finally:
            await house.close()

    return asyncio.run(run())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _bad("/date", "Write a date as 2026-04-01.") from None


def _beginning_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _last_of(day: date) -> datetime:
    return _beginning_of(day + timedelta(days=1)) - timedelta(microseconds=1)


def _end_of(text: str | None) -> datetime | None:
    return None if text is None else _last_of(_day(text))


def _bad(pointer: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError(pointer, "invalid", message)])


def _amounts_csv(units: Sequence[tuple[Sequence[ReportLine], Money]]) -> None:
    click.echo(csv_line(["number", "account", "title", "type", "unit", "amount"]), nl=False)
    for lines, result in units:
        for line in lines:
            click.echo(csv_line([*_names(line), result.unit, line.natural]), nl=False)
        click.echo(csv_line(["", "", "Result", "result", result.unit, result]), nl=False)


def _names(line: ReportLine) -> list[str]:
    return [cell(text) for text in (line.number or "", line.path, line.title or "", line.type)]


def _label(line: ReportLine) -> str:
    return f"{line.number or '-':<6} {line.path} ({line.title or 'unknown'})"


def _shown(amount: Money) -> str:
    return str(amount) if amount else ""


def _table(unit: str, rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    click.echo(f"\n{unit}")
    for label, *amounts in rows:
        shown = "  ".join(amount.rjust(width) for amount, width in zip(amounts, widths[1:], strict=True))
        click.echo(f"  {label:<{widths[0]}}  {shown}")


def _line_json(line: ReportLine) -> dict[str, str | None]:
    return {"number": line.number, "account": line.path, "title": line.title, "type": line.type}


def _trial_json(found: TrialBalance) -> dict[str, object]:
    lines = [{**_line_json(line), "debit": str(line.debit), "credit": str(line.credit)} for line in found.lines]
    return {"unit": found.unit, "lines": lines, "debit": str(found.debit), "credit": str(found.credit)}


def _sheet_json(found: BalanceSheet) -> dict[str, object]:
    totals = {name.lower(): total for name, total in _sheet_totals(found)}
    return {"unit": found.unit, "lines": _amounts_json(found.lines), **totals, "result": str(found.result)}


def _income_json(found: IncomeStatement) -> dict[str, object]:
    totals = {"income": str(found.income), "expenses": str(found.expenses), "result": str(found.result)}
    return {"unit": found.unit, "lines": _amounts_json(found.lines), **totals}


def _amounts_json(lines: Sequence[ReportLine]) -> list[dict[str, str | None]]:
    return [{**_line_json(line), "amount": str(line.natural)} for line in lines]


def _sheet_totals(found: BalanceSheet) -> list[tuple[str, str]]:
    return [("Assets", str(found.assets)), ("Liabilities", str(found.liabilities)), ("Equity", str(found.equity))]
