"""The rules of orders, payments and payouts. No I/O, no framework."""

from tillhouse.parts.payments.domain.destinations import BankAccount, Destination, Vpa, destination_from
from tillhouse.parts.payments.domain.orders import (
    ORDER_MOVES,
    OrderState,
    PaymentFacts,
    mismatch,
    next_order_check,
    order_sentence,
    order_step,
)
from tillhouse.parts.payments.domain.payouts import (
    PAYOUT_MOVES,
    PayoutFacts,
    PayoutState,
    next_payout_check,
    payout_sentence,
    payout_step,
)

__all__ = [
    "ORDER_MOVES",
    "PAYOUT_MOVES",
    "BankAccount",
    "Destination",
    "OrderState",
    "PaymentFacts",
    "PayoutFacts",
    "PayoutState",
    "Vpa",
    "destination_from",
    "mismatch",
    "next_order_check",
    "next_payout_check",
    "order_sentence",
    "order_step",
    "payout_sentence",
    "payout_step",
]
