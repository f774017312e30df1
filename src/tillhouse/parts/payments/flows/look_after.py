"""The janitor: whatever is not final is asked about in time, and named when it is too old."""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.house import House
from tillhouse.kernel.work import enqueue
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    CheckCard,
    CheckDispute,
    CheckOrder,
    CheckPayee,
    HandleEvent,
    SendPayout,
    SendRefund,
)
from tillhouse.parts.payments.models import DisputeRow, OrderRow, PayoutRow, RefundRow, SavedCardRow
from tillhouse.parts.payments.service.attention import explained_since, look_into
from tillhouse.parts.payments.service.payouts import UNAPPROVED
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import overdue, payees

# A row that was taken is asked about by its own job, which plans the next time. If that job dies, the row comes back.
_UNTIL_TAKEN_AGAIN = timedelta(minutes=10)
# The last time that a gateway is asked for a card is a little after a day.
_LAST_QUESTION = timedelta(hours=2)

UNFINISHED = "unfinished_too_long"


async def look_after(house: House) -> None:
    """Plan a question about everything that is due for one, and put before a person what is too old."""
    settings, now = house.settings_of(PaymentsSettings), clock.now()
    async with house.database.transaction() as session:
        for order_id in await store.take_due(session, OrderRow, now + _UNTIL_TAKEN_AGAIN):
            await enqueue(session, CheckOrder(order_id=order_id))
        for payout_id in await store.take_due(session, PayoutRow, now + _UNTIL_TAKEN_AGAIN):
            await enqueue(session, SendPayout(payout_id=payout_id))
        for payee_id in await payees.take_due_checks(session, now + _UNTIL_TAKEN_AGAIN):
            await enqueue(session, CheckPayee(payee_id=payee_id))
        for refund_id in await store.take_due(session, RefundRow, now + _UNTIL_TAKEN_AGAIN):
            await enqueue(session, SendRefund(refund_id=refund_id))
        for card_id in await store.take_due(session, SavedCardRow, now + _UNTIL_TAKEN_AGAIN):
            await enqueue(session, CheckCard(card_id=card_id))
        for dispute_id in await store.take_due(session, DisputeRow, now + _UNTIL_TAKEN_AGAIN):
            await enqueue(session, CheckDispute(dispute_id=dispute_id))
    async with house.database.transaction() as session:
        await _name_what_is_too_old(session, settings)


async def _name_what_is_too_old(session: Session, settings: PaymentsSettings) -> None:
    now, since = clock.now(), explained_since(session)
    before = now - settings.too_old
    for payment in await overdue.authorized_payments(session, "authorized_too_long", before, since):
        await look_into(session, "payment", str(payment.id), "authorized_too_long")
    for payout in await overdue.unfinished_payouts(session, UNFINISHED, before, since):
        await look_into(session, "payout", str(payout.id), UNFINISHED, state=payout.state, **_amount(payout))
    for payout in await overdue.unapproved_payouts(session, UNAPPROVED, now - settings.approval_too_old, since):
        await look_into(session, "payout", str(payout.id), UNAPPROVED, reasons=list(payout.reasons), **_amount(payout))
    for payee in await overdue.unanswered_checks(session, "check_unanswered", before, since):
        await look_into(session, "payee", str(payee.id), "check_unanswered", provider=payee.provider)
    for refund in await overdue.unfinished_refunds(session, UNFINISHED, now - settings.refund_too_old, since):
        await look_into(session, "refund", str(refund.id), UNFINISHED, state=refund.state, **_amount(refund))
    await overdue.forget_ended_cards(session, UNFINISHED)
    for card in await overdue.pending_cards(session, UNFINISHED, before - _LAST_QUESTION, since):
        await look_into(session, "card", str(card.id), UNFINISHED, provider=card.provider)
    for event in await overdue.unhandled_events(session, "unhandled_too_long", before, since):
        await look_into(session, "event", f"{event.provider}:{event.event_id}", "unhandled_too_long", event=event.name)
    for event in await overdue.events_to_try_again(session, before):
        await enqueue(session, HandleEvent(event_row_id=event.id), unique=f"again:{event.id}:{now:%Y%m%d}")


def _amount(row: PayoutRow | RefundRow) -> JsonObject:
    return {"amount": row.amount, "currency": row.currency}
