"""A provider's message as staff may read it: what tells the state of money stays, whom and what account it names goes.

What is not known to be harmless is hidden: a provider that adds a field tomorrow tells nobody more than today.
"""

import json
import re

from tillhouse.kernel.db import JsonValue

HIDDEN = "•••"

# Keys whose values are numbers, states or names of things of the provider's own, in any of the gateways' messages.
_SHOWN = frozenset({
    "amount", "amount_captured", "amount_deducted", "amount_due", "amount_paid", "amount_received", "amount_refunded",
    "api_version", "attempts", "balance_transaction", "cancelled_at", "capture", "captured", "captured_at", "charge",
    "code", "contains", "created", "created_at", "currency", "current_period_end", "deadline", "direction",
    "disputed", "entity", "error_code", "error_reason", "error_source", "error_step", "event", "event_type",
    "evidence_due_by", "expired_at", "expires_at", "failed_at", "failure_code", "fee", "fee_vat", "fees", "gateway",
    "id", "international", "key", "livemode", "max_amount", "method", "mode", "net", "object", "order_id",
    "order_invoice_number", "order_status", "paid", "paid_at", "payment_capture", "payment_id", "payment_intent",
    "payment_method_types", "payment_status", "payout_id", "phase", "processed_at", "purpose", "reason",
    "reason_code", "receipt", "recurring", "refund_id", "refund_status", "refundable", "refunded", "refunded_amount",
    "respond_by", "reversed", "speed_processed", "speed_requested", "state", "status", "tax", "timestamp",
    "transaction_date", "transaction_status", "transaction_type", "transactionDate", "transactionType", "transfer",
    "transferAmount", "transferType", "type", "version",
})  # fmt: skip
# What the integrator or the payer wrote freely: nothing beneath is shown, whatever it is called.
_FREE = frozenset({"notes", "metadata", "customer_details", "billing_details", "card", "bank", "upi", "vpa"})
_OWN_NAME = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")
_LONG = 50_000


def masked_body(body: str) -> str:
    """The message, indented, with everything hidden that may name a person, an account or a secret.

    A message that is not JSON is hidden as a whole, with its length told.
    """
    try:
        document: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return f"{HIDDEN} ({len(body)})"
    return json.dumps(_masked(document, shown=False), indent=2, ensure_ascii=False)[:_LONG]


def _masked(value: JsonValue, *, shown: bool, free: bool = False) -> JsonValue:
    if isinstance(value, dict):
        return {_name(name): _inside(name, inside, free=free) for name, inside in value.items()}
    if isinstance(value, list):
        return [_masked(inside, shown=shown, free=free) for inside in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if shown and _OWN_NAME.fullmatch(value) else HIDDEN
    return value if shown else HIDDEN


def _inside(name: str, value: JsonValue, *, free: bool) -> JsonValue:
    free = free or name in _FREE
    return _masked(value, shown=name in _SHOWN and not free, free=free)


def _name(name: str) -> str:
    """Keys of free notes are typed by people too."""
    return name if _OWN_NAME.fullmatch(name) else HIDDEN
