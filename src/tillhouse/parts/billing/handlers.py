"""Messages about plans and invoices."""

from zoneinfo import ZoneInfo

from tillhouse.kernel.db import JsonValue, Session, house_of
from tillhouse.kernel.web.formats import to_be_said
from tillhouse.kernel.work import AnyHandler, Handler
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, Owner, State, page_of
from tillhouse.parts.billing.domain.subscriptions import SERVED
from tillhouse.parts.billing.events import InvoicePaid, InvoiceWritten, PaymentAskedFor, SubscriptionChanged
from tillhouse.parts.billing.models import InvoiceRow, SubscriptionRow
from tillhouse.parts.billing.service import charging, giving_back, owners, selling
from tillhouse.parts.billing.service.books import owner_of, wallet_of
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api as payments
from tillhouse.parts.payments.events import CardRemoved, DisputeLost


async def _renewal_written(session: Session, event: InvoiceWritten) -> None:
    """Whoever has to pay by themselves hears of a renewal in time, and so does whose card will be charged; the wallet
    pays without a word until it lacks.
    """
    invoice = await store.invoice(session, event.invoice_id)
    if invoice is None or invoice.subscription_id is None or invoice.starts_anew:
        return
    subscription = await store.subscription(session, invoice.subscription_id)
    if subscription is None or invoice.state != InvoiceState.OPEN or await _wallet_pays(session, subscription, invoice):
        return
    card = await payments.card_for(session, invoice.owner_kind, invoice.owner_id, invoice.currency)
    if card:
        when = to_be_said(subscription.paid_until.astimezone(ZoneInfo(subscription.zone)).date())
        await _tell(session, invoice, "billing.card_to_be_charged", by=card.kind, card=card.mark, when=when)
    elif not subscription.pays_from_wallet:
        await _tell(session, invoice, "billing.payment_due")


async def _asked_for(session: Session, event: PaymentAskedFor) -> None:
    invoice = await store.invoice(session, event.invoice_id)
    if invoice is None or invoice.state != InvoiceState.OPEN:
        return
    refused = await charging.refused_when_asked(session, invoice)
    if refused:
        by = await payments.kind_of_card(session, refused.card_id)
        await _tell(session, invoice, "billing.card_refused", by=by, why=_WHY.get(refused.reason or "", "refused"))
    else:
        await _tell(session, invoice, "billing.payment_due")


async def _card_removed(session: Session, event: CardRemoved) -> None:
    """Nobody's plan ends because their card is gone: they hear how it is renewed from now on."""
    card = await payments.removed_card(session, event.card_id)
    owner = Owner(card.owner_kind, card.owner_id)
    goes_on = [
        one
        for one in await store.live_subscriptions(session, owner)
        if State(one.state) in SERVED and not one.ends_at_period_end
    ]
    if goes_on:
        link = _link(session, owner, "/billing/")
        await owners.tell(session, owner, "billing.card_removed", {"by": card.kind, "card": card.mark, "link": link})


async def _dispute_lost(session: Session, event: DisputeLost) -> None:
    """What a payer's bank took back is not paid for: what is unused of it is taken back, and pays the debt."""
    dispute = await payments.dispute(session, event.dispute_id)
    payment = await payments.payment(session, dispute.payment_id)
    invoice = await selling.invoice_paid_by(session, payment)
    if invoice is None or dispute.state != payments.DisputeState.LOST:
        return
    owner = owner_of(invoice)
    try:
        taken = await giving_back.take_back_lost(session, invoice, dispute.lost)
    except ledger.AccountClosed:  # whoever is gone has no plan and no points
        return
    if taken:
        key = f"billing.taken_back:{dispute.id}"
        await payments.collect_debt(session, owner.kind, owner.id, invoice.currency, key=key)


async def _wallet_pays(session: Session, subscription: SubscriptionRow, invoice: InvoiceRow) -> bool:
    if not subscription.pays_from_wallet:
        return False
    wallet = await ledger.balance(session, wallet_of(owner_of(invoice), invoice.currency))
    return not wallet.available < invoice.money


async def _paid(session: Session, event: InvoicePaid) -> None:
    invoice = await store.invoice(session, event.invoice_id)
    if invoice and invoice.total:
        await _tell(session, invoice, "billing.paid")


async def _ended(session: Session, event: SubscriptionChanged) -> None:
    subscription = await store.subscription(session, event.subscription_id)
    if subscription is None or subscription.state != State.EXPIRED or not subscription.periods:
        return
    owner = Owner(subscription.owner_kind, subscription.owner_id)
    await owners.tell(session, owner, "billing.ended", {"link": _link(session, owner, "/billing/")})


async def _tell(session: Session, invoice: InvoiceRow, template: str, **more: JsonValue) -> None:
    owner = owner_of(invoice)
    link = _link(session, owner, f"/billing/invoices/{invoice.id}")
    await owners.tell(session, owner, template, {"amount": to_be_said(invoice.money), "link": link, **more})


def _link(session: Session, owner: Owner, path: str) -> str:
    return house_of(session).settings.address(page_of(owner, path))


# What a bank's reason asks of a card's holder; any other is told as it is: the bank said no.
_WHY = {
    "authentication_required": "confirm",
    "insufficient_funds": "funds",
    "insufficient_fund": "funds",
    "expired_card": "expired",
    "invalid_expiry_month": "expired",
    "invalid_expiry_year": "expired",
    "expired": "unanswered",
    "card_removed": "gone",
    "resource_missing": "gone",
    "not_found": "gone",
    "invalid_token": "gone",
    "mandate_cancelled": "gone",
    "mandate_ended": "gone",
    "mandate_expired": "gone",
    "mandate_not_active": "gone",
    "mandate_paused": "paused",
    "above_mandate": "above",
    "amount_does_not_match_mandate_amount": "above",
    "mandate_debit_beyond_psp_amount_cap": "above",
    "adequate_funds_not_available_blocked": "funds",
}

HANDLERS: tuple[AnyHandler, ...] = (
    Handler(event=InvoiceWritten, name="renewal_written", run=_renewal_written),
    Handler(event=PaymentAskedFor, name="payment_asked_for", run=_asked_for),
    Handler(event=CardRemoved, name="saved_card_removed", run=_card_removed),
    Handler(event=DisputeLost, name="dispute_lost", run=_dispute_lost),
    Handler(event=InvoicePaid, name="invoice_paid", run=_paid),
    Handler(event=SubscriptionChanged, name="subscription_ended", run=_ended),
)
