"""Gateways for tests of what ours do not do yet: Razorpay with refunds and disputes, and one with many ways to pay.

`RefundingRazorpay` speaks to the sandbox's real doors; `Play` stands for gateways whose sandbox is not here: it keeps
its state in itself, as a gateway does, and can be told to time out before or after it acted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel

from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import OutcomeUnknown
from tillhouse.parts.payments.domain import (
    DisputeFacts,
    Method,
    OrderState,
    PaymentFacts,
    RefundFacts,
    RefundState,
    TransferFacts,
)
from tillhouse.parts.payments.ports import (
    Checkout,
    CheckoutForm,
    CheckoutQr,
    CheckoutRedirect,
    GatewayOrder,
    InstalledGateway,
    Offer,
    OrderRequest,
    ProviderEvent,
    Refused,
)
from tillhouse.parts.payments.providers.razorpay.gateway import RazorpayGateway
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings
from tillhouse.parts.payments.providers.razorpay_format import EventWire, raise_for


class _Refund(BaseModel):
    id: str
    payment_id: str
    amount: int
    currency: str
    status: RefundState
    notes: dict[str, str] | list[str] = {}


class _Refunds(BaseModel):
    items: list[_Refund]


class RefundingRazorpay(RazorpayGateway):
    """Razorpay's refunds as the sandbox plays them; its disputes are set by the test."""

    def __init__(self, house: House) -> None:
        settings = house.settings_of(RazorpaySettings)
        super().__init__(house.outbound, settings, sandbox=house.settings.sandbox_url)
        self.secret = settings.key_secret
        self.out = house.outbound
        self.disputes: dict[str, DisputeFacts] = {}

    async def refund(self, *, key: UUID, payment_id: str, amount: Money) -> RefundFacts:
        body = {"amount": amount.minor, "notes": {"reference": str(key)}}
        headers = {"X-Refund-Idempotency": str(key)}
        return self._read(await self._call("POST", f"/payments/{payment_id}/refund", body, headers))

    async def find_refund(self, *, key: UUID, payment_id: str) -> RefundFacts | None:
        body = await self._call("GET", f"/payments/{payment_id}/refunds")
        made = [self._facts(one) for one in _Refunds.model_validate_json(body).items]
        return next((one for one in made if one.reference == str(key)), None)

    async def fetch_refund(self, *, refund_id: str, payment_id: str) -> RefundFacts:
        return self._read(await self._call("GET", f"/refunds/{refund_id}"))

    async def fetch_dispute(self, dispute_id: str) -> DisputeFacts:
        return self.disputes[dispute_id]

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        event = super().read_event(body, headers)
        refund = EventWire.model_validate_json(body).entity("refund").get("id")
        return replace(event, refund_id=str(refund)) if refund else event

    async def _call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        auth = (self.public_key, self.secret)
        url = self.places.api + path
        answer = await self.out.send(self.name, method, url, json=body, headers=headers, auth=auth)
        raise_for(answer, "Razorpay")
        return answer.body

    def _read(self, body: bytes) -> RefundFacts:
        return self._facts(_Refund.model_validate_json(body))

    def _facts(self, refund: _Refund) -> RefundFacts:
        notes = refund.notes if isinstance(refund.notes, dict) else {}
        money = Money(refund.amount, refund.currency)
        return RefundFacts(
            "razorpay", refund.id, refund.payment_id, money, refund.status, reference=notes.get("reference")
        )


def let_razorpay_refund(house: House) -> RefundingRazorpay:
    """Razorpay as above in place of the house's own."""
    gateway = RefundingRazorpay(house)
    for at, found in enumerate(house._provided):
        if isinstance(found, InstalledGateway) and found.gateway.name == "razorpay":
            house._provided[at] = InstalledGateway(gateway=gateway, proofs=gateway, refunds=gateway, disputes=gateway)
    return gateway


@dataclass
class Play:
    """A gateway with redirects, forms, QR codes and bank transfers, in rupees and dong."""

    name: ClassVar[str] = "play"
    offers: Sequence[Offer] = (
        Offer(Method.UPI_QR, "INR", least=100),
        Offer(Method.PAYMENT_LINK, "INR", least=100),
        Offer(Method.INTERNET_BANKING, "INR", least=100),
        Offer(Method.BANK_TRANSFER, "VND", least=1000, countries=frozenset({"VN"})),
    )
    orders: dict[str, OrderRequest] = field(default_factory=dict)
    payments: dict[str, PaymentFacts] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    transfers: list[TransferFacts] = field(default_factory=list)
    silent_after: int = 0

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        assert not in_transaction()
        found = self._made(order)
        self.orders[found.order_id] = order
        if self.silent_after:
            self.silent_after -= 1
            raise OutcomeUnknown("No answer.")
        return found

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        assert not in_transaction()
        known = any(one.receipt == order.receipt for one in self.orders.values())
        return self._made(order) if known else None

    async def cancel_order(self, order_id: str) -> None:
        assert not in_transaction()
        self.cancelled.append(order_id)

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        if payment_id not in self.payments:
            raise Refused("No such payment.", reason="not_found", description="", provider="Play")
        return self.payments[payment_id]

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        assert not in_transaction()
        return [payment for payment in self.payments.values() if payment.order_id == order_id]

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        return self.payments[payment_id]

    async def fetch_transfer(self, transfer_id: str) -> TransferFacts:
        return next(one for one in self.transfers if one.transfer_id == transfer_id)

    async def transfers_since(self, transfer_id: str | None) -> list[TransferFacts]:
        assert not in_transaction()
        return [one for one in self.transfers if transfer_id is None or int(one.transfer_id) > int(transfer_id)]

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """The body is the id of a transfer."""
        return ProviderEvent(event_id=body.decode(), name="transfer", transfer_id=body.decode())

    def pay(self, order_id: str, state: OrderState = OrderState.CAPTURED) -> PaymentFacts:
        """Somebody pays an order at the gateway."""
        payment_id = f"pay_{len(self.payments) + 1}"
        amount = self.orders[order_id].amount
        self.payments[payment_id] = PaymentFacts("play", payment_id, order_id, amount, state)
        return self.payments[payment_id]

    def _made(self, order: OrderRequest) -> GatewayOrder:
        order_id = order.code or f"play_{order.receipt}"
        return GatewayOrder(order_id, self._checkout(order))

    def _checkout(self, order: OrderRequest) -> Checkout:
        if order.method == Method.UPI_QR:
            return CheckoutQr(text=f"upi://pay?tr={order.receipt}", image_url=None)
        if order.method == Method.INTERNET_BANKING:
            return CheckoutForm("https://bank.example/pay", [("b", "2"), ("a", order.bank or "1")])
        if order.method == Method.BANK_TRANSFER:
            lines = [("Account", "0123456789"), ("Write", order.code or "")]
            return CheckoutQr(text=f"vietqr:{order.code}", image_url=None, lines=lines)
        return CheckoutRedirect(f"https://play.example/{order.receipt}")


def installed_play(play: Play) -> InstalledGateway:
    """`play` as composition would find it."""
    return InstalledGateway(gateway=play, transfers=play)
