"""A driver's day: what platforms pay, what the road costs, and which days are compared with which. Pure rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from tillhouse.kernel.money import Money

UNIT = "INR"
ZONE = "Asia/Kolkata"

Platform = Literal["uber", "ola", "rapido", "namma_yatri", "swiggy", "zomato", "other"]
Category = Literal["fuel", "maintenance", "food", "toll", "parking", "insurance", "emi", "phone", "fine", "other"]
PaidIn = Literal["cash", "digital"]
Vehicle = Literal["bicycle", "two_wheeler", "auto", "car", "van"]

PLATFORMS: tuple[Platform, ...] = get_args(Platform)
CATEGORIES: tuple[Category, ...] = get_args(Category)
PAID_IN: tuple[PaidIn, ...] = get_args(PaidIn)
VEHICLES: tuple[Vehicle, ...] = get_args(Vehicle)

CHART_DAYS = 30


@dataclass(frozen=True, slots=True)
class Day:
    """What one business date brought and cost, in paise; `earned` is after the platforms' commission."""

    on: date
    earned: int = 0
    spent: int = 0
    cash: int = 0
    trips: int = 0
    minutes: int = 0
    metres: int = 0

    @property
    def net(self) -> int:
        """What is left of the day: earned less spent."""
        return self.earned - self.spent


@dataclass(frozen=True, slots=True)
class Totals:
    """Several days together, in paise, minutes and metres. `days` counts those with work."""

    earned: int
    spent: int
    cash: int
    trips: int
    minutes: int
    metres: int
    days: int

    @classmethod
    def of(cls, days: Iterable[Day]) -> "Totals":
        all_days = list(days)
        return cls(
            earned=sum(day.earned for day in all_days),
            spent=sum(day.spent for day in all_days),
            cash=sum(day.cash for day in all_days),
            trips=sum(day.trips for day in all_days),
            minutes=sum(day.minutes for day in all_days),
            metres=sum(day.metres for day in all_days),
            days=sum(1 for day in all_days if day.trips or day.earned),
        )

    @property
    def net(self) -> int:
        return self.earned - self.spent

    @property
    def net_per_hour(self) -> int | None:
        """Paise left for each hour on the road; None while no time was noted."""
        return _rounded(self.net * 60, self.minutes)

    @property
    def net_per_km(self) -> int | None:
        """Paise left for each kilometre; None while no distance was noted."""
        return _rounded(self.net * 1000, self.metres)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> Sequence[date]:
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def chart_period(today: date) -> Period:
    """The days the chart shows: today and the 29 before it."""
    return Period(today - timedelta(days=CHART_DAYS - 1), today)


def week_so_far(today: date) -> Period:
    """Monday to today."""
    return Period(today - timedelta(days=today.weekday()), today)


def same_days_last_week(today: date) -> Period:
    """The days of last week that this week has had too: a Tuesday is compared with a Tuesday, not with seven days."""
    week = timedelta(days=7)
    now = week_so_far(today)
    return Period(now.first - week, now.last - week)


def fill(period: Period, known: Mapping[date, Day]) -> list[Day]:
    """Every day of the period in order; one without work is a day of zeros."""
    return [known.get(day, Day(day)) for day in period.days]


def change(now: int, before: int) -> int | None:
    """How many percent `now` is above (or below) `before`; None where there is nothing to compare with."""
    return _rounded((now - before) * 100, before) if before > 0 else None


def rupees(paise: int) -> Money:
    """Paise as money."""
    return Money(paise, UNIT)


def _rounded(numerator: int, denominator: int) -> int | None:
    """The quotient rounded half away from zero; None when it is divided by nothing."""
    if denominator <= 0:
        return None
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))
