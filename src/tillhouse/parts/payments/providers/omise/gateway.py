"""The adapter to Omise's charges: PromptPay, internet and mobile banking, cards; refunds and disputes.

A charge is order and payment in one: a payer who tries again after a failure starts another order.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

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
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.omise.client import OmiseClient, safe
from tillhouse.parts.payments.providers.omise.wire import (
    ChargeWire,
    DisputeWire,
    Page,
    RefundWire,
    TransactionWire,
    TransferWire,
    added_fee,
)

Kind = Literal["payment", "refund", "dispute", "payout", "adjustment"]

_TH = frozenset({"TH"})
_ZONE = ZoneInfo("Asia/Bangkok")
_FAILED = ("failed", "expired", "reversed")
_DISPUTES: dict[str, DisputeState] = {
    "open": DisputeState.OPEN,
    "pending": DisputeState.UNDER_REVIEW,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
_SOURCES = {Method.INTERNET_BANKING: "internet_banking", Method.MOBILE_BANKING: "mobile_banking"}


class OmiseGateway:
    """Omise's charges have no idempotency key: our receipt is in their metadata, and looked for before a retry."""

    name: ClassVar[str] = "omise"
    # The least and most are those of Thai accounts; Omise checks its own again.
    offers: Sequence[Offer] = (
        Offer(Method.PROMPTPAY, "THB", least=20_00, most=150_000_00, countries=_TH),
        Offer(Method.MOBILE_BANKING, "THB", least=20_00, most=150_000_00, countries=_TH),
        Offer(Method.INTERNET_BANKING, "THB", least=20_00, most=150_000_00, countries=_TH),
        Offer(Method.CARD, "THB", least=20_00),
    )

    def __init__(self, client: OmiseClient, public_key: str) -> None:
        self._client = client
        self.public_key = public_key

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        body: dict[str, object] = {
            "amount": order.amount.minor,
            "currency": order.amount.unit,
            "description": order.title,
            "metadata": {"receipt": order.receipt},
            "return_uri": order.return_url,
            **_paid_by(order),
        }
        if order.method != Method.CARD:
            body["expires_at"] = order.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        charge = await self._client.post(ChargeWire, "/charges", body)
        return GatewayOrder(charge.id, _checkout(charge))

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        since = order.expires_at - timedelta(days=1)
        listed = self._client.every(Page[ChargeWire], "/charges", {"from": since.astimezone(UTC).isoformat()})
        async for charge in listed:
            if charge.metadata.get("receipt") == order.receipt:
                return GatewayOrder(charge.id, _checkout(charge))
        return None

    async def cancel_order(self, order_id: str) -> None:
        try:
            await self._client.post(ChargeWire, f"/charges/{safe(order_id)}/expire")
        except Refused:
            return  # paid, or ended already: what it is, `payments_of` tells

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        return _facts(await self._client.get(ChargeWire, f"/charges/{safe(payment_id)}"))

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        return [await self.fetch_payment(order_id)]

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        return _facts(await self._client.post(ChargeWire, f"/charges/{safe(payment_id)}/capture"))

    async def refund(self, *, key: UUID, payment_id: str, amount: Money, email: str | None = None) -> RefundFacts:
        for made in await self.refunds_of(payment_id):
            if made.reference == str(key):
                return made
        body = {"amount": amount.minor, "metadata": {"reference": str(key)}}
        return _refund_facts(await self._client.post(RefundWire, f"/charges/{safe(payment_id)}/refunds", body))

    async def refunds_of(self, payment_id: str) -> list[RefundFacts]:
        oldest_first = {"order": "chronological"}
        listed = self._client.every(Page[RefundWire], f"/charges/{safe(payment_id)}/refunds", oldest_first)
        return [_refund_facts(one) async for one in listed]

    async def fetch_refund(self, *, refund_id: str, payment_id: str) -> RefundFacts:
        path = f"/charges/{safe(payment_id)}/refunds/{safe(refund_id)}"
        return _refund_facts(await self._client.get(RefundWire, path))

    async def fetch_dispute(self, dispute_id: str) -> DisputeFacts:
        dispute = await self._client.get(DisputeWire, f"/disputes/{safe(dispute_id)}")
        return DisputeFacts(
            provider=self.name,
            dispute_id=dispute.id,
            payment_id=dispute.charge,
            amount=dispute.money,
            # A state that we do not know moves no money: somebody looks at a dispute that stays open.
            state=_DISPUTES.get(dispute.status, DisputeState.UNDER_REVIEW),
            reason=dispute.reason_code or dispute.reason_message or "",
        )

    async def settled_on(self, day: date) -> list[SettlementLine]:
        """What moved Omise's balance on a day in Thailand."""
        start = datetime.combine(day, time(), _ZONE)
        within = {"from": start.isoformat(), "to": (start + timedelta(days=1)).isoformat(), "order": "chronological"}
        listed = self._client.every(Page[TransactionWire], "/transactions", within)
        return [await self._line(one, day) async for one in listed]

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        return self._client.read_event(body, headers)

    async def _line(self, moved: TransactionWire, day: date) -> SettlementLine:
        """Omise books a charge net of its fee, and a transfer with the fee that we added to it: each tells both."""
        signed = moved.money if moved.direction == "credit" else -moved.money
        origin, nothing = moved.origin or moved.id, Money(0, signed.unit)
        gross, fee, tax = signed, nothing, nothing
        if origin.startswith("chrg_"):
            charge = await self._client.get(ChargeWire, f"/charges/{safe(origin)}")
            tax = Money(charge.fee_vat or 0, signed.unit)
            fee = Money(charge.fee or 0, signed.unit) + tax
            gross = signed + fee
        elif origin.startswith("trsf_"):
            transfer = await self._client.get(TransferWire, f"/transfers/{safe(origin)}")
            fee, tax = Money(added_fee(transfer.metadata) or 0, signed.unit), Money(transfer.tax or 0, signed.unit)
            if moved.direction == "credit":  # it went nowhere: its fee comes back with it
                fee, tax = -fee, -tax
            gross = signed + fee
        return SettlementLine(
            settlement_id=f"{day:%Y-%m-%d}",
            line_id=moved.id,
            kind=_kind_of(origin),
            subject_id=origin,
            gross=gross,
            fee=fee,
            tax=tax,
            settled_on=day,
        )


def _kind_of(origin: str) -> Kind:
    kinds: dict[str, Kind] = {"chrg": "payment", "rfnd": "refund", "dspt": "dispute", "trsf": "payout"}
    return kinds.get(origin.partition("_")[0], "adjustment")


def _paid_by(order: OrderRequest) -> dict[str, object]:
    if order.method == Method.CARD:
        if not order.token:
            raise refusal("Omise", "card_missing", "a card payment needs the token that omise.js made of the card")
        return {"card": order.token}
    if order.method == Method.PROMPTPAY:
        return {"source": {"type": "promptpay"}}
    if not order.bank or not order.bank.isascii() or not order.bank.isalnum():
        raise refusal("Omise", "bank_missing", "say at which bank the payer is, such as scb or kbank")
    return {"source": {"type": f"{_SOURCES[order.method]}_{order.bank}"}}


def _checkout(charge: ChargeWire) -> Checkout | None:
    if charge.source and charge.source.scannable_code:
        return CheckoutQr(text=None, image_url=charge.source.scannable_code.image.download_uri)
    return CheckoutRedirect(charge.authorize_uri) if charge.authorize_uri and not charge.paid else None


def _facts(charge: ChargeWire) -> PaymentFacts:
    return PaymentFacts(
        provider=OmiseGateway.name,
        payment_id=charge.id,
        order_id=charge.id,
        amount=_amount(charge),
        state=_state_of(charge),
        method=charge.source.type if charge.source else "card",
        refunded=charge.refunded_amount,
        fee=charge.fee + (charge.fee_vat or 0) if charge.fee is not None else None,
        tax=charge.fee_vat,
        error_code=charge.failure_code,
        error_message=charge.failure_message,
    )


def _amount(charge: ChargeWire) -> Money:
    """What was captured, once something was: less than was authorised can be, in Omise's dashboard too."""
    if charge.captured_amount is None or _state_of(charge) != OrderState.CAPTURED:
        return charge.money
    return Money(charge.captured_amount, charge.money.unit)


def _state_of(charge: ChargeWire) -> OrderState:
    if charge.paid and charge.status == "successful":
        return OrderState.CAPTURED
    if charge.status in _FAILED:
        return OrderState.FAILED
    return OrderState.AUTHORIZED if charge.authorized and charge.capturable else OrderState.PENDING


def _refund_facts(refund: RefundWire) -> RefundFacts:
    reference = refund.metadata.get("reference")
    return RefundFacts(
        provider=OmiseGateway.name,
        refund_id=refund.id,
        payment_id=refund.charge,
        amount=refund.money,
        state=RefundState.PROCESSED if refund.status == "closed" else RefundState.PENDING,
        reference=reference if isinstance(reference, str) else None,
    )
