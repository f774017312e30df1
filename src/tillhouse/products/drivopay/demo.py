"""A believable driver: thirteen weeks of shifts, expenses and wallet movements for identity's demo person.

Each day is drawn from a generator seeded with its date, so that the same day always looks the same, seeding twice adds
nothing, and seeding tomorrow adds tomorrow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random as Chance
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.manifest import DemoSignIn
from tillhouse.kernel.money import Money
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets import api as wallets
from tillhouse.products.drivopay import store
from tillhouse.products.drivopay.domain import UNIT, ZONE, Category, Platform

DRIVER = "ravi.kumar@demo.tillhouse.test"
DAYS = 90
_NAMESPACE = UUID("6c1f3a52-6f1e-5d0b-9d6f-0d7b1c0a2e11")

_COMMISSION: dict[Platform, int] = {"uber": 22, "ola": 20, "rapido": 15, "namma_yatri": 0}  # percent
# How good a day is, Monday to Sunday, in percent of an ordinary one.
_WEEKDAYS = (92, 90, 95, 100, 122, 128, 84)
_FESTIVALS = frozenset({(1, 1), (1, 14), (1, 26), (8, 15), (9, 14), (10, 2), (10, 20), (11, 8), (12, 25)})
_MONSOON = frozenset({6, 7, 8, 9, 10})


@dataclass(frozen=True, slots=True)
class Shift:
    """What one platform paid for one stretch of a day."""

    platform: Platform
    started_at: datetime
    on: date
    gross: int
    commission: int
    incentive: int
    tip: int
    cash: bool
    trips: int
    minutes: int
    metres: int
    note: str


@dataclass(frozen=True, slots=True)
class Spent:
    """One expense of a day."""

    category: Category
    on: date
    amount: int
    note: str


@dataclass(frozen=True, slots=True)
class Moved:
    """One movement of the wallet; negative ones went out."""

    at: datetime
    amount: int


async def seed(session: Session) -> Sequence[DemoSignIn]:
    """Fill the demo driver's notebook and wallet up to now. Safe to repeat; without the demo person nothing happens."""
    person = await identity.person_by_identifier(session, identity.parse_identifier(DRIVER))
    if person is None:
        return ()
    driver = await store.ensure_driver(session, person.id)
    if not driver.platforms:
        driver.platforms, driver.vehicle = list(_COMMISSION), "auto"
    now = clock.now()
    days = list(days_until(clock.business_date(now, ZONE)))
    shifts = [shift for day in days for shift in shifts_of(day) if shift.started_at <= now]
    await store.add_earnings(session, [_earning(person.id, shift, now) for shift in shifts])
    expenses = [(number, spent) for day in days for number, spent in enumerate(expenses_of(day))]
    await store.add_expenses(session, [_expense(person.id, number, spent, now) for number, spent in expenses])
    moves = [move for day in days for move in movements_of(day) if move.at <= now]
    await ledger.post_many(session, [_posting(person.id, move) for move in moves])
    return ()


def days_until(today: date) -> Iterator[date]:
    """From the Monday at least 90 days back to today: whole weeks, so that each pays for its own withdrawal."""
    first = today - timedelta(days=DAYS - 1)
    day = first - timedelta(days=first.weekday())
    while day <= today:
        yield day
        day += timedelta(days=1)


def shifts_of(day: date) -> Sequence[Shift]:
    """The day's work: none on most Sundays, a morning and an evening else, a late one on some Saturdays."""
    chance = Chance(f"drivopay:shifts:{day.isoformat()}")  # noqa: S311  days, not secrets
    if (day.weekday() == 6 and chance.random() < 0.65) or chance.random() < 0.04:
        return ()
    rain = day.month in _MONSOON and chance.random() < 0.3
    festival = (day.month, day.day) in _FESTIVALS
    level = _WEEKDAYS[day.weekday()] + (22 if rain else 0) + (45 if festival else 0)
    note = "Festival" if festival else "Rain" if rain else ""
    morning: Platform = chance.choice(("uber", "uber", "ola"))
    evening: Platform = chance.choice(("namma_yatri", "namma_yatri", "rapido"))
    shifts = [
        _shift(chance, day, morning, _at(day, 6, 40, chance), target=level * 8, note=note),
        _shift(chance, day, evening, _at(day, 16, 50, chance), target=level * 6, note=note),
    ]
    if day.weekday() == 5 and chance.random() < 0.5:
        # Ends after midnight and belongs to Saturday, the day it began.
        shifts.append(_shift(chance, day, "uber", _at(day, 22, 35, chance), target=level * 4, note=note))
    return shifts


def expenses_of(day: date) -> Sequence[Spent]:
    """Gas every second day, tea and food on working days, and what a month brings."""
    chance = Chance(f"drivopay:expenses:{day.isoformat()}")  # noqa: S311  days, not secrets
    spent: list[Spent] = []
    works = bool(shifts_of(day))
    if works and day.toordinal() % 2 == 0:
        spent.append(Spent("fuel", day, _rupees(chance, 310, 420), "CNG"))
    if works:
        spent.append(Spent("food", day, _rupees(chance, 60, 130), ""))
    if works and chance.random() < 0.12:
        spent.append(Spent("parking", day, _rupees(chance, 20, 60), "KSR Bengaluru"))
    if works and chance.random() < 0.07:
        spent.append(Spent("toll", day, _rupees(chance, 35, 110), "NICE Road"))
    if chance.random() < 0.035:
        spent.append(Spent("maintenance", day, _rupees(chance, 650, 1900), chance.choice(("Brakes", "Oil", "Tyre"))))
    if day.day == 5:
        spent.append(Spent("phone", day, 299_00, "28 days"))
    if day.day == 7:
        spent.append(Spent("emi", day, 4_850_00, "Bajaj RE"))
    if (day.month, day.day) in ((3, 12), (9, 12)):
        spent.append(Spent("insurance", day, 3_420_00, "Six months"))
    return spent


def movements_of(day: date) -> Sequence[Moved]:
    """Money added on two or three evenings of a week; on Sunday most of it is withdrawn."""
    if day.weekday() == 6:
        added = sum(_added(day - timedelta(days=back)) for back in range(1, 7))
        chance = Chance(f"drivopay:kept:{day.isoformat()}")  # noqa: S311  days, not secrets
        kept = chance.randrange(15, 45)
        out = added * (100 - kept) // 100 // 100_00 * 100_00
        return (Moved(_utc(day, 20, 15), -out),) if out else ()
    added = _added(day)
    return (Moved(_utc(day, 21, 5), added),) if added else ()


def _added(day: date) -> int:
    chance = Chance(f"drivopay:wallet:{day.isoformat()}")  # noqa: S311  days, not secrets
    if day.weekday() not in (1, 4) and chance.random() < 0.8:
        return 0
    return chance.choice((500_00, 500_00, 800_00, 1_000_00, 1_200_00, 1_500_00))


def _shift(chance: Chance, day: date, platform: Platform, started_at: datetime, *, target: int, note: str) -> Shift:
    gross = target * chance.randrange(88, 113) // 100 * 100
    trips = max(3, gross // 140_00 + chance.randrange(0, 3))
    return Shift(
        platform=platform,
        started_at=started_at,
        on=day,
        gross=gross,
        commission=gross * _COMMISSION[platform] // 100,
        incentive=chance.choice((0, 0, 50_00, 80_00, 120_00)) if platform in ("uber", "ola") else 0,
        tip=chance.choice((0, 0, 0, 10_00, 20_00, 30_00)),
        cash=platform == "namma_yatri" and chance.random() < 0.6,
        trips=trips,
        minutes=trips * chance.randrange(24, 34),
        metres=trips * chance.randrange(4200, 7600),
        note=note,
    )


def _at(day: date, hour: int, minute: int, chance: Chance) -> datetime:
    return _utc(day, hour, minute) + timedelta(minutes=chance.randrange(0, 45))


def _utc(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), ZoneInfo(ZONE)).astimezone(UTC)


def _rupees(chance: Chance, least: int, most: int) -> int:
    return chance.randrange(least, most, 5) * 100


def _earning(driver_id: UUID, shift: Shift, now: datetime) -> dict[str, object]:
    reference = f"demo-{shift.on.isoformat()}-{shift.started_at:%H%M}"
    return {
        "id": uuid5(_NAMESPACE, f"{driver_id}:{shift.platform}:{reference}"),
        "driver_id": driver_id,
        "platform": shift.platform,
        "unit": UNIT,
        "gross": shift.gross,
        "commission": shift.commission,
        "incentive": shift.incentive,
        "tip": shift.tip,
        "paid_in": "cash" if shift.cash else "digital",
        "trips": shift.trips,
        "minutes": shift.minutes,
        "metres": shift.metres,
        "started_at": shift.started_at,
        "business_date": shift.on,
        "external_ref": reference,
        "note": shift.note,
        "created_at": now,
        "updated_at": now,
    }


def _expense(driver_id: UUID, number: int, spent: Spent, now: datetime) -> dict[str, object]:
    return {
        "id": uuid5(_NAMESPACE, f"{driver_id}:{spent.on.isoformat()}:{number}"),
        "driver_id": driver_id,
        "category": spent.category,
        "unit": UNIT,
        "amount": spent.amount,
        "business_date": spent.on,
        "note": spent.note,
        "created_at": now,
        "updated_at": now,
    }


def _posting(person_id: UUID, move: Moved) -> ledger.Posting:
    wallet = wallets.account_ref(person_id, UNIT)
    amount = Money(abs(move.amount), UNIT)
    key = f"drivopay.demo:{person_id}:{move.at.date().isoformat()}"
    if move.amount > 0:
        clearing = ledger.house_account("clearing:razorpay", UNIT)
        legs = (ledger.debit(clearing, amount), ledger.credit(wallet, amount))
        return ledger.Posting(key=key, kind="payments.deposit", legs=legs, effective_at=move.at)
    payouts = ledger.house_account("payouts:razorpayx", UNIT)
    legs = (ledger.debit(wallet, amount), ledger.credit(payouts, amount))
    return ledger.Posting(key=key, kind="payments.withdrawal", legs=legs, effective_at=move.at)
