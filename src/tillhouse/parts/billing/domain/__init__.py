"""Rules of billing: periods, states, prices. Pure: no clock, no database."""

from tillhouse.parts.billing.domain.coupons import Coupon, CouponRefused, Discount
from tillhouse.parts.billing.domain.owners import Owner, organisation, page_of, person
from tillhouse.parts.billing.domain.periods import Period, Window, counter_of, period_of, window_of
from tillhouse.parts.billing.domain.prices import Tax, earned_share, points_for, tax_within, unused_share
from tillhouse.parts.billing.domain.subscriptions import (
    LIVE,
    Dunning,
    Facts,
    InvoiceState,
    State,
    Step,
    next_look,
    next_step,
    times_to_ask,
)

__all__ = [
    "LIVE",
    "Coupon",
    "CouponRefused",
    "Discount",
    "Dunning",
    "Facts",
    "InvoiceState",
    "Owner",
    "Period",
    "State",
    "Step",
    "Tax",
    "Window",
    "counter_of",
    "earned_share",
    "next_look",
    "next_step",
    "organisation",
    "page_of",
    "period_of",
    "person",
    "points_for",
    "tax_within",
    "times_to_ask",
    "unused_share",
    "window_of",
]
