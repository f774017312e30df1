"""Arithmetic of prices: what of them is tax, what is used up, what is left. Integers of minor units throughout."""

from dataclasses import dataclass
from datetime import datetime

from tillhouse.kernel.money import Money
from tillhouse.parts.billing.domain.periods import Period


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax that prices include: its name on receipts (`GST`, `VAT`) and its rate in hundredths of a per cent."""

    name: str
    basis_points: int

    def __post_init__(self) -> None:
        if not 0 <= self.basis_points <= 10_000:
            raise ValueError("a rate of tax is between 0 and 100 per cent")


def tax_within(total: Money, basis_points: int) -> Money:
    """The tax in a price that includes it, rounded half up to the minor unit."""
    whole = 10_000 + basis_points
    return Money((2 * total.minor * basis_points + whole) // (2 * whole), total.unit)


def earned_share(total: Money, period: Period, now: datetime) -> Money:
    """The part of `total` that was earned by `now`, in proportion to time, rounded down until the end."""
    length = period.end - period.start
    passed = min(max(now, period.start), period.end) - period.start
    return Money(total.minor * (passed // _TICK) // (length // _TICK), total.unit)


def unused_share(total: Money, period: Period, now: datetime) -> Money:
    """The part of `total` that is for the time after `now`: what `earned_share` leaves."""
    return total - earned_share(total, period, now)


def points_for(cost: int, rate: int) -> int:
    """The whole points for a cost in billionths of a price list's unit, at `rate` points for the unit, rounded up."""
    return -(-cost * rate // _BILLIONTHS)


_BILLIONTHS = 1_000_000_000
_TICK = datetime.resolution
