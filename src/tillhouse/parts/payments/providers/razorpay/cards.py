"""The adapter to authorisations that Razorpay keeps, by card or UPI Autopay, and to charges by them.

https://razorpay.com/docs/api/payments/recurring-payments/. A charge is an order of its own and a payment that stays
`created` for a day and more: the holder's bank tells them first. Razorpay knows no idempotency key for either. One
order takes one successful payment, but whether two payments that were begun for it can both debit is said nowhere: a
charge is begun once for an order, and where nobody knows whether it was, it is looked for and not begun again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import Method, Vpa
from tillhouse.parts.payments.domain.cards import (
    ABOVE_MANDATE,
    MANDATE_ENDED,
    MANDATE_PAUSED,
    CardFacts,
    CardRef,
    Standing,
)
from tillhouse.parts.payments.ports import CardScript, CardSetup, GatewayOrder, Offer, OrderRequest, Refused
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.razorpay.client import RazorpayClient, safe
from tillhouse.parts.payments.providers.razorpay.mandates import MOST, most_authorised
from tillhouse.parts.payments.providers.razorpay.wire import (
    Collection,
    OrderWire,
    PaymentWire,
    RecurringWire,
    TokenCancelled,
    TokenDeleted,
    TokenWire,
)

_NO_SUCH_ID = "input_validation_failed"  # what Razorpay says of an id that names nothing
_CANCELLABLE = frozenset({"initiated", "confirmed", "paused"})
_STANDINGS: dict[str, Standing] = {"initiated": "kept", "confirmed": "kept", "paused": "paused"}


class RazorpayCards:
    """Razorpay keeps what an order was paid with; an order is charged by its token later."""

    keeps: Sequence[Offer] = (
        Offer(Method.UPI, "INR", least=100, most=MOST),
        Offer(Method.CARD, "INR", least=100, most=MOST),
    )
    has_pages: ClassVar[bool] = False
    kept_by_paying: ClassVar[frozenset[Method]] = frozenset({Method.UPI, Method.CARD})
    once_per_receipt: ClassVar[bool] = True
    # A debit comes 25 hours (UPI) or 36 hours (cards) after its holder was told, and up to a day later where telling
    # them, or the debit, is tried again.
    notice: ClassVar[timedelta] = timedelta(hours=48)
    answers_within: ClassVar[timedelta] = timedelta(hours=96)
    script: CardScript | None = None

    def __init__(self, client: RazorpayClient) -> None:
        self._client = client

    async def open_page(self, *, key: UUID, return_url: str, email: str | None) -> CardSetup:
        raise refusal("Razorpay", "no_page", "an authorisation is given with a payment")

    async def card_of_page(self, setup_ref: str) -> CardFacts | None:
        return None

    async def card_of_token(self, *, key: UUID, token: str, email: str | None) -> CardFacts:
        raise refusal("Razorpay", "no_tokens", "an authorisation is given with a payment")

    async def card_of_order(self, order_id: str) -> CardFacts | None:
        """None also while the holder's bank has not confirmed it."""
        payments = await self._client.get(Collection[PaymentWire], f"/orders/{safe(order_id)}/payments")
        for payment in payments.items:
            if payment.captured and payment.customer_id and payment.token_id:
                ref = CardRef(payment.customer_id, payment.token_id, payment.id)
                token = await self._token(ref)
                if token is None or token.recurring_details.status != "confirmed":
                    return None
                order = await self._client.get(OrderWire, f"/orders/{safe(order_id)}")
                return _facts(ref, token, most_authorised(order))
        return None

    async def charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder:
        """Looking at the token first is what Razorpay's own rules ask for; why it cannot be charged is said only there.

        An order of ours that is there without a payment was made by a try whose debit may have been begun: of that
        nobody knows. One that is not there was never debited.
        """
        _require(await self._token(card), order.amount)
        payer = await self._client.get(PaymentWire, f"/payments/{safe(card.authorised_by)}")
        if await self._orders(order):
            raise OutcomeUnknown(N_("{provider} did not answer in time."), provider="Razorpay")
        made = await self._client.post(OrderWire, "/orders", _order(order))
        body = {
            "email": payer.email,
            "contact": payer.contact,
            "amount": order.amount.minor,
            "currency": order.amount.unit,
            "order_id": made.id,
            "customer_id": card.customer,
            "token": card.method,
            "recurring": True,
            "description": order.title,
            "notes": {"receipt": order.receipt},
        }
        await self._client.post(RecurringWire, "/payments/create/recurring", body)
        return GatewayOrder(made.id, None)

    async def find_charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder | None:
        """An order without a payment is no charge."""
        for one in await self._orders(order):
            if (await self._client.get(Collection[PaymentWire], f"/orders/{safe(one.id)}/payments")).items:
                return GatewayOrder(one.id, None)
        return None

    async def standing(self, card: CardRef) -> Standing:
        token = await self._token(card)
        return _STANDINGS.get(token.recurring_details.status, "ended") if token else "ended"

    async def forget(self, card: CardRef) -> None:
        """Deleting a token does not end what its holder authorised: by UPI the bank is asked to, and has done so before
        the token is deleted. For cards no such call is documented, and a deleted token is charged no more.
        """
        token = await self._token(card)
        if token is None:
            return
        status = token.recurring_details.status
        if token.method == "upi" and status in _CANCELLABLE:
            status = (await self._client.put(TokenCancelled, f"{_path(card)}/cancel")).status
        if token.method == "upi" and status == "cancellation_initiated":
            raise TransientError(N_("{provider} is busy right now."), provider="Razorpay")
        await self._client.delete(TokenDeleted, _path(card))

    async def _token(self, card: CardRef) -> TokenWire | None:
        try:
            return await self._client.get(TokenWire, _path(card))
        except Refused as refused:
            if refused.reason != _NO_SUCH_ID:
                raise
            return None

    async def _orders(self, order: OrderRequest) -> list[OrderWire]:
        found = await self._client.get(Collection[OrderWire], "/orders", {"receipt": order.receipt})
        return [one for one in found.items if one.receipt == order.receipt]


def _path(card: CardRef) -> str:
    return f"/customers/{safe(card.customer)}/tokens/{safe(card.method)}"


def _order(order: OrderRequest) -> dict[str, object]:
    return {
        "amount": order.amount.minor,
        "currency": order.amount.unit,
        "receipt": order.receipt,
        "payment_capture": True,
        "notes": {"purpose": order.purpose, "receipt": order.receipt},
    }


def _require(token: TokenWire | None, amount: Money) -> None:
    """Refuse a charge that Razorpay would refuse, with the reason."""
    standing = _STANDINGS.get(token.recurring_details.status, "ended") if token else "ended"
    if token is None or standing == "ended":
        raise refusal("Razorpay", MANDATE_ENDED, "its holder has ended the authorisation")
    if standing == "paused":
        raise refusal("Razorpay", MANDATE_PAUSED, "its holder has paused the authorisation")
    if token.max_amount is not None and amount.minor > token.max_amount:
        raise refusal("Razorpay", ABOVE_MANDATE, "it is more than was authorised")


def _facts(ref: CardRef, token: TokenWire, agreed: int | None) -> CardFacts:
    paise = agreed if token.max_amount is None else token.max_amount
    most = Money(paise, "INR") if paise is not None else None
    ends_at = datetime.fromtimestamp(token.expired_at, UTC) if token.expired_at else None
    if token.vpa:
        address = Vpa(f"{token.vpa.username}@{token.vpa.handle}").masked
        return CardFacts(ref=ref, kind="upi", address=address, most=most, ends_at=ends_at)
    card = token.card
    return CardFacts(
        ref=ref,
        brand=card.network.lower() if card else "",
        last4=card.last4 if card else "",
        expires_year=card.expiry_year if card else None,
        expires_month=card.expiry_month if card else None,
        most=most,
        ends_at=ends_at,
    )
