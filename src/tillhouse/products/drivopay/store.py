"""All SQL of DrivoPay. Every statement names the driver: what is not theirs is never read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, rows_of
from tillhouse.products.drivopay.domain import Day, Period
from tillhouse.products.drivopay.models import DriverRow, EarningRow, ExpenseRow

R = TypeVar("R", EarningRow, ExpenseRow)
EarnedRow = Row[date, int, int, int, int, int]

ALWAYS = Period(date.min, date.max)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list goes on: after the row of this day and id."""

    on: date
    id: UUID


@dataclass(frozen=True, slots=True)
class Share:
    """One platform's or category's part of a period, in paise."""

    name: str
    amount: int
    count: int


async def driver(session: ReadSession, person_id: UUID) -> DriverRow | None:
    """The driver of a person; None for one who has written nothing down yet."""
    return await session.get(DriverRow, person_id)


async def ensure_driver(session: Session, person_id: UUID) -> DriverRow:
    """The driver of a person, locked; made with the defaults where there is none.

    The lock sets a driver's own writes one after another, so that what was checked still holds when it is written.
    """
    values = {"person_id": person_id, "created_at": clock.now()}
    await session.execute(insert(DriverRow).values(values).on_conflict_do_nothing())
    mine = select(DriverRow).where(DriverRow.person_id == person_id).with_for_update()
    return (await session.execute(mine)).scalar_one()


async def remove_driver(session: Session, person_id: UUID) -> None:
    """A driver and everything they wrote down."""
    await session.execute(delete(DriverRow).where(DriverRow.person_id == person_id))


async def earning(session: ReadSession, driver_id: UUID, earning_id: UUID) -> EarningRow | None:
    """A driver's own entry; None when it does not exist or belongs to someone else."""
    mine = select(EarningRow).where(EarningRow.driver_id == driver_id, EarningRow.id == earning_id)
    return (await session.execute(mine)).scalar_one_or_none()


async def earning_by_reference(session: ReadSession, driver_id: UUID, platform: str, ref: str) -> EarningRow | None:
    """A driver's own entry by what the platform calls it."""
    mine = select(EarningRow).where(
        EarningRow.driver_id == driver_id, EarningRow.platform == platform, EarningRow.external_ref == ref
    )
    return (await session.execute(mine)).scalar_one_or_none()


async def add_earning(session: Session, row: dict[str, object]) -> EarningRow | None:
    """The new row, or None where the driver has this platform's reference already."""
    statement = insert(EarningRow).values(row).on_conflict_do_nothing().returning(EarningRow)
    return (await session.execute(statement)).scalar_one_or_none()


async def add_earnings(session: Session, rows: Sequence[dict[str, object]]) -> int:
    """Many at once; those whose reference is there already are left out. The number that is new."""
    return rows_of(await session.execute(insert(EarningRow).values(rows).on_conflict_do_nothing())) if rows else 0


async def remove_earning(session: Session, driver_id: UUID, earning_id: UUID) -> bool:
    """Whether it was there, and the driver's own."""
    mine = delete(EarningRow).where(EarningRow.driver_id == driver_id, EarningRow.id == earning_id)
    return rows_of(await session.execute(mine)) == 1


async def earnings(
    session: ReadSession,
    driver_id: UUID,
    *,
    limit: int,
    after: Place | None = None,
    platform: str | None = None,
    period: Period = ALWAYS,
) -> Sequence[EarningRow]:
    """Newest day first, at most `limit + 1`: the one too many says that there is more."""
    wanted = select(EarningRow).where(*_within(EarningRow.driver_id, EarningRow.business_date, driver_id, period))
    if platform:
        wanted = wanted.where(EarningRow.platform == platform)
    wanted = _page(wanted, EarningRow.business_date, EarningRow.id, after, limit)
    return (await session.execute(wanted)).scalars().all()


async def expense(session: ReadSession, driver_id: UUID, expense_id: UUID) -> ExpenseRow | None:
    """A driver's own entry; None when it does not exist or belongs to someone else."""
    mine = select(ExpenseRow).where(ExpenseRow.driver_id == driver_id, ExpenseRow.id == expense_id)
    return (await session.execute(mine)).scalar_one_or_none()


async def add_expenses(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """Rows with an id that is there already are left alone."""
    if rows:
        await session.execute(insert(ExpenseRow).values(rows).on_conflict_do_nothing())


async def remove_expense(session: Session, driver_id: UUID, expense_id: UUID) -> bool:
    """Whether it was there, and the driver's own."""
    mine = delete(ExpenseRow).where(ExpenseRow.driver_id == driver_id, ExpenseRow.id == expense_id)
    return rows_of(await session.execute(mine)) == 1


async def expenses(
    session: ReadSession,
    driver_id: UUID,
    *,
    limit: int,
    after: Place | None = None,
    category: str | None = None,
    period: Period = ALWAYS,
) -> Sequence[ExpenseRow]:
    """Newest day first, at most `limit + 1`: the one too many says that there is more."""
    wanted = select(ExpenseRow).where(*_within(ExpenseRow.driver_id, ExpenseRow.business_date, driver_id, period))
    if category:
        wanted = wanted.where(ExpenseRow.category == category)
    wanted = _page(wanted, ExpenseRow.business_date, ExpenseRow.id, after, limit)
    return (await session.execute(wanted)).scalars().all()


async def days(session: ReadSession, driver_id: UUID, period: Period) -> dict[date, Day]:
    """The days of the period that brought or cost something."""
    earned = {row.business_date: row for row in await _earned_by_day(session, driver_id, period)}
    spent = dict(await _spent_by_day(session, driver_id, period))
    return {
        on: Day(on, spent=spent.get(on, 0), **(_sums(earned[on]) if on in earned else {}))
        for on in earned.keys() | spent.keys()
    }


async def earned_by_platform(session: ReadSession, driver_id: UUID, period: Period) -> Sequence[Share]:
    """Net of commission, the largest first."""
    total = func.sum(_NET)
    rows = await session.execute(
        select(EarningRow.platform, total, func.sum(EarningRow.trips))
        .where(*_within(EarningRow.driver_id, EarningRow.business_date, driver_id, period))
        .group_by(EarningRow.platform)
        .order_by(total.desc(), EarningRow.platform)
    )
    return [Share(name, int(amount), int(trips)) for name, amount, trips in rows]


async def spent_by_category(session: ReadSession, driver_id: UUID, period: Period) -> Sequence[Share]:
    """The largest first."""
    total = func.sum(ExpenseRow.amount)
    rows = await session.execute(
        select(ExpenseRow.category, total, func.count())
        .where(*_within(ExpenseRow.driver_id, ExpenseRow.business_date, driver_id, period))
        .group_by(ExpenseRow.category)
        .order_by(total.desc(), ExpenseRow.category)
    )
    return [Share(name, int(amount), count) for name, amount, count in rows]


_NET: ColumnElement[int] = EarningRow.gross - EarningRow.commission + EarningRow.incentive + EarningRow.tip


async def _earned_by_day(session: ReadSession, driver_id: UUID, period: Period) -> Sequence[EarnedRow]:
    result = await session.execute(
        select(
            EarningRow.business_date,
            func.sum(_NET).label("earned"),
            func.coalesce(func.sum(_NET).filter(EarningRow.paid_in == "cash"), 0).label("cash"),
            func.sum(EarningRow.trips).label("trips"),
            func.sum(EarningRow.minutes).label("minutes"),
            func.sum(EarningRow.metres).label("metres"),
        )
        .where(*_within(EarningRow.driver_id, EarningRow.business_date, driver_id, period))
        .group_by(EarningRow.business_date)
    )
    return result.all()


def _sums(row: EarnedRow) -> dict[str, int]:
    return {name: int(getattr(row, name)) for name in ("earned", "cash", "trips", "minutes", "metres")}


async def _spent_by_day(session: ReadSession, driver_id: UUID, period: Period) -> Sequence[tuple[date, int]]:
    rows = await session.execute(
        select(ExpenseRow.business_date, func.sum(ExpenseRow.amount))
        .where(*_within(ExpenseRow.driver_id, ExpenseRow.business_date, driver_id, period))
        .group_by(ExpenseRow.business_date)
    )
    return [(on, int(amount)) for on, amount in rows]


def _within(
    owner: InstrumentedAttribute[UUID], on: InstrumentedAttribute[date], driver_id: UUID, period: Period
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return owner == driver_id, on.between(period.first, period.last)


def _page(
    wanted: Select[R],
    on: InstrumentedAttribute[date],
    identity: InstrumentedAttribute[UUID],
    after: Place | None,
    limit: int,
) -> Select[R]:
    if after:
        wanted = wanted.where(tuple_(on, identity) < (after.on, after.id))
    return wanted.order_by(on.desc(), identity.desc()).limit(limit + 1)
