"""Receipts of what was paid."""

from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import store
from tillhouse.parts.payments.service import registry
from tillhouse.parts.payments.service.orders import order_for
from tillhouse.parts.payments.service.views import OrderView, PaymentView, order_view, payment_view


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says: who paid what, for what (`title` is a message id), when, and under which numbers."""

    order: OrderView
    payment: PaymentView
    paid_by: str
    title: str


async def receipt_of(session: ReadSession, order_id: UUID, *, owner: tuple[str, UUID] | None) -> Receipt | None:
    """The receipt of a paid order; with `owner` only of theirs. None while nothing has been paid. Raises `NotFound`."""
    row = await order_for(session, order_id, owner=owner)
    paid = [payment for payment in await store.payments_of_order(session, row.id) if payment.captured_at]
    if not paid:
        return None
    person = await identity.person(session, row.owner_id) if row.owner_kind == "person" else None
    view = order_view(row)
    payer = person.name if person else row.email or ""
    return Receipt(view, payment_view(paid[0]), payer, await title_of(session, view))


async def title_of(session: ReadSession, view: OrderView) -> str:
    """What an order is for: a message id."""
    known = registry.purpose(house_of(session), view.purpose)
    return known.title if known else view.purpose
