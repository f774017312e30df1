"""Renewals that are charged to a card which their owner keeps for that: one charge for each invoice and attempt.

The row is written with the attempt, the order at the gateway is made by a job, and the money is settled as any order's:
the invoice is paid in the transaction that books it. What becomes of a charge that failed is dunning, with a link.
"""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState
from tillhouse.parts.billing.events import Advance, ChargeRenewal, PaymentAskedFor
from tillhouse.parts.billing.models import CardChargeRow, InvoiceRow
from tillhouse.parts.billing.service.selling import INVOICE
from tillhouse.parts.billing.store import charging as charges
from tillhouse.parts.payments import api as payments

_LOOK_AGAIN = timedelta(minutes=10)
_RARELY = timedelta(hours=1)  # at a charge that its gateway has and says nothing of for a day and more
_EXPIRED = "expired"
_ENDED = frozenset({payments.OrderState.FAILED, payments.OrderState.EXPIRED})


async def under_way(session: ReadSession, invoice: InvoiceRow | None) -> bool:
    """Whether a card is being charged for an invoice."""
    last = await charges.last_charge(session, invoice.id) if invoice else None
    return last is not None and last.state == "open"


async def notice_of(session: ReadSession, invoice: InvoiceRow) -> timedelta:
    """How long before the money is due the owner's card has to be charged for it; nothing where none will be."""
    card = await payments.card_for(session, invoice.owner_kind, invoice.owner_id, invoice.currency)
    return card.notice if card else timedelta()


async def begin(session: Session, invoice: InvoiceRow) -> bool:
    """Have the owner's card charged for an invoice that is locked, as its attempt `asked`.

    False where there is no card that can be, or where its bank wants something of its holder first. One whose charges
    take days is not charged again for an invoice while nobody told what became of the charge before: it may come yet.
    """
    card = await payments.card_for(session, invoice.owner_kind, invoice.owner_id, invoice.currency)
    if card is None:
        return False
    last = await charges.last_charge(session, invoice.id)
    if last and last.card_id == card.id:
        may_come_yet = bool(card.notice) and last.reason == _EXPIRED
        if may_come_yet or payments.needs_person(last.reason):
            return False
    now = clock.now()
    session.add(
        CardChargeRow(
            invoice_id=invoice.id,
            attempt=invoice.asked,
            card_id=card.id,
            state="open",
            begun_at=now,
            next_look_at=now + _LOOK_AGAIN,
        )
    )
    await session.flush()
    await enqueue(session, ChargeRenewal(invoice_id=invoice.id, attempt=invoice.asked))
    return True


async def wish_of(session: Session, invoice_id: UUID, attempt: int) -> payments.NewOrder | None:
    """The order that charges the card; None where nothing is to be charged (any more)."""
    charge, invoice = await charges.lock_charge(session, invoice_id, attempt), await store.invoice(session, invoice_id)
    if charge is None or invoice is None or charge.state != "open":
        return None
    if invoice.state != InvoiceState.OPEN:
        _end(charge, "paid" if await _paid_by(session, charge) else "dropped", None)
        await session.flush()
        return None
    charge.next_look_at = clock.now() + _LOOK_AGAIN
    await session.flush()
    return payments.NewOrder(
        owner_kind=invoice.owner_kind,
        owner_id=invoice.owner_id,
        amount=invoice.money,
        purpose=INVOICE,
        request_key=f"billing:renewal:{invoice_id}:{attempt}",
        reference=str(invoice_id),
        return_path=f"/billing/invoices/{invoice_id}",
        card_id=charge.card_id,
    )


async def conclude(session: Session, invoice_id: UUID, attempt: int, order: payments.OrderView) -> None:
    """Note what became of a charge; while nobody knows, it is looked at again."""
    charge = await charges.lock_charge(session, invoice_id, attempt)
    if charge is None or charge.state != "open":
        return
    charge.order_id = order.id
    if order.paid_at:
        _end(charge, "paid", None)
    elif order.state in _ENDED:
        await _failed(session, charge, order.failure_code or order.state)
    elif order.provider_order_id:
        age = clock.now() - charge.begun_at
        charge.next_look_at = clock.now() + min(max(_LOOK_AGAIN, age / 6), _RARELY)
    await session.flush()


async def refuse(session: Session, invoice_id: UUID, attempt: int, reason: str) -> None:
    """The card cannot be charged at all."""
    charge = await charges.lock_charge(session, invoice_id, attempt)
    if charge and charge.state == "open":
        await _failed(session, charge, reason)
        await session.flush()


async def refused_when_asked(session: ReadSession, invoice: InvoiceRow) -> CardChargeRow | None:
    """The charge that failed when an invoice was asked for last; None where none was tried."""
    last = await charges.last_charge(session, invoice.id)
    return last if last and last.state == "failed" and last.attempt == invoice.asked else None


async def _failed(session: Session, charge: CardChargeRow, reason: str) -> None:
    """The owner is asked to pay by themselves, once for each attempt, and the paid time is over if it is."""
    _end(charge, "failed", reason)
    invoice = await store.invoice(session, charge.invoice_id)
    if invoice and invoice.state == InvoiceState.OPEN and invoice.subscription_id:
        await emit(session, PaymentAskedFor(invoice_id=invoice.id))
        await enqueue(session, Advance(subscription_id=invoice.subscription_id))


async def _paid_by(session: ReadSession, charge: CardChargeRow) -> bool:
    return charge.order_id is not None and (await payments.order(session, charge.order_id)).paid_at is not None


def _end(charge: CardChargeRow, state: str, reason: str | None) -> None:
    charge.state, charge.reason, charge.ended_at, charge.next_look_at = state, reason, clock.now(), None
