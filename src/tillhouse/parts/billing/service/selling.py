"""The purpose that billing provides to payments: an invoice is paid, or its payment is given back."""

from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import Owner
from tillhouse.parts.billing.models import InvoiceRow
from tillhouse.parts.billing.service import giving_back, invoices
from tillhouse.parts.payments import api as payments

INVOICE = "billing.invoice"


async def invoice_paid_by(session: ReadSession, payment: payments.PaymentView) -> InvoiceRow | None:
    """The invoice that a payment has paid; None for a payment for anything else, or that came too late."""
    order = await payments.order(session, payment.order_id)
    if order.purpose != INVOICE:
        return None
    found = await store.invoice(session, UUID(order.reference or ""))
    return found if found and found.payment_id == payment.id else None


async def _paid(session: Session, payment: payments.SettledPayment) -> None:
    """Give what the invoice is for. One that is paid or void already refuses: the money stays in the wallet."""
    invoice = await _invoice(session, payment)
    await invoices.pay(
        session, invoice.id, owner=Owner(payment.owner_kind, payment.owner_id), payment_id=payment.payment_id
    )


async def _given_back(session: Session, payment: payments.SettledPayment, amount: Money) -> None:
    invoice = await _invoice(session, payment)
    await giving_back.take_back(session, invoice, amount)


async def _invoice(session: Session, payment: payments.SettledPayment) -> InvoiceRow:
    try:
        found = await store.invoice(session, UUID(payment.reference or ""))
    except ValueError:
        found = None
    if found is None:
        raise NotFound(N_("There is no such invoice."))
    return found


PURPOSE = payments.Purpose(INVOICE, N_("Plan or points"), _paid, on_refund=_given_back)
