"""Coupons: what they take off, and when they do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_


class CouponRefused(InvalidInput):
    """This coupon does not apply here, now, or any more."""

    code = "coupon_refused"


@dataclass(frozen=True, slots=True)
class Discount:
    """Hundredths of a per cent, or an amount of one currency. Exactly one of the two."""

    basis_points: int | None = None
    amount: Money | None = None

    def __post_init__(self) -> None:
        if (self.basis_points is None) == (self.amount is None):
            raise ValueError("a discount is a share or an amount")
        if self.basis_points is not None and not 0 < self.basis_points <= 10_000:
            raise ValueError("a share is above 0 and at most 100 per cent")
        if self.amount is not None and self.amount.minor <= 0:
            raise ValueError("an amount off is above zero")

    def off(self, price: Money) -> Money:
        """What is taken off, rounded down, never more than the price. Raises `CouponRefused` in another currency."""
        if self.basis_points is not None:
            return Money(price.minor * self.basis_points // 10_000, price.unit)
        assert self.amount is not None
        if self.amount.unit != price.unit:
            raise refused("other_currency", N_("This coupon is for another currency."))
        return min(self.amount, price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A coupon as it stands. `offers` empty: for everything. `periods` None: for as long as the subscription lasts."""

    code: str
    discount: Discount
    offers: Sequence[str]
    starts_at: datetime | None
    ends_at: datetime | None
    most: int | None
    redeemed: int
    once_per_owner: bool
    periods: int | None

    def check(self, offer: str, now: datetime, *, used_before: bool) -> None:
        """Raise `CouponRefused` unless it applies to `offer` now."""
        if self.starts_at and now < self.starts_at:
            raise refused("not_yet", N_("This coupon is not valid yet."))
        if self.ends_at and self.ends_at <= now:
            raise refused("expired", N_("This coupon has expired."))
        if self.most is not None and self.redeemed >= self.most:
            raise refused("used_up", N_("This coupon has been used up."))
        self.check_offer(offer)
        if self.once_per_owner and used_before:
            raise refused("used_before", N_("You have used this coupon before."))

    def check_offer(self, offer: str) -> None:
        """Raise `CouponRefused` unless it is for `offer`: all that is asked again for each further period."""
        if self.offers and offer not in self.offers:
            raise refused("other_offer", N_("This coupon is not for this offer."))


def refused(code: str, message: str) -> CouponRefused:
    """The refusal of a coupon, at the field that named it."""
    return CouponRefused(message, errors=[FieldError("/coupon", code, message)])
