"""What the outside hears of payments. One line here makes an event public.

The status is the one that the event is about, not the row's: by the time a payload is read the row may have moved on,
and a `payment.captured` that says `refunded` would be acted on wrongly. `id` and `read` lead to the present state.
"""

from tillhouse.kernel.db import JsonObject, ReadSession, house_of
from tillhouse.kernel.publishing import AnyPublishedEvent, PublishedEvent
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import Event
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    PaymentCaptured,
    PaymentFailed,
    PayoutFailed,
    PayoutProcessed,
    PayoutRequested,
    PayoutReversed,
)


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


def _read(session: ReadSession, id: str) -> str:  # noqa: A002  the path says id
    return house_of(session).settings.address(f"/api/v1/payments/status/{id}")


PUBLISHED = (
    _payment(PaymentCaptured, "captured", N_("Money came in and is booked")),
    _payment(PaymentFailed, "failed", N_("A try at paying did not go through")),
    _payout(PayoutRequested, "requested", N_("Money is set aside to be paid out")),
    _payout(PayoutProcessed, "processed", N_("Money went out")),
    _payout(PayoutFailed, "failed", N_("Money did not go out and is free again")),
    _payout(PayoutReversed, "reversed", N_("Money went out and came back")),
)
