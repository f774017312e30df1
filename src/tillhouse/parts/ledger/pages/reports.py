"""Trial balance, balance sheet and income statement, on the page and as files."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import Day, begin_of, end_of, filter_of, valid
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.ledger.domain.reports import BalanceSheet, IncomeStatement, ReportLine, TrialBalance
from tillhouse.parts.ledger.pages.common import ROOT, TYPES, Reader
from tillhouse.parts.ledger.service import reporting

router = APIRouter()

Report = Literal["trial-balance", "balance-sheet", "income-statement"]
_REPORTS: dict[Report, str] = {
    "trial-balance": N_("Trial balance"),
    "balance-sheet": N_("Balance sheet"),
    "income-statement": N_("Income statement"),
}
_MOMENT = timedelta(microseconds=1)  # reports include the last instant


class PeriodForm(BaseModel):
    """From when to when; a balance has only the latter. Blank is this month, or now."""

    first: Day | None = None
    last: Day | None = None


@router.get(f"{ROOT}/reports")
async def first_report(request: Request, session: Read, pages: Pages, reader_: Reader) -> Response:
    """The first of the reports."""
    return await report(request, session, pages, reader_, "trial-balance")


@router.get(ROOT + "/reports/{report}")
async def report(request: Request, session: Read, pages: Pages, _reader: Reader, report: Report) -> Response:
    """One of the reports, per unit."""
    form = filter_of(request, PeriodForm)
    period = form.data if form.is_valid else PeriodForm()
    context = {
        "report": report,
        "title": gettext(_REPORTS[report]),
        "tabs": [(gettext(title), f"{ROOT}/reports/{name}", name == report) for name, title in _REPORTS.items()],
        "found": await _found(session, report, period),
        "last": period.last,
        "period": _period(period),
        "presets": _presets() if report == "income-statement" else (),
        "types": TYPES,
    }
    return pages.render_form(request, "ledger/report.html", form, context, fragment="ledger/_report.html")


@router.get(ROOT + "/reports/{report}/csv")
async def report_csv(request: Request, house: TheHouse, _reader: Reader, report: Report) -> Response:
    """The same for a spreadsheet."""
    period = valid(filter_of(request, PeriodForm)).data
    trial = report == "trial-balance"
    columns = ("number", "account", "title", "type", "unit", *(("debit", "credit") if trial else ("amount",)))

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        for one in await _found(session, report, period):
            for line in one.lines:
                amounts = (line.debit, line.credit) if trial else (line.natural,)
                yield (*_names(line), one.unit, *amounts)
            if not isinstance(one, TrialBalance):
                yield "", "", "Result", "result", one.unit, one.result

    return csv_download(report, columns, house.database, rows)


async def _found(
    session: ReadSession, report: Report, period: PeriodForm
) -> Sequence[TrialBalance] | Sequence[BalanceSheet] | Sequence[IncomeStatement]:
    at = end_of(period.last) - _MOMENT if period.last else None
    if report == "trial-balance":
        return await reporting.trial_balance(session, at=at)
    if report == "balance-sheet":
        return await reporting.balance_sheet(session, at=at)
    first, last = _period(period)
    return await reporting.income_statement(session, since=begin_of(first), until=end_of(last) - _MOMENT)


def _names(line: ReportLine) -> Sequence[str]:
    return line.number or "", line.path, line.title or "", line.type


def _today() -> date:
    return clock.now().astimezone(reader().tz).date()


def _period(typed: PeriodForm) -> tuple[date, date]:
    """From the first of the month to today, where nothing else was said."""
    last = typed.last or _today()
    return typed.first or last.replace(day=1), last


def _presets() -> Sequence[tuple[str, date, date]]:
    """Periods that are asked for most: name, first and last day."""
    today = _today()
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    quarter = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    return (
        (gettext(N_("This month")), month, today),
        (gettext(N_("Last month")), before.replace(day=1), before),
        (gettext(N_("This quarter")), quarter, today),
        (gettext(N_("This year")), today.replace(month=1, day=1), today),
    )
