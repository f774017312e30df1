"""Messages about plans and invoices. A house without a part that sends messages sends none."""

from tillhouse.kernel.db import JsonObject, Session, house_of
from tillhouse.kernel.web.formats import to_be_said
from tillhouse.kernel.work import AnyHandler, Handler
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, State
from tillhouse.parts.billing.events import InvoicePaid, InvoiceWritten, PaymentAskedFor, SubscriptionChanged
from tillhouse.parts.billing.models import InvoiceRow
from tillhouse.parts.identity import api as identity


async def _renewal_written(session: Session, event: InvoiceWritten) -> None:
    """Whoever has to pay by themselves hears of a renewal in time; the wallet pays without a word until it lacks."""
    invoice = await store.invoice(session, event.invoice_id)
    if invoice is None or invoice.subscription_id is None or invoice.starts_anew:
        return
    subscription = await store.subscription(session, invoice.subscription_id)
    if subscription and not subscription.pays_from_wallet and invoice.state == InvoiceState.OPEN:
        await _tell(session, invoice, "billing.payment_due")


async def _asked_for(session: Session, event: PaymentAskedFor) -> None:
    invoice = await store.invoice(session, event.invoice_id)
    if invoice and invoice.state == InvoiceState.OPEN:
        await _tell(session, invoice, "billing.payment_due")


async def _paid(session: Session, event: InvoicePaid) -> None:
    invoice = await store.invoice(session, event.invoice_id)
    if invoice and invoice.total:
        await _tell(session, invoice, "billing.paid")


async def _ended(session: Session, event: SubscriptionChanged) -> None:
    subscription = await store.subscription(session, event.subscription_id)
    if subscription is None or subscription.state != State.EXPIRED or not subscription.periods:
        return
    if subscription.owner_kind == "person" and house_of(session).provided(identity.MessageSender):
        data: JsonObject = {"link": f"{house_of(session).settings.base_url}/billing/"}
        await identity.notify(session, subscription.owner_id, "billing.ended", data)


async def _tell(session: Session, invoice: InvoiceRow, template: str) -> None:
    if invoice.owner_kind != "person" or not house_of(session).provided(identity.MessageSender):
        return
    data: JsonObject = {
        "amount": to_be_said(invoice.money),
        "link": f"{house_of(session).settings.base_url}/billing/invoices/{invoice.id}",
    }
    await identity.notify(session, invoice.owner_id, template, data)


HANDLERS: tuple[AnyHandler, ...] = (
    Handler(event=InvoiceWritten, name="renewal_written", run=_renewal_written),
    Handler(event=PaymentAskedFor, name="payment_asked_for", run=_asked_for),
    Handler(event=InvoicePaid, name="invoice_paid", run=_paid),
    Handler(event=SubscriptionChanged, name="subscription_ended", run=_ended),
)
