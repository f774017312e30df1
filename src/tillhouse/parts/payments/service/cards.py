"""Cards that are kept for renewals: with consent, one at each gateway, gone when their owner says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.domain.cards import CardFacts, next_card_check
from tillhouse.parts.payments.events import CardRemoved, ForgetCard
from tillhouse.parts.payments.models import SavedCardRow
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.service.registry import installed_gateway
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import cards as store


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCard:
    """A card that is kept, as people see it. `expired` by the calendar: its bank may have renewed it all the same."""

    id: UUID
    owner_kind: str
    owner_id: UUID
    provider: str
    brand: str
    last4: str
    expires_year: int
    expires_month: int
    expired: bool
    consented_at: datetime
    saved_at: datetime


def card_view(row: SavedCardRow) -> SavedCard:
    """A card that is or was active, as others see it."""
    assert row.last4 is not None  # the table knows them of every active card
    assert row.saved_at is not None
    year, month = row.expires_year or 0, row.expires_month or 0
    now = clock.now()
    return SavedCard(
        id=row.id,
        owner_kind=row.owner_kind,
        owner_id=row.owner_id,
        provider=row.provider,
        brand=row.brand or "",
        last4=row.last4,
        expires_year=year,
        expires_month=month,
        expired=(year, month) < (now.year, now.month),
        consented_at=row.consented_at,
        saved_at=row.saved_at,
    )


async def cards_of(session: ReadSession, owner_kind: str, owner_id: UUID) -> Sequence[SavedCard]:
    """An owner's cards that may be charged, the newest first."""
    return [card_view(row) for row in await store.active_cards(session, owner_kind, owner_id)]


async def card_for(session: ReadSession, owner_kind: str, owner_id: UUID, currency: str) -> SavedCard | None:
    """The owner's newest card that can be charged in this currency; None: none can."""
    able = {one.gateway.name for one in keepers(house_of(session), currency)}
    return next((card for card in await cards_of(session, owner_kind, owner_id) if card.provider in able), None)


def keepers(house: House, currency: str | None = None) -> Sequence[InstalledGateway]:
    """The gateways that keep cards and charge them (in this currency), in the house's order of preference."""
    settings = house.settings_of(PaymentsSettings)
    able = {
        one.gateway.name: one
        for one in house.provided(InstalledGateway)
        if one.cards
        and any(offer.method == Method.CARD and currency in (None, offer.currency) for offer in one.gateway.offers)
    }
    preferred = settings.gateways or (settings.gateway, *able)
    return [able[name] for name in dict.fromkeys(preferred) if name in able]


def keeps_cards(house: House, currency: str) -> bool:
    """Whether a card can be kept here that pays in this currency."""
    return bool(keepers(house, currency))


async def begin_card(
    session: Session, owner_kind: str, owner_id: UUID, provider: str, *, order_id: UUID | None = None
) -> SavedCardRow:
    """Note somebody's consent to keep a card that the gateway will tell us of: on its page, or when an order is paid.

    Raises `InvalidInput` for a gateway that keeps none.
    """
    if installed_gateway(house_of(session), provider).cards is None:
        message = N_("This payment company does not keep cards: choose another one.")
        raise InvalidInput(message, errors=[FieldError("/provider", "keeps_no_cards", message)])
    now = clock.now()
    row = SavedCardRow(
        id=new_id(),
        owner_kind=owner_kind,
        owner_id=owner_id,
        provider=provider,
        state="pending",
        order_id=order_id,
        consented_at=now,
        next_check_at=next_card_check(now, now),
    )
    session.add(row)
    await session.flush()
    return row


async def note_page(session: Session, card_id: UUID, setup_ref: str) -> None:
    """Remember the gateway's page for a card."""
    row = await store.lock_card(session, card_id)
    assert row is not None, "saved cards are never deleted"
    row.setup_ref = setup_ref
    await session.flush()


async def save_card(session: Session, card_id: UUID, facts: CardFacts) -> None:
    """The gateway keeps the card: from now on it may be charged, and the one before it there no more."""
    known = await store.card_by_id(session, card_id)
    assert known is not None, "saved cards are never deleted"
    await store.one_at_a_time(session, known.owner_id)
    row = await store.lock_card(session, card_id)
    assert row is not None
    if row.state == "active":
        return
    row.customer_ref, row.method_ref = facts.ref.customer, facts.ref.method
    if row.state == "removed":  # given after it was too late: nobody is charged, and the gateway forgets it
        await session.flush()
        await enqueue(session, ForgetCard(card_id=row.id))
        return
    for before in await store.active_cards(session, row.owner_kind, row.owner_id):
        if before.provider == row.provider:
            await _remove(session, before, "replaced")
    row.brand, row.last4 = facts.brand, facts.last4
    row.expires_year, row.expires_month = facts.expires_year, facts.expires_month
    row.state, row.saved_at, row.next_check_at = "active", clock.now(), None
    await session.flush()


async def card_not_yet(session: Session, card_id: UUID) -> None:
    """The gateway has no card (yet): plan the next question, or give up."""
    row = await store.lock_card(session, card_id)
    if row is None or row.state != "pending":
        return
    row.next_check_at = next_card_check(row.consented_at, clock.now())
    if row.next_check_at is None:
        await _remove(session, row, "abandoned")
    await session.flush()


async def removed_card(session: ReadSession, card_id: UUID) -> SavedCard:
    """A card that its owner took away, as it was. Raises `NotFound`."""
    row = await store.card_by_id(session, card_id)
    if row is None or row.state != "removed" or row.last4 is None:
        raise NotFound(N_("There is no such card."))
    return card_view(row)


async def remove_card(session: Session, owner: tuple[str, UUID], card_id: UUID) -> None:
    """Charge a card no more and have the gateway forget it; one that is still being given is not kept.

    Removing it twice is harmless. Raises `NotFound`.
    """
    row = await store.lock_card(session, card_id)
    if row is None or (row.owner_kind, row.owner_id) != owner:
        raise NotFound(N_("There is no such card."))
    was_active = row.state == "active"
    if row.state != "removed":
        await _remove(session, row, "by_owner")
    if was_active:
        await emit(session, CardRemoved(card_id=row.id))


async def remove_all(session: Session, owner_kind: str, owner_id: UUID) -> None:
    """Charge none of an owner's cards any more: the owner is leaving."""
    for row in await store.unfinished_cards(session, owner_kind, owner_id):
        await _remove(session, row, "owner_left")


async def forgotten(session: Session, card_id: UUID) -> None:
    """The gateway has forgotten a removed card."""
    row = await store.lock_card(session, card_id)
    assert row is not None, "saved cards are never deleted"
    row.forgotten_at = row.forgotten_at or clock.now()
    await session.flush()


async def _remove(session: Session, row: SavedCardRow, reason: str) -> None:
    row.state, row.reason, row.removed_at, row.next_check_at = "removed", reason, clock.now(), None
    await session.flush()
    if row.ref:
        await enqueue(session, ForgetCard(card_id=row.id))
