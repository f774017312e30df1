"""The adapter to cards that Stripe keeps (https://docs.stripe.com/payments/save-and-reuse).

Each card has a customer of its own there, so that forgetting a card forgets whom it was kept for.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.domain.cards import CardFacts, CardRef, Standing
from tillhouse.parts.payments.ports import CardScript, CardSetup, GatewayOrder, Offer, OrderRequest, Refused
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.stripe.client import StripeClient, safe
from tillhouse.parts.payments.providers.stripe.gateway import StripeGateway
from tillhouse.parts.payments.providers.stripe.wire import (
    DeletedWire,
    Page,
    PaymentIntentWire,
    PaymentMethodWire,
    SessionWire,
    SetupIntentWire,
)

_LOOK_BACK = timedelta(days=2)  # from when an order ends: more than any order lasts


class StripeCards:
    """Stripe keeps a card on a page of its own, or while it is paid with."""

    keeps: Sequence[Offer] = tuple(offer for offer in StripeGateway.offers if offer.method == Method.CARD)
    has_pages: ClassVar[bool] = True
    kept_by_paying: ClassVar[frozenset[Method]] = frozenset({Method.CARD})
    once_per_receipt: ClassVar[bool] = True
    notice: ClassVar[timedelta] = timedelta()
    answers_within: ClassVar[timedelta] = timedelta()
    script: CardScript | None = None

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    async def open_page(self, *, key: UUID, return_url: str, email: str | None) -> CardSetup:
        form = {
            "mode": "setup",
            "payment_method_types[0]": "card",
            "customer_creation": "always",
            "success_url": return_url,
            "cancel_url": return_url,
        }
        if email:
            form["customer_email"] = email
        session = await self._client.post(SessionWire, "/checkout/sessions", form, key=f"card-{key}")
        return CardSetup(session.id, session.url or return_url)

    async def card_of_page(self, setup_ref: str) -> CardFacts | None:
        expand = {"expand[0]": "setup_intent.payment_method"}
        session = await self._client.get(SessionWire, f"/checkout/sessions/{safe(setup_ref)}", expand)
        setup = session.setup_intent
        if not isinstance(setup, SetupIntentWire) or setup.status != "succeeded":
            return None
        return _facts(setup.payment_method)

    async def card_of_order(self, order_id: str) -> CardFacts | None:
        expand = {"expand[0]": "payment_intent.payment_method"}
        session = await self._client.get(SessionWire, f"/checkout/sessions/{safe(order_id)}", expand)
        intent = session.payment_intent
        return _facts(intent.payment_method) if isinstance(intent, PaymentIntentWire) else None

    async def card_of_token(self, *, key: UUID, token: str, email: str | None) -> CardFacts:
        raise refusal("Stripe", "no_tokens", "a card is given on Stripe's own page")

    async def charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder:
        form = {
            "amount": str(order.amount.minor),
            "currency": order.amount.unit.lower(),
            "customer": card.customer,
            "payment_method": card.method,
            "payment_method_types[0]": "card",
            "off_session": "true",
            "confirm": "true",
            "description": order.title,
            "metadata[receipt]": order.receipt,
        }
        try:
            made = await self._client.post(PaymentIntentWire, "/payment_intents", form, key=order.receipt)
        except Refused:
            tried = await self.find_charge(order, card)  # a decline has an intent, and that tells why
            if tried is None:
                raise
            return tried
        return GatewayOrder(made.id, None)

    async def find_charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder | None:
        since = int((order.expires_at - _LOOK_BACK).timestamp())
        wanted = {"customer": card.customer, "created[gte]": str(since)}
        made = await self._client.every(Page[PaymentIntentWire], "/payment_intents", wanted)
        return next((GatewayOrder(one.id, None) for one in made if one.metadata.get("receipt") == order.receipt), None)

    async def standing(self, card: CardRef) -> Standing:
        try:
            method = await self._client.get(PaymentMethodWire, f"/payment_methods/{safe(card.method)}")
        except Refused as refused:
            if refused.reason != "resource_missing":
                raise
            return "ended"
        return "kept" if method.customer == card.customer else "ended"

    async def forget(self, card: CardRef) -> None:
        try:
            await self._client.delete(DeletedWire, f"/customers/{safe(card.customer)}")
        except Refused as refused:
            if refused.reason != "resource_missing":
                raise


def _facts(method: str | PaymentMethodWire | None) -> CardFacts | None:
    """None: it is no card, or is kept for nobody and so cannot be charged again."""
    if not isinstance(method, PaymentMethodWire) or method.card is None or method.customer is None:
        return None
    return CardFacts(
        ref=CardRef(method.customer, method.id),
        brand=method.card.brand,
        last4=method.card.last4,
        expires_year=method.card.exp_year,
        expires_month=method.card.exp_month,
    )
