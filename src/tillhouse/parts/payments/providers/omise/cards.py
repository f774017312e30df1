"""The adapter to cards that Omise keeps (https://docs.omise.co/charging-cards).

A card is given to Omise's own script, which makes a token of it. Each card has a customer of its own there. Omise knows
no idempotency key: a charge that may have been made is looked for by our receipt and never made again.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.domain.cards import CardFacts, CardRef, Standing
from tillhouse.parts.payments.ports import CardScript, CardSetup, GatewayOrder, Offer, OrderRequest, Refused
from tillhouse.parts.payments.providers.answers import refusal
from tillhouse.parts.payments.providers.omise.client import REAL, OmiseClient, safe
from tillhouse.parts.payments.providers.omise.gateway import OmiseGateway
from tillhouse.parts.payments.providers.omise.wire import ChargeWire, CustomerWire, DeletedWire, Page

_CDN, _VAULT = "https://cdn.omise.co", "https://vault.omise.co"


def browser_origins(client: OmiseClient) -> list[BrowserOrigin]:
    """Where omise.js comes from and what it talks to, by a frame or directly."""
    script, vault = (_CDN, _VAULT) if client.base == REAL else (_origin(client), _origin(client))
    return [
        BrowserOrigin("script-src", script),
        BrowserOrigin("connect-src", vault),
        BrowserOrigin("frame-src", vault),
    ]


def _origin(client: OmiseClient) -> str:
    parts = urlsplit(client.base)
    return f"{parts.scheme}://{parts.netloc}"


class OmiseCards:
    """Omise keeps a card for a customer, whom we may charge."""

    keeps: Sequence[Offer] = tuple(offer for offer in OmiseGateway.offers if offer.method == Method.CARD)
    has_pages: ClassVar[bool] = False
    kept_by_paying: ClassVar[frozenset[Method]] = frozenset()
    once_per_receipt: ClassVar[bool] = False
    notice: ClassVar[timedelta] = timedelta()
    answers_within: ClassVar[timedelta] = timedelta()

    def __init__(self, client: OmiseClient, gateway: OmiseGateway) -> None:
        self._client = client
        self._gateway = gateway
        url = f"{_CDN}/omise.js" if client.base == REAL else f"{client.base}/omise/omise.js"
        self.script: CardScript | None = CardScript(url, gateway.public_key)

    async def open_page(self, *, key: UUID, return_url: str, email: str | None) -> CardSetup:
        raise refusal("Omise", "no_page", "a card is given to omise.js, which makes a token of it")

    async def card_of_page(self, setup_ref: str) -> CardFacts | None:
        """The card of the customer that bears our key: what is asked where the answer to `card_of_token` was lost."""
        async for customer in self._client.every(Page[CustomerWire], "/customers", {}):
            if customer.metadata.get("reference") == setup_ref:
                return _facts(customer)
        return None

    async def card_of_order(self, order_id: str) -> CardFacts | None:
        return None

    async def card_of_token(self, *, key: UUID, token: str, email: str | None) -> CardFacts:
        """A token is good for one use: a second try finds what the first one made."""
        body: dict[str, object] = {"card": token, "metadata": {"reference": str(key)}}
        if email:
            body["email"] = email
        facts = _facts(await self._client.post(CustomerWire, "/customers", body))
        if facts is None:
            raise refusal("Omise", "card_missing", "no card was kept")
        return facts

    async def charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder:
        """No `return_uri`: nobody is there to be sent to their bank. What waits for its holder is ended."""
        body = {
            "amount": order.amount.minor,
            "currency": order.amount.unit,
            "customer": card.customer,
            "card": card.method,
            "description": order.title,
            "metadata": {"receipt": order.receipt},
        }
        charge = await self._client.post(ChargeWire, "/charges", body)
        if charge.status == "pending" and charge.authorize_uri:
            await self._gateway.cancel_order(charge.id)
        return GatewayOrder(charge.id, None)

    async def find_charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder | None:
        found = await self._gateway.find_order(order)
        return GatewayOrder(found.order_id, None) if found else None

    async def standing(self, card: CardRef) -> Standing:
        try:
            customer = await self._client.get(CustomerWire, f"/customers/{safe(card.customer)}")
        except Refused as refused:
            if refused.reason != "not_found":
                raise
            return "ended"
        return "kept" if any(one.id == card.method for one in customer.cards.data) else "ended"

    async def forget(self, card: CardRef) -> None:
        try:
            await self._client.delete(DeletedWire, f"/customers/{safe(card.customer)}")
        except Refused as refused:
            if refused.reason != "not_found":
                raise


def _facts(customer: CustomerWire) -> CardFacts | None:
    card = next((one for one in customer.cards.data if one.id == customer.default_card), None)
    if card is None:
        return None
    return CardFacts(
        ref=CardRef(customer.id, card.id),
        brand=card.brand.lower(),
        last4=card.last_digits,
        expires_year=card.expiration_year,
        expires_month=card.expiration_month,
    )
