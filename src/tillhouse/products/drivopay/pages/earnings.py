"""What platforms paid and what the road cost: the two lists, and writing an entry down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import cut, decode_cursor
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext, ngettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.products.drivopay import service, store
from tillhouse.products.drivopay.domain import Category, PaidIn, Platform, Totals, chart_period, rupees
from tillhouse.products.drivopay.models import EarningRow, ExpenseRow
from tillhouse.products.drivopay.pages import words
from tillhouse.products.drivopay.pages.typed import plain_amount
from tillhouse.products.drivopay.schemas import BusinessDate, EarningIn, ExpenseIn
from tillhouse.products.drivopay.store import Place

router = APIRouter()
Reader = Annotated[Principal, Depends(require("drivopay.read"))]
Writer = Annotated[Principal, Depends(require("drivopay.write"))]

_writes = Depends(rate_limit("60/minute", name="drivopay.pages.write"))
_PAGE = 25
_Amount = Annotated[str, Field(max_length=24)]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of either list."""

    id: UUID
    icon: str
    title: str
    note: str
    on: date
    amount: Money


class EarningForm(BaseModel):
    """A day's or a trip's earnings as a person writes them."""

    platform: Platform
    gross: _Amount
    business_date: BusinessDate
    paid_in: PaidIn = "digital"
    commission: _Amount = "0"
    incentive: _Amount = "0"
    tip: _Amount = "0"
    trips: int = Field(1, ge=0, le=500)
    hours: int = Field(0, ge=0, le=24)
    minutes: int = Field(0, ge=0, le=59)
    distance_km: Annotated[str, Field(pattern=r"^\d{1,4}(\.\d{1,3})?$")] = "0"
    note: Annotated[str, Field(max_length=500)] = ""

    @property
    def entry(self) -> EarningIn:
        return EarningIn(
            platform=self.platform,
            gross=plain_amount(self.gross),
            commission=plain_amount(self.commission),
            incentive=plain_amount(self.incentive),
            tip=plain_amount(self.tip),
            paid_in=self.paid_in,
            trips=self.trips,
            minutes=min(self.hours * 60 + self.minutes, 24 * 60),
            distance_km=self.distance_km,
            business_date=self.business_date,
            note=self.note,
        )


class ExpenseForm(BaseModel):
    """An expense as a person writes it."""

    category: Category
    amount: _Amount
    business_date: BusinessDate
    note: Annotated[str, Field(max_length=500)] = ""

    @property
    def entry(self) -> ExpenseIn:
        return ExpenseIn(
            category=self.category,
            amount=plain_amount(self.amount),
            business_date=self.business_date,
            note=self.note,
        )


@router.get("/earnings")
async def list_earnings(
    request: Request, session: Read, pages: Pages, me: Reader, cursor: str | None = None
) -> Response:
    """What came in, newest day first."""
    rows = await store.earnings(session, me.person_id, limit=_PAGE, after=_place(cursor))
    shown, following = cut(rows, _PAGE, lambda row: (row.business_date.isoformat(), str(row.id)))
    context = {
        "kind": "earnings",
        "entries": [_earned(row) for row in shown],
        "following": following,
        "cursor": cursor,
        "month": _month(await service.totals(session, me.person_id, chart_period(await _today(session, me)))),
    }
    return pages.render_page(request, "drivopay/entries.html", context)


@router.get("/expenses")
async def list_expenses(
    request: Request, session: Read, pages: Pages, me: Reader, cursor: str | None = None
) -> Response:
    """What went out, newest day first."""
    rows = await store.expenses(session, me.person_id, limit=_PAGE, after=_place(cursor))
    shown, following = cut(rows, _PAGE, lambda row: (row.business_date.isoformat(), str(row.id)))
    context = {
        "kind": "expenses",
        "entries": [_spent(row) for row in shown],
        "following": following,
        "cursor": cursor,
        "month": _month(await service.totals(session, me.person_id, chart_period(await _today(session, me)))),
    }
    return pages.render_page(request, "drivopay/entries.html", context)


@router.get("/earnings/new")
async def new_earning(request: Request, session: Read, pages: Pages, me: Writer) -> Response:
    """An empty page of the notebook, on today's date."""
    form = Form.blank(EarningForm, business_date=await _today(session, me), paid_in="digital", trips=1)
    return pages.render_form(request, "drivopay/earning.html", form, _earning_context())


@router.post("/earnings/new", dependencies=[FromOurPage, _writes])
async def write_earning(request: Request, session: Write, pages: Pages, me: Writer, web: TheWeb) -> Response:
    """Write earnings down."""
    form = await Form.read(request, EarningForm)
    if form.is_valid:
        try:
            async with session.begin_nested():  # a refusal keeps nothing of what was begun
                row = await service.add_earning(session, me.person_id, form.data.entry)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            written = Toast(gettext(N_("Written down")), _told(row.net, row.business_date))
            return redirect(request, "/drivopay/home", written, secure=web.secure)
    return pages.render_form(request, "drivopay/earning.html", form, _earning_context())


@router.get("/expenses/new")
async def new_expense(request: Request, session: Read, pages: Pages, me: Writer) -> Response:
    """An empty page of the notebook, on today's date."""
    form = Form.blank(ExpenseForm, business_date=await _today(session, me), category="fuel")
    return pages.render_form(request, "drivopay/expense.html", form, {"categories": words.category_options()})


@router.post("/expenses/new", dependencies=[FromOurPage, _writes])
async def write_expense(request: Request, session: Write, pages: Pages, me: Writer, web: TheWeb) -> Response:
    """Write an expense down."""
    form = await Form.read(request, ExpenseForm)
    if form.is_valid:
        try:
            async with session.begin_nested():  # a refusal keeps nothing of what was begun
                row = await service.add_expense(session, me.person_id, form.data.entry)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            written = Toast(gettext(N_("Written down")), _told(row.money, row.business_date))
            return redirect(request, "/drivopay/home", written, secure=web.secure)
    return pages.render_form(request, "drivopay/expense.html", form, {"categories": words.category_options()})


@router.post("/earnings/{entry_id}/remove", dependencies=[FromOurPage, _writes])
async def remove_earning(request: Request, session: Write, me: Writer, web: TheWeb, entry_id: UUID) -> Response:
    """Take one's own entry out."""
    await service.remove_earning(session, me.person_id, entry_id)
    return redirect(request, "/drivopay/earnings", Toast(gettext(N_("Removed"))), secure=web.secure)


@router.post("/expenses/{entry_id}/remove", dependencies=[FromOurPage, _writes])
async def remove_expense(request: Request, session: Write, me: Writer, web: TheWeb, entry_id: UUID) -> Response:
    """Take one's own entry out."""
    await service.remove_expense(session, me.person_id, entry_id)
    return redirect(request, "/drivopay/expenses", Toast(gettext(N_("Removed"))), secure=web.secure)


async def _today(session: Read, me: Principal) -> date:
    return clock.business_date(clock.now(), await service.zone_of(session, me.person_id))


def _earning_context() -> dict[str, object]:
    return {"platforms": words.platform_options(), "paid_in": words.paid_in_options()}


def _told(amount: Money, on: date) -> str:
    return gettext(N_("{amount} on {day}."), amount=formats.money(amount), day=formats.day(on))


def _place(cursor: str | None) -> Place | None:
    return service.place_of(*decode_cursor(cursor, (str, str))) if cursor else None


def _month(totals: Totals) -> dict[str, Money]:
    return {"earned": rupees(totals.earned), "spent": rupees(totals.spent), "net": rupees(totals.net)}


def _earned(row: EarningRow) -> Entry:
    parts: Sequence[str] = [
        ngettext("{count} trip", "{count} trips", row.trips) if row.trips else "",
        f"{row.minutes // 60}:{row.minutes % 60:02d} h" if row.minutes else "",
        gettext(words.PAID_IN_NAMES[row.paid_in]) if row.paid_in == "cash" else "",
        row.note,
    ]
    title = gettext(words.PLATFORM_NAMES[row.platform])
    return Entry(row.id, "car", title, " · ".join(p for p in parts if p), row.business_date, row.net)


def _spent(row: ExpenseRow) -> Entry:
    title = gettext(words.CATEGORY_NAMES[row.category])
    return Entry(row.id, words.CATEGORY_ICONS[row.category], title, row.note, row.business_date, -row.money)
