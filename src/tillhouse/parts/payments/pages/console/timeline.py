"""What happened to a payment, in the order in which it did: from our rows and from what its provider told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tillhouse.kernel.web import formats
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.payments.domain import PayoutState
from tillhouse.parts.payments.pages.console.common import ROOT
from tillhouse.parts.payments.pages.console.words import DECISIONS, GATEWAYS, METHODS, PARKED, said
from tillhouse.parts.payments.service.finding import OrderFile, PayoutFile
from tillhouse.parts.payments.service.views import DisputeView, EventView, PaymentView, RefundView, TransferView


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened. `title` and `text` are translated; `transaction` is where it stands in the ledger."""

    at: datetime
    title: str
    text: str = ""
    icon: str = "circle-check"
    tone: str = "neutral"
    transaction: int | None = None
    href: str = ""


def timeline_of(found: OrderFile) -> Sequence[Happened]:
    """Everything that happened to an order and its payments, the oldest first."""
    order = found.order
    happened = [
        Happened(order.created_at, gettext("Asked for {amount}", amount=formats.money(order.amount)), icon="receipt")
    ]
    for payment in found.payments:
        happened += _payment(payment)
    for transfer in found.transfers:
        happened += _transfer(transfer)
    for refund in found.refunds:
        happened += _refund(refund)
    for dispute in found.disputes:
        happened += _dispute(dispute)
    happened += [_event(event) for event in found.events]
    return sorted(happened, key=lambda one: one.at)


def timeline_of_payout(found: PayoutFile) -> Sequence[Happened]:
    """Everything that happened to a payout, the oldest first."""
    payout = found.payout
    happened = [Happened(payout.created_at, gettext("Asked for, the money set aside"), icon="lock")]
    happened += [
        Happened(
            one.at,
            said(DECISIONS, one.decision),
            one.note,
            "user",
            "danger" if one.decision == "rejected" else "success",
        )
        for one in found.decisions
    ]
    if payout.sent_at:
        happened.append(
            Happened(
                payout.sent_at, gettext("Sent to {provider}", provider=said(GATEWAYS, payout.provider)), icon="send"
            )
        )
    if payout.processed_at:
        title = gettext("Paid out")
        happened.append(
            Happened(payout.processed_at, title, payout.utr or "", tone="success", transaction=payout.transaction_id)
        )
    if payout.finished_at and payout.state != PayoutState.PROCESSED:
        why = payout.failure_message or ""
        title = gettext("Ended: the money is in the wallet again")
        happened.append(Happened(payout.finished_at, title, why, "undo-2", "warning", payout.reversal_id))
    happened += [_event(event) for event in found.events]
    return sorted(happened, key=lambda one: one.at)


def _payment(payment: PaymentView) -> Iterator[Happened]:
    by = said(GATEWAYS, payment.provider)
    name = gettext("Tried with {provider}: {method}", provider=by, method=said(METHODS, payment.method) or "–")
    yield Happened(payment.created_at, name, payment.provider_payment_id, "credit-card")
    if payment.captured_at:
        fee = gettext("{provider} keeps {fee}", provider=by, fee=formats.money(payment.fee)) if payment.fee else ""
        title = gettext("{amount} came in and was booked", amount=formats.money(payment.amount))
        yield Happened(payment.captured_at, title, fee, tone="success", transaction=payment.transaction_id)


def _transfer(transfer: TransferView) -> Iterator[Happened]:
    title = gettext("{amount} came by bank transfer", amount=formats.money(transfer.amount))
    href = f"{ROOT}/transfers/{transfer.id}"
    yield Happened(transfer.happened_at, title, "", "landmark", "success", transfer.transaction_id, href)


def _refund(refund: RefundView) -> Iterator[Happened]:
    href = f"{ROOT}/refunds/{refund.id}"
    title = gettext("Refund of {amount} asked for", amount=formats.money(refund.amount))
    yield Happened(refund.created_at, title, refund.reason, "undo-2", "info", href=href)
    if refund.finished_at and refund.state == "processed":
        title = gettext("{amount} went back to the payer", amount=formats.money(refund.amount))
        yield Happened(refund.finished_at, title, "", "undo-2", "success", refund.transaction_id, href)
    elif refund.finished_at:
        title = gettext("The refund failed: the money is in the wallet again")
        why = refund.failure_message or ""
        yield Happened(refund.finished_at, title, why, "circle-x", "danger", refund.reversal_id, href)


def _dispute(dispute: DisputeView) -> Iterator[Happened]:
    href = f"{ROOT}/disputes/{dispute.id}"
    due = gettext("Answer by {day}", day=formats.day(dispute.respond_by)) if dispute.respond_by else ""
    title = gettext("The payer's bank disputes {amount}", amount=formats.money(dispute.amount))
    yield Happened(dispute.opened_at, title, due, "scale", "warning", href=href)
    if dispute.closed_at:
        lost = dispute.state == "lost"
        title = (
            gettext("The dispute was lost: {amount} is gone", amount=formats.money(dispute.taken))
            if lost
            else gettext("The dispute was won")
        )
        tone = "danger" if lost else "success"
        booked = dispute.reversal_id or dispute.transaction_id
        yield Happened(dispute.closed_at, title, "", "scale", tone, booked, href)


def _event(event: EventView) -> Happened:
    parked = event.state == "parked"
    text = gettext("Put aside: {reason}", reason=said(PARKED, event.reason)) if parked else ""
    title = gettext("{provider} told: {event}", provider=said(GATEWAYS, event.provider), event=event.name)
    return Happened(
        event.received_at, title, text, "webhook", "warning" if parked else "neutral", href=f"{ROOT}/events/{event.id}"
    )
