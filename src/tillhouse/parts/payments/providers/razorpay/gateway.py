"""The adapter to Razorpay's orders and payments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import Answer, Outbound
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import Method, OrderState, PaymentFacts
from tillhouse.parts.payments.ports import (
    BadSignature,
    CheckoutScript,
    GatewayOrder,
    Offer,
    OrderRequest,
    ProviderEvent,
)
from tillhouse.parts.payments.providers.answers import path_part, read
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings
from tillhouse.parts.payments.providers.razorpay.wire import (
    Orders,
    OrderWire,
    Payments,
    PaymentWire,
)
from tillhouse.parts.payments.providers.razorpay_format import EventWire, check_signature, raise_for

W = TypeVar("W", bound=BaseModel)

_REAL = "https://api.razorpay.com/v1"

_STATES: dict[str, OrderState] = {
    "created": OrderState.PENDING,
    "authorized": OrderState.AUTHORIZED,
    "captured": OrderState.CAPTURED,
    "failed": OrderState.FAILED,
}

# Minutes. What the bank approves within the first is captured by Razorpay; what nobody captured within the second,
# Razorpay gives back. Ours is the fallback between the two.
_AUTOMATIC_CAPTURE = 12
_KEPT_FOR = 7200


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of Razorpay: of the API, and of what its checkout loads in a browser."""

    api: str
    script: str
    scripts: tuple[str, ...]
    frames: tuple[str, ...]
    connections: tuple[str, ...]
    forms: tuple[str, ...]

    @classmethod
    def at(cls, base_url: str) -> "Places":
        """Everything under one base URL, as a sandbox has it; the real Razorpay spreads over several hosts."""
        if base_url == _REAL:
            return cls(
                api=_REAL,
                script="https://checkout.razorpay.com/v1/checkout.js",
                scripts=("https://checkout.razorpay.com",),
                frames=("https://api.razorpay.com", "https://checkout.razorpay.com"),
                connections=("https://api.razorpay.com", "https://lumberjack.razorpay.com"),
                forms=("https://api.razorpay.com",),
            )
        parts = urlsplit(base_url)
        origin = (f"{parts.scheme}://{parts.netloc}",)
        return cls(base_url, f"{base_url}/checkout.js", origin, origin, origin, origin)


class RazorpayGateway:
    """Razorpay's orders have no idempotency key: the unique `receipt` is looked up before a retry."""

    name: ClassVar[str] = "razorpay"
    offers = (Offer(Method.CHECKOUT, "INR", least=100),)

    def __init__(self, outbound: Outbound, settings: RazorpaySettings, *, sandbox: str = "") -> None:
        base = settings.base_url or (f"{sandbox.rstrip('/')}/razorpay/v1" if sandbox else _REAL)
        self.places = Places.at(base.rstrip("/"))
        self.public_key = settings.key_id
        self._outbound = outbound
        self._settings = settings

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        body = {
            "amount": order.amount.minor,
            "currency": order.amount.unit,
            "receipt": order.receipt,
            "notes": {"purpose": order.purpose},
            "payment": {
                "capture": "automatic",
                "capture_options": {
                    "automatic_expiry_period": _AUTOMATIC_CAPTURE,
                    "manual_expiry_period": _KEPT_FOR,
                    "refund_speed": "normal",
                },
            },
        }
        made = _read(OrderWire, await self._send("POST", "/orders", body))
        return GatewayOrder(made.id, self.checkout_fields(made.id, order.amount))

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        found = _read(Orders, await self._send("GET", "/orders", params={"receipt": order.receipt}))
        made = next((one for one in found.items if one.receipt == order.receipt), None)
        return GatewayOrder(made.id, self.checkout_fields(made.id, order.amount)) if made else None

    async def cancel_order(self, order_id: str) -> None:
        """Razorpay's orders cannot be cancelled: what is paid late is booked late."""

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        return _facts(_read(PaymentWire, await self._send("GET", f"/payments/{_safe(payment_id)}")))

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        answer = await self._send("GET", f"/orders/{_safe(order_id)}/payments")
        return [_facts(payment) for payment in _read(Payments, answer).items]

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        body = {"amount": amount.minor, "currency": amount.unit}
        return _facts(_read(PaymentWire, await self._send("POST", f"/payments/{_safe(payment_id)}/capture", body)))

    def checkout_fields(self, order_id: str, amount: Money) -> CheckoutScript:
        options: dict[str, str | int] = {
            "key": self.public_key,
            "order_id": order_id,
            "amount": amount.minor,
            "currency": amount.unit,
        }
        return CheckoutScript(self.places.script, f"{self.places.api}/checkout/embedded", options)

    def verify_checkout(self, *, order_id: str, payment_id: str, signature: str) -> None:
        check_signature(f"{order_id}|{payment_id}".encode(), signature, (self._settings.key_secret,))

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        check_signature(body, headers.get("x-razorpay-signature", ""), self._settings.webhook_secrets)
        try:
            event = EventWire.model_validate_json(body)
        except ValidationError:
            raise BadSignature(N_("This is signed, but it is not an event.")) from None
        payment, order = event.entity("payment"), event.entity("order")
        return ProviderEvent(
            event_id=headers.get("x-razorpay-event-id", ""),
            name=event.event,
            payment_id=_text(payment.get("id")),
            order_id=_text(payment.get("order_id")) or _text(order.get("id")),
            amount=_amount(payment) or _amount(order),
        )

    async def _send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        auth = (self.public_key, self._settings.key_secret)
        answer = await self._outbound.send(
            self.name, method, self.places.api + path, json=body, params=params, auth=auth
        )
        raise_for(answer, "Razorpay")
        return answer


def _facts(payment: PaymentWire) -> PaymentFacts:
    return PaymentFacts(
        provider=RazorpayGateway.name,
        payment_id=payment.id,
        order_id=payment.order_id or "",
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


def _read(shape: type[W], answer: Answer) -> W:
    return read(shape, answer, "Razorpay")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _amount(entity: Mapping[str, object]) -> Money | None:
    amount, currency = entity.get("amount"), entity.get("currency")
    return Money(amount, currency) if type(amount) is int and isinstance(currency, str) else None


def _safe(identifier: str) -> str:
    return path_part(identifier, "Razorpay")
