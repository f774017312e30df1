"""What a gateway can do that keeps cards, or authorisations by UPI, and charges them while their holder is away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Protocol
from uuid import UUID

from tillhouse.parts.payments.domain import Method, Offer
from tillhouse.parts.payments.domain.cards import CardFacts, CardRef, Standing
from tillhouse.parts.payments.ports.orders import GatewayOrder, OrderRequest


@dataclass(frozen=True, slots=True)
class CardSetup:
    """A page of a gateway where a card is given to be kept: its id, and where it is."""

    setup_ref: str
    url: str


@dataclass(frozen=True, slots=True)
class CardScript:
    """A gateway's script for pages of ours: it makes a token of a card, under our public key, in the browser."""

    url: str
    public_key: str


class SavedCards(Protocol):
    """A gateway that keeps cards and charges them while their holder is away.

    `keeps`: what it can charge later, and within which amounts. `has_pages`: it has a page of its own on which one is
    given without a payment; `script` makes tokens of cards instead. `kept_by_paying`: how an order with `keep_card` can
    be paid. `once_per_receipt`: charging again under the same receipt, within `card_charge_hours`, is never a second
    charge; where it may be, one that may have been made is looked for and never made again. `notice`: how long before
    the money is due a charge has to be begun; `answers_within`: how long it may take until its outcome is known.
    """

    keeps: Sequence[Offer]
    has_pages: ClassVar[bool]
    kept_by_paying: ClassVar[frozenset[Method]]
    once_per_receipt: ClassVar[bool]
    notice: ClassVar[timedelta]
    answers_within: ClassVar[timedelta]
    script: CardScript | None

    async def open_page(self, *, key: UUID, return_url: str, email: str | None) -> CardSetup:
        """A page on which somebody gives a card. Raises `Refused` where there is none."""
        ...

    async def card_of_page(self, setup_ref: str) -> CardFacts | None:
        """The card that was given on such a page; None while none was."""
        ...

    async def card_of_order(self, order_id: str) -> CardFacts | None:
        """The card that is kept since this order was paid; None when none is."""
        ...

    async def card_of_token(self, *, key: UUID, token: str, email: str | None) -> CardFacts:
        """Keep the card that the gateway's script made this token of. Raises `Refused` where there are none."""
        ...

    async def charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder:
        """Try to charge the card, once: `payments_of` tells what became of it, a decline too. Raises `Refused` only
        where nothing was tried, and `OutcomeUnknown` also where it was begun before and nobody can know how far.
        """
        ...

    async def find_charge(self, order: OrderRequest, card: CardRef) -> GatewayOrder | None:
        """The charge with our receipt, if it was ever made."""
        ...

    async def standing(self, card: CardRef) -> Standing:
        """Whether its holder has left it as it was given, as far as the gateway knows."""
        ...

    async def forget(self, card: CardRef) -> None:
        """Keep the card no more, and end what its holder's bank knows of it. Harmless for one that is unknown. Raises
        `TransientError` while the bank has not ended it yet.
        """
        ...
