"""The adapter to Razorpay's orders, UPI codes, payment links, and the payments for all three."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from pydantic import ValidationError

from tillhouse.kernel import clock
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import Method, OrderState, PaymentFacts
from tillhouse.parts.payments.ports import (
    BadSignature,
    CheckoutQr,
    CheckoutRedirect,
    CheckoutScript,
    GatewayOrder,
    Offer,
    OrderRequest,
    ProviderEvent,
    Refused,
)
from tillhouse.parts.payments.providers.razorpay.client import RazorpayClient, safe
from tillhouse.parts.payments.providers.razorpay.mandates import authorising, checkout_options, new_customer
from tillhouse.parts.payments.providers.razorpay.wire import (
    Collection,
    Links,
    LinkWire,
    OrderWire,
    PaymentWire,
    QrWire,
)
from tillhouse.parts.payments.providers.razorpay_format import EventWire, check_signature

_STATES: dict[str, OrderState] = {
    "created": OrderState.PENDING,
    "authorized": OrderState.AUTHORIZED,
    "captured": OrderState.CAPTURED,
    "failed": OrderState.FAILED,
}
_INDIA = frozenset({"IN"})

# Minutes. What the bank approves within the first is captured by Razorpay; what nobody captured within the second,
# Razorpay gives back. Ours is the fallback between the two.
_AUTOMATIC_CAPTURE = 12
_KEPT_FOR = 7200

# A code lives for two minutes at least and two hours at most; a link for fifteen minutes at least.
_QR_LEAST, _QR_MOST = timedelta(minutes=3), timedelta(hours=2)
_LINK_LEAST = timedelta(minutes=16)


class RazorpayGateway:
    """None of Razorpay's orders has an idempotency key: our unique receipt is looked up before a retry.

    Which of the three an order is, its id says: `order_…`, `qr_…`, `plink_…`.
    """

    name: ClassVar[str] = "razorpay"
    offers: Sequence[Offer] = (
        Offer(Method.CHECKOUT, "INR", least=100),
        Offer(Method.UPI_QR, "INR", least=100, most=1_00_000_00, countries=_INDIA),
        Offer(Method.PAYMENT_LINK, "INR", least=100),
    )

    def __init__(self, client: RazorpayClient) -> None:
        self._client = client
        self.public_key = client.settings.key_id

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        if order.method == Method.UPI_QR:
            return _as_qr(await self._client.post(QrWire, "/payments/qr_codes", _qr(order)))
        if order.method == Method.PAYMENT_LINK:
            return _as_link(await self._client.post(LinkWire, "/payment_links", _link(order)))
        body = _order(order)
        if order.keep_card:
            body = authorising(order, body, await new_customer(self._client, order))
        return self._as_order(await self._client.post(OrderWire, "/orders", body), order)

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        if order.method == Method.UPI_QR:
            return await self._find_qr(order)
        if order.method == Method.PAYMENT_LINK:
            links = await self._client.get(Links, "/payment_links", {"reference_id": order.receipt})
            return next((_as_link(one) for one in links.payment_links if one.reference_id == order.receipt), None)
        found = await self._client.get(Collection[OrderWire], "/orders", {"receipt": order.receipt})
        made = next((one for one in found.items if one.receipt == order.receipt), None)
        return self._as_order(made, order) if made else None

    async def cancel_order(self, order_id: str) -> None:
        """A plain order cannot be cancelled: what is paid late is booked late."""
        try:
            if order_id.startswith("qr_"):
                await self._client.post(QrWire, f"/payments/qr_codes/{safe(order_id)}/close")
            elif order_id.startswith("plink_"):
                await self._client.post(LinkWire, f"/payment_links/{safe(order_id)}/cancel")
        except Refused:
            return  # paid, or ended already: what it is, `payments_of` tells

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        payment = await self._client.get(PaymentWire, f"/payments/{safe(payment_id)}")
        return _facts(payment, await self._order_of(payment, order_id))

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        if order_id.startswith("plink_"):
            link = await self._client.get(LinkWire, f"/payment_links/{safe(order_id)}")
            return [await self.fetch_payment(one.payment_id, order_id=order_id) for one in link.payments or []]
        kind = "payments/qr_codes" if order_id.startswith("qr_") else "orders"
        found = await self._client.get(Collection[PaymentWire], f"/{kind}/{safe(order_id)}/payments")
        newest_first = sorted(found.items, key=lambda payment: payment.created_at, reverse=True)
        return [_facts(payment, order_id) for payment in newest_first]

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        body = {"amount": amount.minor, "currency": amount.unit}
        payment = await self._client.post(PaymentWire, f"/payments/{safe(payment_id)}/capture", body)
        return _facts(payment, await self._order_of(payment, payment.order_id))

    def checkout_fields(self, order_id: str, amount: Money) -> CheckoutScript:
        options: dict[str, str | int] = {
            "key": self.public_key,
            "order_id": order_id,
            "amount": amount.minor,
            "currency": amount.unit,
        }
        places = self._client.places
        return CheckoutScript(places.script, f"{places.api}/checkout/embedded", options)

    def verify_checkout(self, *, order_id: str, payment_id: str, signature: str) -> None:
        check_signature(f"{order_id}|{payment_id}".encode(), signature, (self._client.settings.key_secret,))

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        check_signature(body, headers.get("x-razorpay-signature", ""), self._client.settings.webhook_secrets)
        try:
            event = EventWire.model_validate_json(body)
        except ValidationError:
            raise BadSignature(N_("This is signed, but it is not an event.")) from None
        payment, refund, dispute = event.entity("payment"), event.entity("refund"), event.entity("dispute")
        token = event.entity("token")
        made = event.entity("payment_link") or event.entity("qr_code") or event.entity("order")
        return ProviderEvent(
            event_id=headers.get("x-razorpay-event-id", ""),
            name=event.event,
            payment_id=_text(payment.get("id") or refund.get("payment_id") or dispute.get("payment_id")),
            order_id=_text(made.get("id")) or _text(payment.get("order_id")),
            receipt=_text(_notes_of(payment).get("receipt")),
            refund_id=_text(refund.get("id")),
            dispute_id=_text(dispute.get("id")),
            authorisation_id=None if payment else _text(token.get("id")),
            amount=None if refund or dispute else _amount(payment) or _amount(made),
        )

    def _as_order(self, made: OrderWire, order: OrderRequest) -> GatewayOrder:
        script = self.checkout_fields(made.id, order.amount)
        return GatewayOrder(made.id, replace(script, options={**script.options, **checkout_options(made)}))

    async def _find_qr(self, order: OrderRequest) -> GatewayOrder | None:
        since = int((clock.now() - _QR_MOST - timedelta(hours=1)).timestamp())
        skip = 0
        while True:
            params = {"from": str(since), "count": "100", "skip": str(skip)}
            page = await self._client.get(Collection[QrWire], "/payments/qr_codes", params)
            for one in page.items:
                if one.notes.get("receipt") == order.receipt:
                    return _as_qr(one)
            skip += 100
            if len(page.items) < 100:
                return None

    async def _order_of(self, payment: PaymentWire, said: str | None) -> str:
        """What we call the order of a payment. One for a code names none, and one for a link an order of the link's
        own: Razorpay is asked.
        """
        by = {"payment_id": payment.id}
        if payment.order_id is None or (said and said.startswith("qr_")):
            codes = await self._client.get(Collection[QrWire], "/payments/qr_codes", by)
            return codes.items[0].id if codes.items else ""
        by_link = payment.notes.get("paid_by") == Method.PAYMENT_LINK
        if by_link or said is None or said.startswith("plink_"):
            links = await self._client.get(Links, "/payment_links", by)
            return links.payment_links[0].id if links.payment_links else payment.order_id
        return payment.order_id


def _order(order: OrderRequest) -> dict[str, object]:
    return {
        "amount": order.amount.minor,
        "currency": order.amount.unit,
        "receipt": order.receipt,
        "notes": {"purpose": order.purpose, "receipt": order.receipt},
        "payment": {
            "capture": "automatic",
            "capture_options": {
                "automatic_expiry_period": _AUTOMATIC_CAPTURE,
                "manual_expiry_period": _KEPT_FOR,
                "refund_speed": "normal",
            },
        },
    }


def _qr(order: OrderRequest) -> dict[str, object]:
    closes = min(max(order.expires_at, clock.now() + _QR_LEAST), clock.now() + _QR_MOST)
    return {
        "type": "upi_qr",
        "usage": "single_use",
        "fixed_amount": True,
        "payment_amount": order.amount.minor,
        "name": order.title[:50],
        "close_by": int(closes.timestamp()),
        "notes": {"receipt": order.receipt, "paid_by": order.method},
    }


def _link(order: OrderRequest) -> dict[str, object]:
    body: dict[str, object] = {
        "amount": order.amount.minor,
        "currency": order.amount.unit,
        "reference_id": order.receipt,
        "description": order.title,
        "expire_by": int(max(order.expires_at, clock.now() + _LINK_LEAST).timestamp()),
        "callback_url": order.return_url,
        "callback_method": "get",
        "notify": {"sms": False, "email": False},
        "notes": {"receipt": order.receipt, "paid_by": order.method},
    }
    return {**body, "customer": {"email": order.email}} if order.email else body


def _as_qr(made: QrWire) -> GatewayOrder:
    if made.status != "active":
        return GatewayOrder(made.id, None)
    return GatewayOrder(made.id, CheckoutQr(made.image_content, made.image_url, closes_at=made.close_by))


def _as_link(made: LinkWire) -> GatewayOrder:
    return GatewayOrder(made.id, CheckoutRedirect(made.short_url))


def _facts(payment: PaymentWire, order_id: str) -> PaymentFacts:
    return PaymentFacts(
        provider=RazorpayGateway.name,
        payment_id=payment.id,
        order_id=order_id,
        amount=Money(payment.amount, payment.currency),
        state=_state_of(payment),
        method=payment.method or "",
        refunded=payment.amount_refunded or 0,
        fee=payment.fee,
        tax=payment.tax,
        error_code=payment.error_reason or payment.error_code,
        error_message=payment.error_description,
    )


def _state_of(payment: PaymentWire) -> OrderState:
    """`refunded` hides whether the money was ever ours: what was captured counts as captured, with its refund."""
    if payment.status == "refunded":
        return OrderState.CAPTURED if payment.captured else OrderState.FAILED
    return _STATES[payment.status]


def _notes_of(entity: Mapping[str, object]) -> Mapping[str, object]:
    notes = entity.get("notes")
    return notes if isinstance(notes, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _amount(entity: Mapping[str, object]) -> Money | None:
    amount, currency = entity.get("amount"), entity.get("currency")
    return Money(amount, currency) if type(amount) is int and isinstance(currency, str) else None
