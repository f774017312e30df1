"""Trial balance, balance sheet and income statement, now or as of an effective time."""

from collections.abc import Sequence
from datetime import datetime

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import AccountType, Chart
from tillhouse.parts.ledger.domain.reports import (
    BalanceSheet,
    IncomeStatement,
    ReportLine,
    TrialBalance,
    balance_sheets,
    income_statements,
    trial_balances,
)
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.store import reports as store


async def trial_balance(session: ReadSession, *, at: datetime | None = None) -> Sequence[TrialBalance]:
    """Every line of the chart that is not at zero, per unit, counting what is effective until `at` (or everything)."""
    return trial_balances(await _lines(session, at))


async def balance_sheet(session: ReadSession, *, at: datetime | None = None) -> Sequence[BalanceSheet]:
    """What the house has and owes, per unit, counting what is effective until `at` (or everything)."""
    return balance_sheets(await _lines(session, at))


async def income_statement(session: ReadSession, *, since: datetime, until: datetime) -> Sequence[IncomeStatement]:
    """What came in and was spent by what is effective from `since` to `until`, per unit."""
    chart = chart_of(session)
    return income_statements(_line(chart, group) for group in await store.sums_effective(session, since, until))


async def _lines(session: ReadSession, at: datetime | None) -> list[ReportLine]:
    chart = chart_of(session)
    sums = await store.sums_now(session) if at is None else await store.sums_effective(session, None, at)
    return [_line(chart, group) for group in sums]


def _line(chart: Chart, group: tuple[str, str, str, str, int]) -> ReportLine:
    owner_kind, code, unit, account_type, total = group
    kind = chart.kind_at(f"{owner_kind}/{code}")
    known: AccountType = account_type  # type: ignore[assignment]  # the column's check lists the same words
    return ReportLine(
        number=kind.number if kind else None,
        owner_kind=owner_kind,
        code=code,
        title=kind.title if kind else None,
        type=known,
        total=Money(total, unit),
    )
