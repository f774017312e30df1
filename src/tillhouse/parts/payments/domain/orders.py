"""What an order for money goes through: data, and the two functions that read it.

    created ─► pending ─► authorized ─► captured ─► partially_refunded ─► refunded
       └──────────┴────────────┴─► failed, expired        └──► disputed

Forward only, with the one way back that gateways themselves have: a payment reported as failed, or one that came after
the order had expired, may be authorised late.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_


class OrderState(StrEnum):
    """Where an order, or one payment for it, stands."""

    CREATED = "created"
    PENDING = "pending"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"
    DISPUTED = "disputed"


_S = OrderState
ORDER_MOVES: dict[OrderState, frozenset[OrderState]] = {
    _S.CREATED: frozenset({_S.PENDING, _S.AUTHORIZED, _S.CAPTURED, _S.FAILED, _S.EXPIRED}),
    _S.PENDING: frozenset({_S.AUTHORIZED, _S.CAPTURED, _S.FAILED, _S.EXPIRED}),
    _S.AUTHORIZED: frozenset({_S.CAPTURED, _S.FAILED, _S.EXPIRED}),
    _S.CAPTURED: frozenset({_S.PARTIALLY_REFUNDED, _S.REFUNDED, _S.DISPUTED}),
    _S.PARTIALLY_REFUNDED: frozenset({_S.REFUNDED, _S.DISPUTED}),
    _S.REFUNDED: frozenset(),
    # Late authorisation: Razorpay may report a failed payment as authorised or captured days later.
    _S.FAILED: frozenset({_S.AUTHORIZED, _S.CAPTURED}),
    _S.EXPIRED: frozenset({_S.AUTHORIZED, _S.CAPTURED}),
    # A dispute that is won leaves the money where it was; one that is lost gives it back.
    _S.DISPUTED: frozenset({_S.CAPTURED, _S.REFUNDED}),
}


class Method(StrEnum):
    """How a buyer pays. A gateway's own page (`checkout`) lets them choose there. `upi` is for what is kept
    (`keep_card`): anybody else pays with UPI there, or by a code.
    """

    CHECKOUT = "checkout"
    CARD = "card"
    UPI = "upi"
    UPI_QR = "upi_qr"
    PAYMENT_LINK = "payment_link"
    PROMPTPAY = "promptpay"
    INTERNET_BANKING = "internet_banking"
    MOBILE_BANKING = "mobile_banking"
    BANK_TRANSFER = "bank_transfer"


# The code that a buyer's banking app scans, by the currency that it moves.
QR_METHODS = {"INR": Method.UPI_QR, "THB": Method.PROMPTPAY, "VND": Method.BANK_TRANSFER}

# What a person is told, in the order of the states.
_SENTENCES = {
    _S.CREATED: N_("We are preparing your payment. No money has moved."),
    _S.PENDING: N_("Waiting for your payment. No money has moved."),
    _S.AUTHORIZED: N_("Your bank said yes. The money arrives within a few minutes."),
    _S.CAPTURED: N_("Paid."),
    _S.PARTIALLY_REFUNDED: N_("Paid; a part was given back."),
    _S.REFUNDED: N_("Given back to where it came from."),
    _S.FAILED: N_("The payment did not go through. If your bank took money, it comes back within a few days."),
    _S.EXPIRED: N_("Not paid in time. No money has moved; you can start again."),
    _S.DISPUTED: N_("Your bank is looking into this payment."),
}

# An order is asked about at these ages, until it is paid. The last ones are for a late authorisation whose event we
# missed: Razorpay gives back what is not captured after 5 days.
_CHECK_AT_AGE = tuple(timedelta(minutes=m) for m in (2, 5, 15, 31, 60, 360, 1440, 4320, 7200))


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """One payment as the gateway tells it: `pending`, `authorized`, `captured` or `failed`, and what was given back.

    `refunded`, `fee` and `tax` (which is part of the fee) are minor units; the fee is known once it is captured.
    """

    provider: str
    payment_id: str
    order_id: str
    amount: Money
    state: OrderState
    method: str = ""
    refunded: int = 0
    fee: int | None = None
    tax: int | None = None
    error_code: str | None = None
    error_message: str | None = None


def order_step(now: OrderState, wanted: OrderState) -> OrderState | None:
    """The state after hearing of `wanted`, or None when hearing it changes nothing (old news, or not allowed)."""
    return wanted if wanted in ORDER_MOVES[now] else None


def order_sentence(state: OrderState) -> str:
    """What the state means for the person's money: an English message id."""
    return _SENTENCES[state]


def mismatch(expected: Money, found: Money) -> str | None:
    """Why a payment of `found` is not one for an order over `expected`, or None when it is."""
    if found.unit != expected.unit:
        return "foreign_currency"
    return None if found.minor == expected.minor else "foreign_amount"


def next_order_check(created_at: datetime, now: datetime) -> datetime | None:
    """When to ask the gateway about an unpaid order again; None when everything it can tell has been told."""
    return next((created_at + age for age in _CHECK_AT_AGE if created_at + age > now), None)
