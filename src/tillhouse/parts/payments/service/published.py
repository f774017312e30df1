"""What the outside hears of payments. One line here makes an event public.

The status is the one that the event is about, not the row's: by the time a payload is read the row may have moved on,
and a `payment.captured` that says `refunded` would be acted on wrongly. `id` and `read` lead to the present state.
"""

from tillhouse.kernel.db import JsonObject, ReadSession, house_of
from tillhouse.kernel.money import Money
from tillhouse.kernel.publishing import AnyPublishedEvent, PublishedEvent
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import Event
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    PaymentCaptured,
    PaymentFailed,
    PayoutFailed,
    PayoutProcessed,
    PayoutRequested,
    PayoutReversed,
    RefundFailed,
    RefundProcessed,
    RefundRequested,
)
from tillhouse.parts.payments.models import DisputeRow, RefundRow
from tillhouse.parts.payments.store import refunds


def _payment(event: type[Event], status: str, title: str) -> AnyPublishedEvent:
    """An event that names a payment by `payment_id`."""

    async def render(session: ReadSession, happened: PaymentCaptured | PaymentFailed) -> JsonObject | None:
        payment = await store.payment_by_id(session, happened.payment_id)
        order = await store.order_by_id(session, payment.order_id) if payment else None
        if payment is None or order is None:
            return None
        return {
            "object": "payment",
            "id": str(payment.id),
            "status": status,
            "amount": str(payment.money),
            "currency": payment.currency,
            "order_id": str(order.id),
            "purpose": order.purpose,
            "reference": order.purpose_reference,
            "owner": {"kind": order.owner_kind, "id": str(order.owner_id)},
            "provider": payment.provider,
            "provider_payment_id": payment.provider_payment_id,
            "read": _read(session, str(order.id)),
        }

    return PublishedEvent(event=event, type=f"payment.{status}", title=title, render=render)


def _payout(event: type[Event], status: str, title: str) -> AnyPublishedEvent:
    """An event that names a payout by `payout_id`."""

    async def render(session: ReadSession, happened: PayoutRequested | PayoutProcessed) -> JsonObject | None:
        payout = await store.payout_by_id(session, happened.payout_id)
        if payout is None:
            return None
        return {
            "object": "payout",
            "id": str(payout.id),
            "status": status,
            "amount": str(payout.money),
            "currency": payout.currency,
            "owner": {"kind": payout.owner_kind, "id": str(payout.owner_id)},
            "provider": payout.provider,
            "read": _read(session, str(payout.id)),
        }

    return PublishedEvent(event=event, type=f"payout.{status}", title=title, render=render)


def _refund(event: type[Event], status: str, title: str) -> AnyPublishedEvent:
    """An event that names a refund by `refund_id`."""

    async def render(session: ReadSession, happened: RefundRequested | RefundProcessed) -> JsonObject | None:
        row = await refunds.refund_by_id(session, happened.refund_id)
        return await _of_payment(session, "refund", status, row, row.provider_refund_id if row else None)

    return PublishedEvent(event=event, type=f"refund.{status}", title=title, render=render)


def _dispute(event: type[Event], status: str, title: str) -> AnyPublishedEvent:
    """An event that names a dispute by `dispute_id`."""

    async def render(session: ReadSession, happened: DisputeOpened | DisputeWon) -> JsonObject | None:
        row = await refunds.dispute_by_id(session, happened.dispute_id)
        told = await _of_payment(session, "dispute", status, row, row.provider_dispute_id if row else None)
        if told and row:
            told["respond_by"] = row.respond_by.isoformat() if row.respond_by else None
            told["lost"] = str(row.lost) if status == "lost" else None
        return told

    return PublishedEvent(event=event, type=f"dispute.{status}", title=title, render=render)


async def _of_payment(
    session: ReadSession, what: str, status: str, row: RefundRow | DisputeRow | None, theirs: str | None
) -> JsonObject | None:
    payment = await store.payment_by_id(session, row.payment_id) if row else None
    order = await store.order_by_id(session, payment.order_id) if payment else None
    if row is None or payment is None or order is None:
        return None
    return {
        "object": what,
        "id": str(row.id),
        "status": status,
        "amount": str(Money(row.amount, row.currency)),
        "currency": row.currency,
        "payment_id": str(payment.id),
        "order_id": str(order.id),
        "purpose": order.purpose,
        "reference": order.purpose_reference,
        "owner": {"kind": order.owner_kind, "id": str(order.owner_id)},
        "provider": row.provider,
        f"provider_{what}_id": theirs,
        "read": _read(session, str(order.id)),
    }


def _read(session: ReadSession, id: str) -> str:  # noqa: A002  the path says id
    return house_of(session).settings.address(f"/api/v1/payments/status/{id}")


PUBLISHED = (
    _payment(PaymentCaptured, "captured", N_("Money came in and is booked")),
    _payment(PaymentFailed, "failed", N_("A try at paying did not go through")),
    _payout(PayoutRequested, "requested", N_("Money is set aside to be paid out")),
    _payout(PayoutProcessed, "processed", N_("Money went out")),
    _payout(PayoutFailed, "failed", N_("Money did not go out and is free again")),
    _payout(PayoutReversed, "reversed", N_("Money went out and came back")),
    _refund(RefundRequested, "requested", N_("Money is set aside to go back to its payer")),
    _refund(RefundProcessed, "processed", N_("Money went back to its payer")),
    _refund(RefundFailed, "failed", N_("Money did not go back to its payer, or came back from their bank")),
    _dispute(DisputeOpened, "opened", N_("A payer's bank wants money back")),
    _dispute(DisputeLost, "lost", N_("A payer's bank took its money back")),
    _dispute(DisputeWon, "won", N_("A payer's bank left the money with us")),
)
