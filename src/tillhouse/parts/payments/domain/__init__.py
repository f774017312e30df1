"""The rules of orders, payments, refunds, disputes and payouts. No I/O, no framework."""

from tillhouse.parts.payments.domain.destinations import (
    BankAccount,
    Destination,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
    destination_from,
)
from tillhouse.parts.payments.domain.names import NameMatch, masked_name, match_names
from tillhouse.parts.payments.domain.orders import (
    ORDER_MOVES,
    Method,
    OrderState,
    PaymentFacts,
    mismatch,
    next_order_check,
    order_sentence,
    order_step,
)
from tillhouse.parts.payments.domain.payees import (
    PayeeState,
    Reason,
    account_of,
    next_account_check,
    payee_sentence,
)
from tillhouse.parts.payments.domain.payouts import (
    PAYOUT_MOVES,
    PayoutFacts,
    PayoutState,
    next_payout_check,
    payout_sentence,
    payout_step,
)
from tillhouse.parts.payments.domain.refunds import (
    DISPUTE_MOVES,
    REFUND_MOVES,
    DisputeFacts,
    DisputeState,
    RefundFacts,
    RefundState,
    dispute_step,
    refund_sentence,
    refund_step,
)
from tillhouse.parts.payments.domain.transfers import TransferFacts

__all__ = [
    "DISPUTE_MOVES",
    "ORDER_MOVES",
    "PAYOUT_MOVES",
    "REFUND_MOVES",
    "BankAccount",
    "Destination",
    "DisputeFacts",
    "DisputeState",
    "Method",
    "NameMatch",
    "OrderState",
    "PayeeState",
    "PaymentFacts",
    "PayoutFacts",
    "PayoutState",
    "Reason",
    "RefundFacts",
    "RefundState",
    "StripeAccount",
    "ThaiBankAccount",
    "TransferFacts",
    "Vpa",
    "account_of",
    "destination_from",
    "dispute_step",
    "masked_name",
    "match_names",
    "mismatch",
    "next_account_check",
    "next_order_check",
    "next_payout_check",
    "order_sentence",
    "order_step",
    "payee_sentence",
    "payout_sentence",
    "payout_step",
    "refund_sentence",
    "refund_step",
]
