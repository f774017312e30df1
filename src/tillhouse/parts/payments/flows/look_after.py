"""The janitor: whatever is not final is asked about in time, and named when it is too old."""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
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
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import payees
from tillhouse.parts.payments.store.refunds import unfinished_refunds_before

# A row that was taken is asked about by its own job, which plans the next time. If that job dies, the row comes back.
_UNTIL_TAKEN_AGAIN = timedelta(minutes=10)


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
    before = clock.now() - settings.too_old
    for payment in await store.authorized_before(session, before):
        await look_into(session, "payment", str(payment.id), "authorized_too_long")
    for payout in await store.unfinished_payouts_before(session, before):
        await look_into(session, "payout", str(payout.id), "unfinished_too_long", state=payout.state)
    for payee in await payees.unanswered_checks_before(session, before):
        await look_into(session, "payee", str(payee.id), "check_unanswered", provider=payee.provider)
    for refund in await unfinished_refunds_before(session, clock.now() - settings.refund_too_old):
        await look_into(session, "refund", str(refund.id), "unfinished_too_long", state=refund.state)
    for event in await store.unhandled_events_before(session, before):
        await look_into(session, "event", f"{event.provider}:{event.event_id}", "unhandled_too_long", event=event.name)
        await enqueue(session, HandleEvent(event_row_id=event.id), unique=f"again:{event.id}:{clock.now():%Y%m%d}")
