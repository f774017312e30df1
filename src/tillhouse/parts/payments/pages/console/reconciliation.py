"""Reconciliation: what providers reported day by day, what differs and how, our bank's statements, and the ageing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.filters import Day, filter_of, valid
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain.finding import LineFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    ROOT,
    Find,
    NarrowForm,
    Reader,
    account_href,
    csv_of,
    fitting,
    list_page,
    narrowed,
)
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.finding import ReportLine

router = APIRouter()
Reconciler = Annotated[Principal, Depends(require("payments.reconcile"))]
HOME = f"{ROOT}/reconciliation"


class RunForm(BaseModel):
    """Whose report of which day is fetched and compared."""

    provider: str = Field(max_length=40)
    day: Day


class StatementForm(BaseModel):
    """A statement of our bank, beside the file itself: its format where it is not seen, and what a CSV does not say."""

    form: Literal["camt053", "mt940", "csv"] | None = None
    account: str = Field(default="", max_length=64)
    currency: str = Field(default="", max_length=12)
    columns: str = Field(default="", max_length=1000)


class LineForm(NarrowForm):
    """Which lines of reports."""

    line_class: str | None = Field(default=None, max_length=20)
    day: Day | None = None
    differing: bool = False


@router.get(HOME)
async def home(request: Request, session: Read, pages: Pages, me: Reader) -> Response:
    """The last days as providers reported them, the statements of our bank, and forms to fetch and to import."""
    return await _home(request, session, pages, me)


@router.post(f"{HOME}/run", dependencies=[FromOurPage, Depends(rate_limit("20/minute"))])
async def run(request: Request, house: TheHouse, pages: Pages, web: TheWeb, *, me: Reconciler) -> Response:
    """Fetch a provider's report of a day and compare it. Doing so again changes nothing."""
    form = await Form.read(request, RunForm, name="run")
    if form.is_valid:
        try:
            await api.reconcile(house, form.data.provider, form.data.day, by=me)
        except (TransientError, DomainError) as refusal:
            if refusal.status >= 500 and not isinstance(refusal, TransientError):
                raise
            form.error = sentence_of(refusal)
    if not form.is_valid:
        async with house.database.reading() as session:
            return await _home(request, session, pages, me, run=form)
    said = Toast(gettext("The day is compared"), gettext("What agrees is booked, the rest is an exception."))
    return redirect(request, f"{HOME}/days/{form.data.provider}/{form.data.day}", said, secure=web.secure)


@router.post(f"{HOME}/statements", dependencies=[FromOurPage, Depends(rate_limit("20/minute"))])
async def import_statement(request: Request, house: TheHouse, pages: Pages, *, me: Reconciler) -> Response:
    """Import a statement of our bank and show what it did. The same lines again add nothing."""
    form = await Form.read(request, StatementForm, name="statement")
    async with request.form() as fields:
        sent = fields.get("file")
        content = await sent.read(api.statement_max_bytes(house) + 1) if isinstance(sent, UploadFile) else b""
    if form.is_valid and not content:
        form.error = gettext("Choose a file of your bank.")
    imported: Sequence[api.Imported] = ()
    if form.is_valid:
        data = form.data
        columns = [line.strip() for line in data.columns.splitlines() if line.strip()]
        file = api.StatementFile(content, data.form, data.account, data.currency.upper(), columns)
        try:
            imported = await api.import_statement(house, file, by=me)
        except DomainError as refusal:
            form.refuse(refusal)
            form.error = form.error or (None if form.errors else sentence_of(refusal))
    if not form.is_valid:
        async with house.database.reading() as session:
            return await _home(request, session, pages, me, statement=form)
    async with house.database.reading() as session:
        return await _home(request, session, pages, me, imported=imported)


@router.get(HOME + "/days/{provider}/{day}")
async def day(request: Request, session: Read, pages: Pages, _reader: Reader, *, provider: str, day: date) -> Response:
    """One day of one provider: reported, booked, in the bank, and every line that explains a difference."""
    found = await api.day_statement(session, provider, day)
    if not found and provider not in finding.provider_names(session):
        raise NotFound(N_("There is no payment provider called {provider} here."), provider=provider)
    context = {**words.WORDS, "provider": provider, "day": day, "statements": found}
    return pages.render_page(request, "payments/console/day.html", context)


@router.get(f"{HOME}/lines")
async def lines(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Lines of reports that fit, newest first: the provider's word beside our books."""
    form = filter_of(request, LineForm)

    async def about(shown: Sequence[ReportLine]) -> Mapping[str, object]:
        return {}

    return await list_page(request, session, pages, "lines", form, find=_find(form), about=about)


@router.get(f"{HOME}/lines.csv")
async def lines_csv(request: Request, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, LineForm)
    find = _find(form)
    valid(form)
    columns = ("line", "provider", "settled_on", "kind", "subject", "class", "reported", "currency", "fee", "ours",
               "our_currency", "bank_reference", "transaction")  # fmt: skip
    return csv_of("report-lines", columns, house.database, find, _cells)


@router.get(f"{HOME}/ageing")
async def ageing(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Every account that has to return to zero, by age, with the items that make up its balance."""
    found = await api.ageing(session)
    context = {
        **words.WORDS,
        "accounts": sorted(found, key=lambda one: not one.items),
        "account_href": lambda one: account_href(ledger.house_account(one.account, one.balance.unit)),
    }
    return pages.render_page(request, "payments/console/ageing.html", context)


@router.get(f"{HOME}/ageing.csv")
async def ageing_csv(house: TheHouse, _reader: Reader) -> Response:
    """Every open item, for a spreadsheet."""
    columns = ("account", "item", "amount", "currency", "since", "age_days", "bucket")

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        for one in await api.ageing(session):
            for item in one.items:
                yield (one.account, item.item, item.amount, item.amount.unit, item.since.isoformat(), item.age.days,
                       item.bucket)  # fmt: skip

    return csv_download("ageing", columns, house.database, rows)


async def _home(
    request: Request,
    session: ReadSession,
    pages: Pages,
    me: Principal,
    *,
    run: Form[RunForm] | None = None,
    statement: Form[StatementForm] | None = None,
    imported: Sequence[api.Imported] = (),
) -> Response:
    yesterday = clock.now().date() - timedelta(days=1)
    reporting = finding.providers_reporting(session)
    blank = Form.blank(RunForm, name="run", provider=reporting[0] if reporting else None, day=yesterday)
    context = {
        **words.WORDS,
        "days": await finding.days_reported(session),
        "statements": await finding.statements(session),
        "imported": imported,
        "run": run or blank,
        "statement": statement or Form.blank(StatementForm, name="statement"),
        "reporting": [Option(one, words.said(words.GATEWAYS, one)) for one in reporting],
        "formats": [Option("camt053", "camt.053"), Option("mt940", "MT940"), Option("csv", "CSV")],
        "may_reconcile": me.may("payments.reconcile"),
        "most_bytes": api.statement_max_bytes(request.app.state.house),
    }
    shown: Form[Any] = run or statement or blank
    return pages.render_form(request, "payments/console/reconciliation.html", shown, context)


def _find(form: Form[LineForm]) -> Find[ReportLine]:
    wanted = fitting(narrowed(form, LineFilter), amount=None)

    async def find(session: ReadSession, limit: int, before: UUID | None) -> Sequence[ReportLine]:
        return await finding.report_lines(session, wanted, limit=limit, before=before)

    return find


def _cells(one: ReportLine) -> Sequence[object]:
    return (one.id, one.provider, one.settled_on or "", one.kind, one.subject, one.line_class, one.theirs or "",
            one.theirs.unit if one.theirs else "", one.fee or "", one.ours or "", one.ours.unit if one.ours else "",
            one.bank_reference or "", one.transaction_id or "")  # fmt: skip
