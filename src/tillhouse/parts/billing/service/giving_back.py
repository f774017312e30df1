"""What a refund takes back of what was sold: unused time of a period, unspent points of a lot.

Money and what it was paid for move together: a refund beyond what is unused is refused.
"""

from dataclasses import dataclass

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, State
from tillhouse.parts.billing.domain.subscriptions import LIVE
from tillhouse.parts.billing.models import InvoiceRow, SubscriptionRow
from tillhouse.parts.billing.service import invoices
from tillhouse.parts.billing.service.books import GRANTED, book_given_back, lock_owner, owner_of
from tillhouse.parts.ledger import api as ledger


class UsedUp(Conflict):
    """More was asked back than is unused."""

    code = "used_up"


@dataclass(frozen=True, slots=True)
class Returnable:
    """What of an invoice can be given back, and the points that would be taken back for all of it."""

    money: Money
    points: Money | None


async def returnable(session: ReadSession, invoice: InvoiceRow) -> Returnable:
    """What can be given back of a paid invoice now."""
    if invoice.state != InvoiceState.PAID:
        return Returnable(Money(0, invoice.currency), None)
    if invoice.lot_id is not None:
        lot = await ledger.lot(session, invoice.lot_id)
        return Returnable(Money(invoice.total * lot.free.minor // lot.granted.minor, invoice.currency), lot.free)
    return Returnable(invoices.unused_time(invoice), None)


async def take_back(session: Session, invoice_row: InvoiceRow, amount: Money) -> None:
    """Take back what `amount` of a payment for an invoice was for, and put the money into the owner's wallet.

    A subscription whose period is given back in full ends at once, and the points of that period with it. Raises
    `UsedUp`.
    """
    subscription, invoice = await _locked(session, invoice_row)
    can = await returnable(session, invoice)
    if can.money < amount:
        raise UsedUp(N_("Only {amount} of this is unused and can be given back."), amount=can.money)
    await _take_back(session, subscription, invoice, amount, ends=amount == can.money)


async def take_back_lost(session: Session, invoice_row: InvoiceRow, lost: Money) -> bool:
    """Take back what is unused of what the payer's bank took its money back for, up to `lost`; whether there was any.

    Its price is in the owner's wallet then, where it meets the debt. Nobody has half a plan: one of which less was lost
    than is unused goes on, and the debt stands.
    """
    subscription, invoice = await _locked(session, invoice_row)
    can = await returnable(session, invoice)
    amount = min(lost, can.money)
    if not amount or (subscription and amount < can.money):
        return False
    await _take_back(session, subscription, invoice, amount, ends=amount == can.money)
    return True


async def _locked(session: Session, invoice_row: InvoiceRow) -> tuple[SubscriptionRow | None, InvoiceRow]:
    await lock_owner(session, owner_of(invoice_row), invoice_row.currency)
    found = await store.lock_invoice(session, invoice_row.id)
    assert found is not None, "invoices are never deleted"
    return found


async def _take_back(
    session: Session, subscription: SubscriptionRow | None, invoice: InvoiceRow, amount: Money, *, ends: bool
) -> None:
    tax = _tax_of(invoice, amount)
    key = f"{invoice.id}:{invoice.refunded + invoice.tax_refunded}"
    await book_given_back(session, invoice, net=amount - tax, tax=tax, key=key)
    if invoice.lot_id is not None:
        await _revoke_points(session, invoice, amount, key)
    invoice.refunded += amount.minor - tax.minor
    invoice.tax_refunded += tax.minor
    invoice.updated_at = clock.now()
    await session.flush()
    if subscription and ends:
        await _revoke_plan_points(session, invoice, key)
    if subscription and State(subscription.state) in LIVE:
        await _bring_up_to_date(session, subscription, ends=ends)


async def _bring_up_to_date(session: Session, subscription: SubscriptionRow, *, ends: bool) -> None:
    """End a subscription, or void the change of plan that counts on money which has just gone back."""
    open_one = await store.open_invoice(session, subscription.id)
    if open_one and (ends or open_one.credit):
        await invoices.void(session, open_one)
        invoices.look_again(session, subscription, asked=None)
    if ends:
        await invoices.end(session, subscription, State.CANCELLED)


async def _revoke_plan_points(session: Session, invoice: InvoiceRow, key: str) -> None:
    """Take back what is free of the points of a period that was given back. What work has reserved ends with it."""
    lot = await invoices.plan_points(session, invoice)
    if lot and lot.free:
        await ledger.revoke(session, lot.id, lot.free, key=f"billing.taken_back:{key}", kind=GRANTED)


async def _revoke_points(session: Session, invoice: InvoiceRow, amount: Money, key: str) -> None:
    """Take back the points that `amount` was paid for, rounded up: the price of each is the lot's own."""
    assert invoice.lot_id is not None
    lot = await ledger.lot(session, invoice.lot_id)
    points = -(-amount.minor * lot.granted.minor // invoice.total)
    taken = Money(min(points, lot.free.minor), lot.granted.unit)
    await ledger.revoke(session, invoice.lot_id, taken, key=f"billing.taken_back:{key}", kind=GRANTED)


def _tax_of(invoice: InvoiceRow, amount: Money) -> Money:
    """The tax in `amount`: over all refunds of an invoice it sums to the invoice's tax, whatever the parts."""
    before = invoice.refunded + invoice.tax_refunded
    after = before + amount.minor
    return Money(invoice.tax * after // invoice.total - invoice.tax * before // invoice.total, invoice.currency)
