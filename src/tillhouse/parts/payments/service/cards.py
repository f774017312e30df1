"""Cards that are kept for renewals: with consent, one at each gateway, gone when their owner says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.payments.domain import Method, Offer
from tillhouse.parts.payments.domain.cards import CardFacts, CardKind, Standing, next_card_check
from tillhouse.parts.payments.events import CardRemoved, ForgetCard
from tillhouse.parts.payments.models import SavedCardRow
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.service.registry import installed_gateway
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import cards as store


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCard:
    """A card that is kept, as people see it. `expired` by the calendar: its bank may have renewed it all the same.

    An authorisation by UPI (`kind`) has an `address`, masked, instead of brand, last digits and expiry. `greatest`:
    what a charge may be at most. `notice`: how long before money is due its gateway wants a charge to be begun.
    """

    id: UUID
    owner_kind: str
    owner_id: UUID
    provider: str
    kind: CardKind
    brand: str
    last4: str | None
    expires_year: int | None
    expires_month: int | None
    address: str | None
    greatest: Money | None
    ends_at: datetime | None
    paused: bool
    expired: bool
    consented_at: datetime
    saved_at: datetime
    notice: timedelta = timedelta()

    @property
    def label(self) -> str:
        """How it is named to its owner: `Visa •••• 4242`, `UPI as…@okbank`."""
        return f"UPI {self.address}" if self.kind == "upi" else f"{self.brand.capitalize()} •••• {self.last4}".strip()

    @property
    def mark(self) -> str:
        """What it is recognised by, without what it is: `•••• 4242`, `as…@okbank`."""
        return self.address or "" if self.kind == "upi" else f"•••• {self.last4}"


def card_view(row: SavedCardRow) -> SavedCard:
    """A card that is or was active, as others see it."""
    assert row.saved_at is not None  # the table knows it of every active card
    year, month, now = row.expires_year, row.expires_month, clock.now()
    over = year is not None and month is not None and (year, month) < (now.year, now.month)
    return SavedCard(
        id=row.id,
        owner_kind=row.owner_kind,
        owner_id=row.owner_id,
        provider=row.provider,
        kind="upi" if row.kind == "upi" else "card",
        brand=row.brand or "",
        last4=row.last4,
        expires_year=year,
        expires_month=month,
        address=row.address,
        greatest=row.greatest,
        ends_at=row.ends_at,
        paused=row.paused_at is not None,
        expired=over or (row.ends_at is not None and row.ends_at <= now),
        consented_at=row.consented_at,
        saved_at=row.saved_at,
    )


async def cards_of(session: ReadSession, owner_kind: str, owner_id: UUID) -> Sequence[SavedCard]:
    """An owner's cards that may be charged, the newest first."""
    return [card_view(row) for row in await store.active_cards(session, owner_kind, owner_id)]


async def card_for(session: ReadSession, owner_kind: str, owner_id: UUID, currency: str) -> SavedCard | None:
    """The owner's newest card that can be charged in this currency; None: none can."""
    able = {one.gateway.name: one.cards.notice for one in keepers(house_of(session), currency) if one.cards}
    found = (card for card in await cards_of(session, owner_kind, owner_id) if card.provider in able)
    return next((replace(card, notice=able[card.provider]) for card in found), None)


def keepers(house: House, currency: str | None = None) -> Sequence[InstalledGateway]:
    """The gateways that keep cards and charge them (in this currency), in the house's order of preference."""
    settings = house.settings_of(PaymentsSettings)
    able = {
        one.gateway.name: one
        for one in house.provided(InstalledGateway)
        if one.cards and any(currency in (None, offer.currency) for offer in one.cards.keeps)
    }
    preferred = settings.gateways or (settings.gateway, *able)
    return [able[name] for name in dict.fromkeys(preferred) if name in able]


def keeps_cards(house: House, currency: str) -> bool:
    """Whether a card can be kept here that pays in this currency."""
    return bool(keepers(house, currency))


def kept_by_paying(house: House) -> Mapping[str, Sequence[Offer]]:
    """What each gateway keeps of an order that is paid, in the house's order of preference."""
    found = {one.gateway.name: one.cards for one in keepers(house) if one.cards}
    return {
        name: [offer for offer in cards.keeps if offer.method in cards.kept_by_paying] for name, cards in found.items()
    }


def ways_to_keep(house: House, price: Money) -> Sequence[Method]:
    """How a plan of this price can be paid so that its renewals pay for themselves, the preferred way first."""
    offers = [offer for made in kept_by_paying(house).values() for offer in made]
    return list(dict.fromkeys(one.method for one in offers if one.currency == price.unit and one.takes(price.minor)))


async def begin_card(
    session: Session,
    owner_kind: str,
    owner_id: UUID,
    provider: str,
    *,
    kind: CardKind = "card",
    order_id: UUID | None = None,
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
        kind=kind,
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
    row.authorised_by = facts.ref.authorised_by or None
    if row.state == "removed":  # given after it was too late: nobody is charged, and the gateway forgets it
        await session.flush()
        await enqueue(session, ForgetCard(card_id=row.id))
        return
    for before in await store.active_cards(session, row.owner_kind, row.owner_id):
        if before.provider == row.provider:
            await _remove(session, before, "replaced")
    row.kind, row.brand, row.last4, row.address = facts.kind, facts.brand or None, facts.last4, facts.address
    row.expires_year, row.expires_month = facts.expires_year, facts.expires_month
    row.most, row.most_unit = (facts.most.minor, facts.most.unit) if facts.most else (None, None)
    row.ends_at = facts.ends_at
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
    if row is None or row.state != "removed" or row.saved_at is None or (row.last4 or row.address) is None:
        raise NotFound(N_("There is no such card."))
    return card_view(row)


async def kind_of_card(session: ReadSession, card_id: UUID) -> CardKind:
    """Whether something that is or was kept is a card or an authorisation by UPI."""
    row = await store.card_by_id(session, card_id)
    return "upi" if row and row.kind == "upi" else "card"


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


async def note_standing(session: Session, card_id: UUID, standing: Standing) -> None:
    """What its holder has done with a card at their bank: one that they have ended there is kept here no more, and they
    hear how their plans go on.
    """
    row = await store.lock_card(session, card_id)
    if row is None or row.state != "active":
        return
    if standing == "ended":
        await _remove(session, row, "ended_at_bank")
        await emit(session, CardRemoved(card_id=row.id))
        return
    row.paused_at = (row.paused_at or clock.now()) if standing == "paused" else None
    await session.flush()


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
