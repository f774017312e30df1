"""Use cases of DrivoPay inside one transaction. What is not the caller's own is not found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.products.drivopay import domain, store
from tillhouse.products.drivopay.domain import Day, Period, Totals
from tillhouse.products.drivopay.models import EarningRow, ExpenseRow
from tillhouse.products.drivopay.schemas import EarningIn, ExpenseIn
from tillhouse.products.drivopay.store import Place


class AlreadyWrittenDown(Conflict):
    """The driver has this platform's reference already."""

    code = "already_written_down"


@dataclass(frozen=True, slots=True)
class Overview:
    """What the home page says of a driver's work."""

    today: Day
    week: Totals
    last_week: Totals
    chart: Sequence[Day]
    month: Totals

    @property
    def week_change(self) -> int | None:
        """Percent by which this week's net is above the same days of last week."""
        return domain.change(self.week.net, self.last_week.net)

    @property
    def has_work(self) -> bool:
        return any(day.earned or day.spent for day in self.chart)


async def overview(session: ReadSession, person_id: UUID) -> Overview:
    """Today, this week against the same days of the last, and the 30 days of the chart, by the driver's clock."""
    today = clock.business_date(clock.now(), await zone_of(session, person_id))
    month, before = domain.chart_period(today), domain.same_days_last_week(today)
    known = await store.days(session, person_id, month)
    chart = domain.fill(month, known)
    return Overview(
        today=known.get(today, Day(today)),
        week=Totals.of(day for day in chart if day.on in domain.week_so_far(today)),
        last_week=Totals.of(day for day in chart if day.on in before),
        chart=chart,
        month=Totals.of(chart),
    )


async def zone_of(session: ReadSession, person_id: UUID) -> str:
    """The IANA zone that decides on which day a driver's work falls."""
    driver = await store.driver(session, person_id)
    return driver.zone if driver else domain.ZONE


async def totals(session: ReadSession, person_id: UUID, period: Period) -> Totals:
    """Everything of a period."""
    return Totals.of((await store.days(session, person_id, period)).values())


async def period_of(session: ReadSession, person_id: UUID, first: date | None, last: date | None) -> Period:
    """The days asked for; the last 30 by the driver's clock where nothing is said. Raises `InvalidInput`."""
    today = clock.business_date(clock.now(), await zone_of(session, person_id))
    whole = domain.chart_period(last or today)
    return within(first or whole.first, whole.last)


def within(first: date | None, last: date | None) -> Period:
    """The days between, open where nothing is said. Raises `InvalidInput` when they are the wrong way round."""
    period = Period(first or store.ALWAYS.first, last or store.ALWAYS.last)
    if period.first > period.last:
        message = N_("The first day is after the last.")
        raise InvalidInput(message, errors=[FieldError("/from", "reversed_period", message)])
    return period


def place_of(on: str | int, row_id: str | int) -> Place:
    """Where a list goes on. Raises `InvalidInput` for what is no day and id."""
    try:
        return Place(date.fromisoformat(str(on)), UUID(str(row_id)))
    except ValueError:
        message = N_("This cursor is not one of ours: start again without it.")
        raise InvalidInput(message, errors=[FieldError("/cursor", "bad_cursor", message)]) from None


async def add_earning(session: Session, person_id: UUID, sent: EarningIn) -> EarningRow:
    """Write an earning down on the day it began. Raises `InvalidInput`, `AlreadyWrittenDown`."""
    driver = await store.ensure_driver(session, person_id)
    now = clock.now()
    row = await store.add_earning(
        session,
        {
            "id": new_id(),
            "driver_id": person_id,
            "created_at": now,
            "updated_at": now,
            "business_date": _day(sent.started_at, sent.business_date, driver.zone),
            **_earning_values(sent),
        },
    )
    if row is None:
        raise _already_there()
    return row


async def change_earning(session: Session, person_id: UUID, earning_id: UUID, sent: EarningIn) -> EarningRow:
    """Replace an earning. Its day moves only when another day or time is sent, never because a zone changed.

    Raises `NotFound`, `InvalidInput`, `AlreadyWrittenDown`.
    """
    driver = await store.ensure_driver(session, person_id)
    row = await earning(session, person_id, earning_id)
    if sent.external_ref:
        other = await store.earning_by_reference(session, person_id, sent.platform, sent.external_ref)
        if other is not None and other.id != row.id:
            raise _already_there()
    if sent.business_date or (sent.started_at and sent.started_at != row.started_at):
        row.business_date = _day(sent.started_at, sent.business_date, driver.zone)
    for name, value in _earning_values(sent).items():
        setattr(row, name, value)
    row.updated_at = clock.now()
    await session.flush()
    return row


async def earning(session: ReadSession, person_id: UUID, earning_id: UUID) -> EarningRow:
    """Raises `NotFound` for one that does not exist or is someone else's."""
    row = await store.earning(session, person_id, earning_id)
    if row is None:
        raise NotFound(N_("There is no such earning."))
    return row


async def remove_earning(session: Session, person_id: UUID, earning_id: UUID) -> None:
    """Raises `NotFound`."""
    if not await store.remove_earning(session, person_id, earning_id):
        raise NotFound(N_("There is no such earning."))


async def add_expense(session: Session, person_id: UUID, sent: ExpenseIn) -> ExpenseRow:
    """Write an expense down on the day it was paid. Raises `InvalidInput`."""
    driver = await store.ensure_driver(session, person_id)
    now, row_id = clock.now(), new_id()
    values: dict[str, object] = {
        "id": row_id,
        "driver_id": person_id,
        "created_at": now,
        "updated_at": now,
        "business_date": _day(sent.spent_at, sent.business_date, driver.zone),
        **_expense_values(sent),
    }
    await store.add_expenses(session, [values])
    return await expense(session, person_id, row_id)


async def change_expense(session: Session, person_id: UUID, expense_id: UUID, sent: ExpenseIn) -> ExpenseRow:
    """Replace an expense. Its day moves only when another day or time is sent. Raises `NotFound`, `InvalidInput`."""
    driver = await store.ensure_driver(session, person_id)
    row = await expense(session, person_id, expense_id)
    if sent.business_date or (sent.spent_at and sent.spent_at != row.spent_at):
        row.business_date = _day(sent.spent_at, sent.business_date, driver.zone)
    for name, value in _expense_values(sent).items():
        setattr(row, name, value)
    row.updated_at = clock.now()
    await session.flush()
    return row


async def expense(session: ReadSession, person_id: UUID, expense_id: UUID) -> ExpenseRow:
    """Raises `NotFound` for one that does not exist or is someone else's."""
    row = await store.expense(session, person_id, expense_id)
    if row is None:
        raise NotFound(N_("There is no such expense."))
    return row


async def remove_expense(session: Session, person_id: UUID, expense_id: UUID) -> None:
    """Raises `NotFound`."""
    if not await store.remove_expense(session, person_id, expense_id):
        raise NotFound(N_("There is no such expense."))


async def erase(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Forget a person's notebook. The wallet's movements are the ledger's, which keeps them without a name."""
    await store.remove_driver(session, person_id)


def _already_there() -> AlreadyWrittenDown:
    message = N_("You have written this trip down already: its number is in your list.")
    return AlreadyWrittenDown(message, errors=[FieldError("/external_ref", "already_there", message)])


def _day(instant: datetime | None, said: date | None, zone: str) -> date:
    """The day as said, else that of the instant (now, when there is none) on the driver's clock."""
    if said and instant and clock.business_date(instant, zone) != said:
        message = N_("The day and the time do not fit together: send one of them.")
        raise InvalidInput(message, errors=[FieldError("/business_date", "contradiction", message)])
    day = said or clock.business_date(instant or clock.now(), zone)
    if day > clock.business_date(clock.now(), zone):
        message = N_("This day has not come yet.")
        raise InvalidInput(message, errors=[FieldError("/business_date", "in_the_future", message)])
    return day


def _earning_values(sent: EarningIn) -> dict[str, object]:
    amounts = {name: _paise(getattr(sent, name), name) for name in ("gross", "commission", "incentive", "tip")}
    if amounts["commission"] > amounts["gross"] + amounts["incentive"] + amounts["tip"]:
        message = N_("The commission is more than everything that was paid.")
        raise InvalidInput(message, errors=[FieldError("/commission", "too_large", message)])
    return {
        **amounts,
        "platform": sent.platform,
        "unit": sent.currency,
        "paid_in": sent.paid_in,
        "trips": sent.trips,
        "minutes": sent.minutes,
        "metres": int(Decimal(sent.distance_km) * 1000),
        "started_at": sent.started_at,
        "external_ref": sent.external_ref,
        "note": sent.note,
    }


def _expense_values(sent: ExpenseIn) -> dict[str, object]:
    amount = _paise(sent.amount, "amount")
    if amount == 0:
        message = N_("Write what it cost.")
        raise InvalidInput(message, errors=[FieldError("/amount", "zero", message)])
    return {
        "category": sent.category,
        "unit": sent.currency,
        "amount": amount,
        "spent_at": sent.spent_at,
        "note": sent.note,
    }


_MOST = 10_000_000_00  # paise: a crore of rupees in one entry is a slip of the finger


def _paise(text: str, name: str) -> int:
    """Raises `InvalidInput` that points to the field."""
    try:
        minor = Money.parse(text, domain.UNIT).minor
    except InvalidInput as wrong:
        errors = [FieldError(f"/{name}", error.code, error.message) for error in wrong.errors]
        raise InvalidInput(wrong.message, errors=errors) from None
    if not 0 <= minor <= _MOST:
        message = N_("Write an amount from 0 to 1,00,00,000.")
        raise InvalidInput(message, errors=[FieldError(f"/{name}", "out_of_range", message)])
    return minor
