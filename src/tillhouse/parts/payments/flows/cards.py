"""Saved cards at their gateways: given on a page, charged while their owner is away, forgotten.

A charge is an order like any other: written down first, then made at the gateway under its own receipt, then settled.
One that may have been made is looked for, and made again only where the gateway promises that one receipt is one
charge.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.outbound import OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import OrderState
from tillhouse.parts.payments.domain.cards import ABOVE_MANDATE, MANDATE_ENDED, MANDATE_PAUSED, CardRef
from tillhouse.parts.payments.models import OrderRow, SavedCardRow
from tillhouse.parts.payments.ports import CardScript, GatewayOrder, InstalledGateway, OrderRequest, Refused, SavedCards
from tillhouse.parts.payments.service import cards
from tillhouse.parts.payments.service.cards import SavedCard
from tillhouse.parts.payments.service.orders import (
    NewOrder,
    after_check,
    attach_order,
    begin_order,
    order_for,
    refuse_order,
)
from tillhouse.parts.payments.service.registry import gateway, installed_gateway
from tillhouse.parts.payments.service.requests import request_of
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.service.views import OrderView, order_view
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import cards as card_store

_LATE = N_("The payment company gave no answer in time. The card was not charged.")
_GONE = N_("The card was removed before it was charged.")
_ABOVE = N_("This is more than its holder has authorised. The card was not charged.")


@dataclass(frozen=True, slots=True)
class CardPage:
    """Where a person gives their card: a page of the gateway."""

    card_id: UUID
    url: str


async def open_card_page(
    house: House,
    owner: tuple[str, UUID],
    *,
    return_path: str,
    currency: str | None = None,
    provider: str | None = None,
    email: str | None = None,
) -> CardPage:
    """A page of a gateway where the owner gives a card to be kept; being here is their consent.

    `return_path` is ours and gets the card's id in the place of `{card}`. Raises `NotFound` where no gateway of this
    house has such a page, `Refused`, `TransientError`.
    """
    known = next((one for one in keepers_with_pages(house, currency) if provider in (None, one.gateway.name)), None)
    if known is None or known.cards is None:
        raise NotFound(N_("No card can be kept here in this currency: renewals are paid by invoice."))
    async with house.database.transaction() as session:
        row = await cards.begin_card(session, *owner, known.gateway.name)
    back = house.settings.address(return_path.format(card=row.id))
    page = await known.cards.open_page(key=row.id, return_url=back, email=email)
    async with house.database.transaction() as session:
        await cards.note_page(session, row.id, page.setup_ref)
    return CardPage(row.id, page.url)


def keepers_with_pages(house: House, currency: str | None = None) -> list[InstalledGateway]:
    """The gateways that have a page of their own for cards that they keep."""
    return [one for one in cards.keepers(house, currency) if one.cards and one.cards.has_pages]


def card_script(house: House, currency: str) -> CardScript | None:
    """The script that makes tokens of cards for this currency, where no gateway has a page for that."""
    scripts = (one.cards.script for one in cards.keepers(house, currency) if one.cards)
    return None if keepers_with_pages(house, currency) else next((one for one in scripts if one), None)


def takes_cards(house: House, currency: str) -> bool:
    """Whether a card for this currency can be given here without a payment."""
    return bool(keepers_with_pages(house, currency)) or card_script(house, currency) is not None


async def keep_token(
    house: House, owner: tuple[str, UUID], token: str, *, currency: str, email: str | None = None
) -> SavedCard:
    """Keep the card that a gateway's script made this token of; sending it is the owner's consent.

    Raises `NotFound` where no gateway of this house takes tokens for the currency, `Refused`, `TransientError`: then
    the card may be kept all the same, and is there in a few minutes.
    """
    known = next((one for one in cards.keepers(house, currency) if one.cards and one.cards.script), None)
    if known is None or known.cards is None:
        raise NotFound(N_("No card can be kept here in this currency: renewals are paid by invoice."))
    async with house.database.transaction() as session:
        row = await cards.begin_card(session, *owner, known.gateway.name)
        await cards.note_page(session, row.id, str(row.id))
    facts = await known.cards.card_of_token(key=row.id, token=token, email=email)
    async with house.database.transaction() as session:
        await cards.save_card(session, row.id, facts)
        return cards.card_view(await card_store.lock_card(session, row.id) or row)


async def check_card(house: House, card_id: UUID) -> None:
    """Ask the gateway whether it keeps the card by now. Raises `TransientError`, `Refused`."""
    async with house.database.reading() as session:
        row = await card_store.card_by_id(session, card_id)
        order = await store.order_by_id(session, row.order_id) if row and row.order_id else None
    if row is None or row.state != "pending":
        return
    known = _keeper(house, row)
    facts = None
    if row.setup_ref:
        facts = await known.card_of_page(row.setup_ref)
    elif order and order.provider_order_id and order.paid_at:
        facts = await known.card_of_order(order.provider_order_id)
    async with house.database.transaction() as session:
        if facts:
            await cards.save_card(session, card_id, facts)
        else:
            await cards.card_not_yet(session, card_id)


async def look_at_card(house: House, card_id: UUID) -> None:
    """Ask the gateway whether a card's holder has left it as it was given. Raises `TransientError`, `Refused`."""
    async with house.database.reading() as session:
        row = await card_store.card_by_id(session, card_id)
    if row is None or row.state != "active":
        return
    standing = await _keeper(house, row).standing(_ref(row))
    async with house.database.transaction() as session:
        await cards.note_standing(session, card_id, standing)


async def forget_card(house: House, card_id: UUID) -> None:
    """Have the gateway forget a removed card. Harmless for one that it does not know any more."""
    async with house.database.reading() as session:
        row = await card_store.card_by_id(session, card_id)
    if row is None or row.state != "removed" or row.forgotten_at or row.ref is None:
        return
    await _keeper(house, row).forget(row.ref)
    async with house.database.transaction() as session:
        await cards.forgotten(session, card_id)


async def charge_card(house: House, wish: NewOrder) -> OrderView:
    """Charge the saved card `wish.card_id` while its owner is away: once for the owner and request key, whatever dies.

    The answer's state says what became of it: captured and settled, failed (with the gateway's reason), or open where
    nobody knows yet, for days at a gateway whose debits take so long: then ask again with the same wish. Raises
    `NotFound`, `OverLimit`, `InvalidInput`, `TransientError`.
    """
    hours = house.settings_of(PaymentsSettings).card_charge_hours
    wish = replace(wish, lasts=timedelta(hours=hours))
    async with house.database.transaction() as session:
        order = await begin_order(session, wish)
    if order.provider_order_id is None and order.state == OrderState.CREATED:
        order = await _charge(house, order, first=order.id == wish.id)
    if order.provider_order_id and order.paid_at is None:
        await settle_payments(house, order.provider, order.provider_order_id)
        if order.expires_at <= clock.now():
            async with house.database.transaction() as session:
                await after_check(session, order.id)
    async with house.database.reading() as session:
        return order_view(await order_for(session, order.id, owner=None))


async def find_charge(house: House, order: OrderRow, request: OrderRequest) -> GatewayOrder | None:
    """The gateway's charge of a saved card for this order, if it was ever made."""
    row = await _card_of(order.saved_card_id, house)
    return await _keeper(house, row).find_charge(request, _ref(row))


async def settle_payments(house: House, provider: str, provider_order_id: str) -> None:
    """Ask the gateway for the payments of an order, and settle each, the oldest first."""
    for facts in reversed(await gateway(house, provider).payments_of(provider_order_id)):
        async with house.database.transaction() as session:
            await settle(session, facts)


async def _charge(house: House, order: OrderRow, *, first: bool) -> OrderRow:
    row = await _card_of(order.saved_card_id, house)
    known, request = _keeper(house, row), request_of(house, order)
    try:
        made = None if first else await known.find_charge(request, _ref(row))
        if made is None:
            made = await _make(known, request, row, first=first)
    except Refused as refused:
        if refused.reason in (MANDATE_ENDED, MANDATE_PAUSED):
            await look_at_card(house, row.id)
        async with house.database.transaction() as session:
            await refuse_order(session, order.id, refused)
            return await order_for(session, order.id, owner=None)
    if row.paused_at:
        await look_at_card(house, row.id)
    async with house.database.transaction() as session:
        return await attach_order(session, order.id, made)


async def _make(known: SavedCards, request: OrderRequest, row: SavedCardRow, *, first: bool) -> GatewayOrder:
    if not first and not known.once_per_receipt:
        raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=row.provider)
    if request.expires_at <= clock.now():
        raise Refused(_LATE, reason="expired", description=_LATE, provider=row.provider)
    if row.state != "active":
        raise Refused(_GONE, reason="card_removed", description=_GONE, provider=row.provider)
    if row.greatest and row.greatest.unit == request.amount.unit and row.greatest < request.amount:
        raise Refused(_ABOVE, reason=ABOVE_MANDATE, description=_ABOVE, provider=row.provider)
    return await known.charge(request, _ref(row))


async def _card_of(card_id: UUID | None, house: House) -> SavedCardRow:
    async with house.database.reading() as session:
        row = await card_store.card_by_id(session, card_id) if card_id else None
    assert row is not None, "an order that is charged to a card names it"
    return row


def _ref(row: SavedCardRow) -> CardRef:
    assert row.ref is not None, "only a card that was saved is charged"
    return row.ref


def _keeper(house: House, row: SavedCardRow) -> SavedCards:
    found = installed_gateway(house, row.provider).cards
    if found is None:
        raise NotFound(N_("There is no payment provider called {provider} here."), provider=row.provider)
    return found
