"""Gateways as tests need them beside the house's own: Razorpay's dashboard, and `Play`, whom people pay by transfer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import httpx

from tests.parts.payments.till import Till
from tests.registry import put_in_place
from tillhouse.kernel.db import in_transaction
from tillhouse.kernel.money import Money
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method, PaymentFacts, TransferFacts
from tillhouse.parts.payments.ports import (
    CheckoutQr,
    GatewayOrder,
    InstalledGateway,
    Offer,
    OrderRequest,
    ProviderEvent,
)
from tillhouse.parts.payments.service.registry import gateway, installed_gateway
from tillhouse.sandbox.transport import SandboxTransport


async def payment_outside(till: Till, order: api.OrderView) -> PaymentFacts:
    """What Razorpay says now of the last payment of an order."""
    return (await gateway(till.house, "razorpay").payments_of(order.provider_order_id or ""))[0]


async def refund_at_dashboard(till: Till, payment_id: str, minor: int) -> str:
    """Somebody gives part of a payment back at Razorpay's own dashboard: the refund's id there."""
    return await _at_dashboard(till, f"payments/{payment_id}/refund", {"amount": minor})


async def cancel_at_dashboard(till: Till, payout_id: str) -> None:
    """Somebody cancels a queued payout at RazorpayX's own dashboard."""
    await _at_dashboard(till, f"payouts/{payout_id}/cancel", {})


async def _at_dashboard(till: Till, path: str, body: Mapping[str, object]) -> str:
    auth = ("rzp_test_tillhouse", "rzp_test_secret_tillhouse")
    async with httpx.AsyncClient(transport=SandboxTransport(till.sandbox), base_url="http://sandbox", auth=auth) as at:
        made = await at.post(f"/razorpay/v1/{path}", json=body)
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


def forget_refunds(till: Till) -> None:
    """Razorpay as a gateway that cannot give money back."""
    known = installed_gateway(till.house, "razorpay")
    never = InstalledGateway(gateway=known.gateway, proofs=known.proofs)
    put_in_place(till.house, lambda thing: thing is known, never)


@dataclass
class Play:
    """A bank account to which people transfer dong. It keeps its state in itself, as a bank does."""

    name: ClassVar[str] = "play"
    offers: Sequence[Offer] = (Offer(Method.BANK_TRANSFER, "VND", least=1000, countries=frozenset({"VN"})),)
    cancelled: list[str] = field(default_factory=list)
    transfers: list[TransferFacts] = field(default_factory=list)

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        assert order.code
        assert not in_transaction()
        lines = [("Account", "0123456789"), ("Write", order.code)]
        return GatewayOrder(order.code, CheckoutQr(text=f"vietqr:{order.code}", image_url=None, lines=lines))

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        return None

    async def cancel_order(self, order_id: str) -> None:
        assert not in_transaction()
        self.cancelled.append(order_id)

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        raise NotImplementedError

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        return []

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        raise NotImplementedError

    async def fetch_transfer(self, transfer_id: str) -> TransferFacts:
        return next(one for one in self.transfers if one.transfer_id == transfer_id)

    async def transfers_since(self, transfer_id: str | None) -> list[TransferFacts]:
        assert not in_transaction()
        return [one for one in self.transfers if transfer_id is None or int(one.transfer_id) > int(transfer_id)]

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """The body is the id of a transfer."""
        return ProviderEvent(event_id=body.decode(), name="transfer", transfer_id=body.decode())


def installed_play(play: Play) -> InstalledGateway:
    """`play` as composition would find it."""
    return InstalledGateway(gateway=play, transfers=play)
