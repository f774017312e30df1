"""The adapter to Stripe's payments: hosted Checkout, PromptPay, refunds, disputes, and what reached our bank.

An order is a Checkout Session (`cs_…`) or, for PromptPay, a PaymentIntent (`pi_…`); a payment is always the
PaymentIntent. Stripe's payments do not name their session, so each carries our receipt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import (
    DisputeFacts,
    DisputeState,
    Method,
    OrderState,
    PaymentFacts,
    RefundFacts,
    RefundState,
)
from tillhouse.parts.payments.ports import (
    Checkout,
    CheckoutQr,
    CheckoutRedirect,
    GatewayOrder,
    Offer,
    OrderRequest,
    ProviderEvent,
    Refused,
    SettlementLine,
)
from tillhouse.parts.payments.providers.stripe.client import StripeClient, safe
from tillhouse.parts.payments.providers.stripe.wire import (
    BalanceTransactionWire,
    ChargeWire,
    DisputeWire,
    Page,
    PaymentIntentWire,
    PayoutWire,
    RefundWire,
    SessionWire,
    SourceRef,
)

_CHARGE = "latest_charge.balance_transaction"
# Stripe's smallest charges (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts), minor units.
_LEAST = {"INR": 50_00, "THB": 10_00, "USD": 50, "VND": 15_000}

_STATES: dict[str, OrderState] = {
    "requires_confirmation": OrderState.PENDING,
    "requires_action": OrderState.PENDING,
    "processing": OrderState.PENDING,
    "requires_capture": OrderState.AUTHORIZED,
    "succeeded": OrderState.CAPTURED,
    "canceled": OrderState.FAILED,
}
_REFUNDS: dict[str, RefundState] = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.PENDING,
    "succeeded": RefundState.PROCESSED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
_DISPUTES: dict[str, DisputeState] = {
    "warning_needs_response": DisputeState.OPEN,
    "needs_response": DisputeState.OPEN,
    "warning_under_review": DisputeState.UNDER_REVIEW,
    "under_review": DisputeState.UNDER_REVIEW,
    "warning_closed": DisputeState.WON,
    "prevented": DisputeState.WON,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
_KINDS: dict[str, Literal["payment", "refund", "dispute", "payout", "adjustment"]] = {
    "charge": "payment",
    "payment": "payment",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund",
    "payment_failure_refund": "refund",
    "transfer": "payout",
    "transfer_refund": "payout",
}


class StripeGateway:
    """Stripe takes idempotency keys everywhere: asking again for the same order, refund or capture is harmless."""

    name: ClassVar[str] = "stripe"
    offers: Sequence[Offer] = (
        *(Offer(Method.CHECKOUT, currency, least=least) for currency, least in _LEAST.items()),
        *(Offer(Method.CARD, currency, least=least) for currency, least in _LEAST.items()),
        Offer(Method.PROMPTPAY, "THB", least=_LEAST["THB"], most=150_000_00, countries=frozenset({"TH"})),
    )

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        if order.method == Method.PROMPTPAY:
            made = await self._client.post(PaymentIntentWire, "/payment_intents", _intent(order), key=order.receipt)
            return GatewayOrder(made.id, _qr(made))
        session = await self._client.post(SessionWire, "/checkout/sessions", _session(order), key=order.receipt)
        return GatewayOrder(session.id, _redirect(session))

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        """None: a second `create_order` under the same receipt answers with the first one's order."""
        return None

    async def cancel_order(self, order_id: str) -> None:
        path = f"/payment_intents/{safe(order_id)}/cancel" if _is_intent(order_id) else f"{_at(order_id)}/expire"
        try:
            if _is_intent(order_id):
                await self._client.post(PaymentIntentWire, path, {}, key=f"cancel-{order_id}")
            else:
                await self._client.post(SessionWire, path, {}, key=f"expire-{order_id}")
        except Refused:
            return  # paid, or ended already: what it is, `payments_of` tells

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        if order_id is not None and not _is_intent(order_id):
            for facts in await self.payments_of(order_id):
                if facts.payment_id == payment_id:
                    return facts
        intent = await self._intent(payment_id)
        sessions = await self._client.get(Page[SessionWire], "/checkout/sessions", {"payment_intent": intent.id})
        return _facts(intent, sessions.data[0].id if sessions.data else intent.id)

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        if _is_intent(order_id):
            return [_facts(await self._intent(order_id), order_id)]
        expand = {"expand[0]": f"payment_intent.{_CHARGE}"}
        session = await self._client.get(SessionWire, _at(order_id), expand)
        intent = session.payment_intent
        if isinstance(intent, str):
            intent = await self._intent(intent)
        return [_facts(intent, session.id)] if intent else []

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        form = {"amount_to_capture": str(amount.minor)}
        path = f"/payment_intents/{safe(payment_id)}/capture"
        await self._client.post(PaymentIntentWire, path, form, key=f"capture-{payment_id}")
        return await self.fetch_payment(payment_id)

    async def refund(self, *, key: UUID, payment_id: str, amount: Money, email: str | None = None) -> RefundFacts:
        form = {"payment_intent": payment_id, "amount": str(amount.minor), "metadata[reference]": str(key)}
        if email:
            form["instructions_email"] = email
        return _refund_facts(await self._client.post(RefundWire, "/refunds", form, key=str(key)))

    async def refunds_of(self, payment_id: str) -> list[RefundFacts]:
        made = await self._client.every(Page[RefundWire], "/refunds", {"payment_intent": payment_id})
        return [_refund_facts(one) for one in reversed(made)]

    async def fetch_refund(self, *, refund_id: str, payment_id: str) -> RefundFacts:
        return _refund_facts(await self._client.get(RefundWire, f"/refunds/{safe(refund_id)}"))

    async def fetch_dispute(self, dispute_id: str) -> DisputeFacts:
        return _dispute_facts(await self._client.get(DisputeWire, f"/disputes/{safe(dispute_id)}"))

    async def settled_on(self, day: date) -> list[SettlementLine]:
        """Stripe's day is UTC's: the lines of every payout that arrived on it."""
        start = datetime.combine(day, time(), UTC)
        within = {
            "status": "paid",
            "arrival_date[gte]": str(int(start.timestamp())),
            "arrival_date[lt]": str(int((start + timedelta(days=1)).timestamp())),
        }
        lines: list[SettlementLine] = []
        for payout in await self._client.every(Page[PayoutWire], "/payouts", within):
            asked = {"payout": payout.id, "expand[0]": "data.source"}
            moved = await self._client.every(Page[BalanceTransactionWire], "/balance_transactions", asked)
            lines += [_line(payout, one, day) for one in moved if one.type != "payout"]
        return lines

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        return self._client.read_event(body, headers)

    async def _intent(self, payment_id: str) -> PaymentIntentWire:
        path = f"/payment_intents/{safe(payment_id)}"
        return await self._client.get(PaymentIntentWire, path, {"expand[0]": _CHARGE})


def _is_intent(order_id: str) -> bool:
    return order_id.startswith("pi_")


def _at(session_id: str) -> str:
    return f"/checkout/sessions/{safe(session_id)}"


def _session(order: OrderRequest) -> dict[str, str]:
    """No `expires_at`: Stripe's least is 30 minutes from when it hears of it. We expire it ourselves."""
    form = {
        "mode": "payment",
        "client_reference_id": order.receipt,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": order.amount.unit.lower(),
        "line_items[0][price_data][unit_amount]": str(order.amount.minor),
        "line_items[0][price_data][product_data][name]": order.title,
        "success_url": order.return_url,
        "cancel_url": order.return_url,
        "metadata[receipt]": order.receipt,
        "payment_intent_data[metadata][receipt]": order.receipt,
    }
    if order.method == Method.CARD:
        form["payment_method_types[0]"] = "card"
    if order.keep_card:  # https://docs.stripe.com/payments/checkout/save-during-payment
        form["customer_creation"] = "always"
        form["payment_intent_data[setup_future_usage]"] = "off_session"
    if order.email:
        form["customer_email"] = order.email
    return form


def _intent(order: OrderRequest) -> dict[str, str]:
    form = {
        "amount": str(order.amount.minor),
        "currency": order.amount.unit.lower(),
        "confirm": "true",
        "payment_method_types[0]": "promptpay",
        "payment_method_data[type]": "promptpay",
        "description": order.title,
        "metadata[receipt]": order.receipt,
    }
    if order.email:
        form["payment_method_data[billing_details][email]"] = order.email
    return form


def _redirect(session: SessionWire) -> Checkout | None:
    return CheckoutRedirect(session.url) if session.url else None


def _qr(intent: PaymentIntentWire) -> Checkout | None:
    code = intent.next_action.promptpay_display_qr_code if intent.next_action else None
    return CheckoutQr(text=code.data, image_url=code.image_url_png) if code else None


def _facts(intent: PaymentIntentWire, order_id: str) -> PaymentFacts:
    charge = intent.latest_charge if isinstance(intent.latest_charge, ChargeWire) else None
    moved = charge.balance_transaction if charge else None
    error = intent.last_payment_error
    failed = OrderState.FAILED if error else OrderState.PENDING
    details = charge.payment_method_details if charge else None
    facts = PaymentFacts(
        provider=StripeGateway.name,
        payment_id=intent.id,
        order_id=order_id,
        amount=intent.money,
        state=_STATES.get(intent.status, failed),
        method=details.type if details else "",
        refunded=charge.amount_refunded if charge else 0,
        error_code=(error.decline_code or error.code) if error else None,
        error_message=error.message if error else None,
    )
    # Where Stripe settles in another currency the fee is in that one too: reconciliation books it, not we.
    if isinstance(moved, BalanceTransactionWire) and moved.money.unit == facts.amount.unit:
        return replace(facts, fee=moved.fee, tax=moved.tax)
    return facts


def _refund_facts(refund: RefundWire) -> RefundFacts:
    return RefundFacts(
        provider=StripeGateway.name,
        refund_id=refund.id,
        payment_id=refund.payment_intent or "",
        amount=refund.money,
        state=_REFUNDS[refund.status],
        reference=refund.metadata.get("reference"),
        reason=refund.failure_reason,
    )


def _dispute_facts(dispute: DisputeWire) -> DisputeFacts:
    due = dispute.evidence_details.due_by if dispute.evidence_details else None
    return DisputeFacts(
        provider=StripeGateway.name,
        dispute_id=dispute.id,
        payment_id=dispute.payment_intent or "",
        amount=dispute.money,
        state=_DISPUTES[dispute.status],
        reason=dispute.reason,
        fee=sum(one.fee for one in dispute.balance_transactions if one.currency == dispute.currency),
        respond_by=datetime.fromtimestamp(due, UTC) if due else None,
    )


def _line(payout: PayoutWire, moved: BalanceTransactionWire, day: date) -> SettlementLine:
    source = moved.source
    subject = source if isinstance(source, str) else _subject(moved, source)
    unit = moved.money.unit
    disputed = moved.type == "adjustment" and isinstance(source, SourceRef) and source.object == "dispute"
    return SettlementLine(
        settlement_id=payout.id,
        line_id=moved.id,
        kind="dispute" if disputed else _KINDS.get(moved.type, "adjustment"),
        subject_id=subject or moved.id,
        gross=moved.money,
        fee=Money(moved.fee, unit),
        tax=Money(moved.tax, unit),
        settled_on=day,
        bank_reference=(payout.trace_id or {}).get("value") or payout.id,
    )


def _subject(moved: BalanceTransactionWire, source: SourceRef | None) -> str | None:
    """A payment is known to us by its PaymentIntent, what was taken back of a transfer by the transfer and itself,
    everything else by its own id.
    """
    if source is None:
        return None
    if moved.type == "transfer_refund" and source.transfer:
        return f"{source.transfer}/{source.id}"
    return source.payment_intent if moved.type in ("charge", "payment") and source.payment_intent else source.id
