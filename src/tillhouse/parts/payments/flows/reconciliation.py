"""Reconciliation across the network: reports are fetched first, then compared in transactions of a thousand lines.

Every step is safe to run twice, beside itself, and after being killed anywhere: what was taken in is there already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.errors import InvalidInput, NotFound, PayloadTooLarge
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import TransferFacts
from tillhouse.parts.payments.domain.statements import (
    BankLine,
    CsvColumns,
    Form,
    Statement,
    read_statements,
    sequenced,
)
from tillhouse.parts.payments.ports import SettlementReports
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.payments.service.reconciliation.ageing import count_items, name_too_old
from tillhouse.parts.payments.service.reconciliation.bank import (
    BANK,
    FILE,
    Imported,
    ReadElsewhere,
    import_statement,
    match_again,
    number_transfers,
)
from tillhouse.parts.payments.service.reconciliation.reports import (
    begin,
    look_again,
    name_missing,
    numbered,
    take_report,
)
from tillhouse.parts.payments.service.reconciliation.three_way import DayStatement, day_statement
from tillhouse.parts.payments.service.registry import settlement_reports, transfer_sources
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import reconciliation as store

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file of our bank as it was handed in. `account` and `currency` are for CSV, which names neither.

    `columns` say which column of a CSV holds what, over those of the settings.
    """

    content: bytes
    form: Form | None = None
    account: str = ""
    currency: str = ""
    columns: Sequence[str] = ()


def reports_of(house: House, provider: str) -> SettlementReports:
    """The reports of a provider. Raises `NotFound` for one that reports nothing."""
    reports = settlement_reports(house).get(provider)
    if reports is None:
        raise NotFound(
            N_("There is no payment provider called {provider} that reports what it settled."), provider=provider
        )
    return reports


async def reconcile(house: House, provider: str, day: date) -> list[DayStatement]:
    """Hold a provider's report of a day against our books and our bank; returns the day's three-way statement.

    Raises `NotFound` for a provider that reports nothing, `Refused` and `TransientError` when it cannot be asked.
    """
    lines = numbered(await reports_of(house, provider).settled_on(day))
    async with house.database.transaction() as session:
        since = await begin(session, provider, datetime.combine(day, time(), UTC))
    for start in range(0, len(lines), _AT_ONCE):
        async with house.database.transaction() as session:
            await take_report(session, provider, lines[start : start + _AT_ONCE])
    async with house.database.transaction() as session:
        await look_again(session, provider)
    before = datetime.combine(day, time(), UTC) + timedelta(days=1)
    before -= house.settings_of(PaymentsSettings).settlement_time(provider)
    more = True
    while more:
        async with house.database.transaction() as session:
            more = await name_missing(session, provider, since, before)
    await _after(house)
    async with house.database.reading() as session:
        return await day_statement(session, provider, day)


async def import_file(house: House, file: StatementFile, *, by: UUID | None) -> list[Imported]:
    """Import every statement of a bank's file, each in a transaction. The same lines again add nothing.

    Raises `PayloadTooLarge`, and `BadStatement` for a file of which nothing is stored.
    """
    settings = house.settings_of(PaymentsSettings)
    if len(file.content) > settings.statement_max_bytes:
        message = N_("A bank statement has at most {most} bytes: split the file by days.")
        raise PayloadTooLarge(message, most=settings.statement_max_bytes)
    try:
        columns = CsvColumns.declared([*settings.statement_csv, *file.columns])
    except ValueError as error:
        raise InvalidInput(N_("The columns are not declared rightly: {reason}"), reason=str(error)) from None
    found = read_statements(file.content, file.form, columns=columns, account=file.account, currency=file.currency)
    imported = []
    for statement in found:
        async with house.database.transaction() as session:
            imported.append(await import_statement(session, statement, source=FILE, by=by))
    await _after(house)
    return imported


async def import_transfers(house: House, provider: str) -> list[Imported]:
    """Take what a provider saw on our bank accounts since the last time as lines of our bank."""
    async with house.database.reading() as session:
        last = await store.last_transfer(session, provider)
    found = await transfer_sources(house)[provider].transfers_since(last)
    imported = []
    async with house.database.transaction() as session:  # one, so that its cursor is true of every account
        await store.take_turns(session, BANK)
        for statement in _as_statements(found):
            fresh = await number_transfers(session, statement)
            if not fresh.lines:
                continue
            try:
                one = await import_statement(session, fresh, source=provider, by=None, cursor=found[-1].transfer_id)
            except ReadElsewhere:
                await look_into(session, "statement", f"account:{statement.account}", "read_elsewhere", source=provider)
            else:
                imported.append(one)
    await _after(house)
    return imported


async def providers_to_ask(house: House) -> tuple[list[str], list[str]]:
    """Of the providers that ever had money of ours: who reports what it settled, and who sees our bank accounts."""
    async with house.database.reading() as session:
        used = await store.providers_used(session)
    return sorted(used & settlement_reports(house).keys()), sorted(used & transfer_sources(house).keys())


async def look_at_ages(house: House) -> None:
    """Count the open items, and put those that are too old before a person."""
    async with house.database.transaction() as session:
        await count_items(session)
    async with house.database.transaction() as session:
        await name_too_old(session)


def days_to_ask(house: House) -> list[date]:
    """The days whose reports are asked for now, oldest first: reports come late, and change."""
    back = house.settings_of(PaymentsSettings).reconcile_days
    return [clock.now().date() - timedelta(days=days) for days in range(back, 0, -1)]


async def _after(house: House) -> None:
    """What waited in suspense may be explained now."""
    async with house.database.transaction() as session:
        after = await match_again(session)
    while after:
        async with house.database.transaction() as session:
            after = await match_again(session, after)
    async with house.database.transaction() as session:
        await count_items(session)


def _as_statements(transfers: Sequence[TransferFacts]) -> list[Statement]:
    """The transfers of each account as a stretch of days that is never closed: more may come."""
    found = []
    for account, unit in sorted({(one.account, one.amount.unit) for one in transfers}):
        mine = [one for one in transfers if (one.account, one.amount.unit) == (account, unit)]
        lines = sequenced([_as_line(one) for one in mine])
        days = [line.day for line in lines]
        found.append(Statement(account, unit, min(days), max(days), None, None, lines))
    return found


def _as_line(transfer: TransferFacts) -> BankLine:
    return BankLine(
        day=transfer.at.date(),
        change=transfer.amount if transfer.direction == "in" else -transfer.amount,
        reference=transfer.bank_reference or transfer.transfer_id,
        text=transfer.content[:500],
        source_id=transfer.transfer_id,
    )
