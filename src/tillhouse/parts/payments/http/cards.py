"""JSON endpoints of the cards that gateways keep for a person."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.idempotency import IdempotentRoute
from tillhouse.kernel.limits import rate_limit
from tillhouse.parts.payments import api, schemas

router = APIRouter(prefix="/payments/cards", route_class=IdempotentRoute)
Payer = Annotated[Principal, Depends(require("payments.pay"))]


@router.get("", dependencies=[Depends(rate_limit("120/minute"))])
async def list_cards(session: Read, payer: Payer) -> list[schemas.CardOut]:
    """One's own cards that may be charged for renewals, the newest first: one at each gateway, so never many."""
    return [_card_out(card) for card in await api.cards_of(session, "person", payer.person_id)]


@router.delete("/{card_id}", status_code=204, dependencies=[Depends(rate_limit("60/minute"))])
async def remove_card(session: Write, payer: Payer, card_id: UUID) -> None:
    """Charge a card no more, and have its gateway forget it. Plans go on: they are renewed by invoice."""
    await api.remove_card(session, ("person", payer.person_id), card_id)


def _card_out(card: api.SavedCard) -> schemas.CardOut:
    return schemas.CardOut(
        id=card.id,
        provider=card.provider,
        kind=card.kind,
        brand=card.brand or None,
        last4=card.last4,
        expires=f"{card.expires_year:04d}-{card.expires_month:02d}" if card.expires_year else None,
        expired=card.expired,
        address=card.address,
        most=str(card.greatest) if card.greatest else None,
        currency=card.greatest.unit if card.greatest else None,
        ends_at=card.ends_at,
        paused=card.paused,
        consented_at=card.consented_at,
        saved_at=card.saved_at,
    )
