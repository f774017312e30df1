"""JSON endpoints of earnings and expenses. Every entry is looked up by its owner: someone else's is not found."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import MAX_PAGE, Page, cut, decode_cursor
from tillhouse.products.drivopay import service, store
from tillhouse.products.drivopay.domain import UNIT, Category, Platform
from tillhouse.products.drivopay.models import EarningRow, ExpenseRow
from tillhouse.products.drivopay.schemas import (
    FIRST_DAY,
    LAST_DAY,
    EarningIn,
    EarningOut,
    EarningStats,
    ExpenseIn,
    ExpenseOut,
    ExpenseStats,
    ShareOut,
    Shares,
)
from tillhouse.products.drivopay.store import Place, Share

router = APIRouter()

Reader = Annotated[Principal, Depends(require("drivopay.read"))]
Writer = Annotated[Principal, Depends(require("drivopay.write"))]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
First = Annotated[date | None, Query(alias="from", ge=FIRST_DAY, le=LAST_DAY)]
Last = Annotated[date | None, Query(alias="to", ge=FIRST_DAY, le=LAST_DAY)]

_writes = Depends(rate_limit("120/minute", name="drivopay.write"))


@router.get("/earnings")
async def list_earnings(
    session: Read,
    me: Reader,
    *,
    limit: Limit = 50,
    cursor: str | None = None,
    platform: Platform | None = None,
    first: First = None,
    last: Last = None,
) -> Page[EarningOut]:
    """Newest day first."""
    period = service.within(first, last)
    found = await store.earnings(
        session, me.person_id, limit=limit, after=_place(cursor), platform=platform, period=period
    )
    rows, following = cut(found, limit, lambda row: (row.business_date.isoformat(), str(row.id)))
    return Page(items=[_earning(row) for row in rows], next_cursor=following)


@router.post("/earnings", status_code=201, dependencies=[_writes])
async def add_earning(session: Write, me: Writer, body: EarningIn) -> EarningOut:
    """Write down what a platform paid. The same `external_ref` of a platform is refused a second time."""
    return _earning(await service.add_earning(session, me.person_id, body))


@router.get("/earnings/stats")
async def earning_stats(session: Read, me: Reader, first: First = None, last: Last = None) -> EarningStats:
    """A period (the last 30 days where none is given): what came in and what was left."""
    period = await service.period_of(session, me.person_id, first, last)
    totals = await service.totals(session, me.person_id, period)
    return EarningStats(
        first=period.first,
        last=period.last,
        currency=UNIT,
        earned=_rupees(totals.earned),
        cash=_rupees(totals.cash),
        spent=_rupees(totals.spent),
        net=_rupees(totals.net),
        trips=totals.trips,
        minutes=totals.minutes,
        distance_km=_km(totals.metres),
        days=totals.days,
        net_per_hour=None if totals.net_per_hour is None else _rupees(totals.net_per_hour),
        net_per_km=None if totals.net_per_km is None else _rupees(totals.net_per_km),
    )


@router.get("/earnings/by-source")
async def earnings_by_source(session: Read, me: Reader, first: First = None, last: Last = None) -> Shares:
    """What each platform paid in a period, net of commission; `count` is trips."""
    period = await service.period_of(session, me.person_id, first, last)
    shares = await store.earned_by_platform(session, me.person_id, period)
    return Shares(first=period.first, last=period.last, currency=UNIT, items=[_share(share) for share in shares])


@router.get("/earnings/{earning_id}")
async def one_earning(session: Read, me: Reader, earning_id: UUID) -> EarningOut:
    """One of the caller's own."""
    return _earning(await service.earning(session, me.person_id, earning_id))


@router.put("/earnings/{earning_id}", dependencies=[_writes])
async def change_earning(session: Write, me: Writer, earning_id: UUID, body: EarningIn) -> EarningOut:
    """Replace it. Its day stays unless another is sent."""
    return _earning(await service.change_earning(session, me.person_id, earning_id, body))


@router.delete("/earnings/{earning_id}", status_code=204, dependencies=[_writes])
async def remove_earning(session: Write, me: Writer, earning_id: UUID) -> Response:
    """Take it out of the list and of every sum."""
    await service.remove_earning(session, me.person_id, earning_id)
    return Response(status_code=204)


@router.get("/expenses")
async def list_expenses(
    session: Read,
    me: Reader,
    *,
    limit: Limit = 50,
    cursor: str | None = None,
    category: Category | None = None,
    first: First = None,
    last: Last = None,
) -> Page[ExpenseOut]:
    """Newest day first."""
    period = service.within(first, last)
    found = await store.expenses(
        session, me.person_id, limit=limit, after=_place(cursor), category=category, period=period
    )
    rows, following = cut(found, limit, lambda row: (row.business_date.isoformat(), str(row.id)))
    return Page(items=[_expense(row) for row in rows], next_cursor=following)


@router.post("/expenses", status_code=201, dependencies=[_writes])
async def add_expense(session: Write, me: Writer, body: ExpenseIn) -> ExpenseOut:
    """Write down what was paid."""
    return _expense(await service.add_expense(session, me.person_id, body))


@router.get("/expenses/stats")
async def expense_stats(session: Read, me: Reader, first: First = None, last: Last = None) -> ExpenseStats:
    """A period (the last 30 days where none is given): what was spent."""
    period = await service.period_of(session, me.person_id, first, last)
    shares = await store.spent_by_category(session, me.person_id, period)
    return ExpenseStats(
        first=period.first,
        last=period.last,
        currency=UNIT,
        spent=_rupees(sum(share.amount for share in shares)),
        count=sum(share.count for share in shares),
    )


@router.get("/expenses/by-category")
async def expenses_by_category(session: Read, me: Reader, first: First = None, last: Last = None) -> Shares:
    """What went where in a period; `count` is entries."""
    period = await service.period_of(session, me.person_id, first, last)
    shares = await store.spent_by_category(session, me.person_id, period)
    return Shares(first=period.first, last=period.last, currency=UNIT, items=[_share(share) for share in shares])


@router.get("/expenses/{expense_id}")
async def one_expense(session: Read, me: Reader, expense_id: UUID) -> ExpenseOut:
    """One of the caller's own."""
    return _expense(await service.expense(session, me.person_id, expense_id))


@router.put("/expenses/{expense_id}", dependencies=[_writes])
async def change_expense(session: Write, me: Writer, expense_id: UUID, body: ExpenseIn) -> ExpenseOut:
    """Replace it. Its day stays unless another is sent."""
    return _expense(await service.change_expense(session, me.person_id, expense_id, body))


@router.delete("/expenses/{expense_id}", status_code=204, dependencies=[_writes])
async def remove_expense(session: Write, me: Writer, expense_id: UUID) -> Response:
    """Take it out of the list and of every sum."""
    await service.remove_expense(session, me.person_id, expense_id)
    return Response(status_code=204)


def _place(cursor: str | None) -> Place | None:
    """Raises `InvalidInput` for a cursor that is not ours."""
    return service.place_of(*decode_cursor(cursor, (str, str))) if cursor else None


def _earning(row: EarningRow) -> EarningOut:
    amounts = {name: str(Money(getattr(row, name), row.unit)) for name in ("gross", "commission", "incentive", "tip")}
    return EarningOut.model_validate(
        {
            **amounts,
            "net": str(row.net),
            "currency": row.unit,
            "distance_km": _km(row.metres),
            "id": row.id,
            "platform": row.platform,
            "paid_in": row.paid_in,
            "trips": row.trips,
            "minutes": row.minutes,
            "started_at": row.started_at,
            "business_date": row.business_date,
            "external_ref": row.external_ref,
            "note": row.note,
        }
    )


def _expense(row: ExpenseRow) -> ExpenseOut:
    return ExpenseOut.model_validate(
        {
            "id": row.id,
            "category": row.category,
            "amount": str(row.money),
            "currency": row.unit,
            "spent_at": row.spent_at,
            "business_date": row.business_date,
            "note": row.note,
        }
    )


def _share(share: Share) -> ShareOut:
    return ShareOut(name=share.name, amount=_rupees(share.amount), count=share.count)


def _rupees(paise: int) -> str:
    return str(Money(paise, UNIT))


def _km(metres: int) -> str:
    return f"{Decimal(metres).scaleb(-3):f}"
